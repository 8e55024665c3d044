"""Workbooks: every cell of every sheet, in all of Excel's forms, and what stands around the cells."""

from __future__ import annotations

import re
import struct
import zipfile
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from nestling import Document
from nestling.document import Skip
from nestling.readers import read_here
from nestling.readers.office import sheets

pytest.importorskip("python_calamine")
openpyxl = pytest.importorskip("openpyxl")

FILES = Path(__file__).parent / "files"
CELLS = "# Shelf A\n\nDrug | Boxes | Until\nAmoxicillin, naïve | 7 | 2027-03-01 | 7\nwide | 17.5"
COMMENT = "Comment (Bea): Count again in May"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"


def book(path: Path, *rows: list[Any]) -> Path:
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    made.save(path)
    return path


def changed(path: Path, target: Path, change: Any, only: str = "") -> Path:
    """A copy of a file whose members are changed."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if only in name else data)
    return target


def text_of(path: Path) -> str:
    (document,) = read_here(path)
    assert isinstance(document, Document), document
    return document.text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("shelves.xlsx", f"{CELLS}\n{COMMENT}\n\n# Shelf B\n\nTRUE"),
        ("shelves.xls", f"{CELLS}\n\n# Shelf B\n\nTRUE\n{COMMENT}"),
        ("shelves-xml.xls", f"{CELLS}\n\n# Shelf B\n\nTRUE"),
        ("shelves.ods", f"{CELLS}\n\n# Shelf B\n\nTRUE".replace("Until\n", f"Until\n{COMMENT}\n")),
        ("shelves.fods", f"{CELLS}\n\n# Shelf B\n\nTRUE".replace("Until\n", f"Until\n{COMMENT}\n")),
    ],
)
def test_a_real_workbook_is_read_in_every_form(name: str, text: str) -> None:
    (document,) = read_here(FILES / name)
    assert isinstance(document, Document)
    assert document.text == text
    assert document.title == ("shelves-xml" if "xml" in name else "Ward stock")


@pytest.mark.parametrize("dimension", [b'ref="A1"', b'ref="Z9:Z9"', b'ref="A1:XFD1048576"', None])
def test_what_a_sheet_says_of_its_size_is_not_believed(tmp_path: Path, dimension: bytes | None) -> None:
    path = book(tmp_path / "a.xlsx", ["one", "two"], ["three", "four"])
    pattern = rb"<dimension[^>]*/>" if dimension is None else rb'(?<=<dimension )ref="[^"]*"'
    wrong = changed(path, tmp_path / "b.xlsx", lambda data: re.sub(pattern, dimension or b"", data), "sheet1.xml")
    assert text_of(wrong) == "# Sheet\n\none | two\nthree | four"


@pytest.mark.parametrize("suffix", [".xlsm", ".xltx", ".xltm", ".docx", ".xls"])
def test_a_workbook_is_known_by_its_content(tmp_path: Path, suffix: str) -> None:
    path = book(tmp_path / "a.xlsx", ["one", "two"]).rename(tmp_path / f"a{suffix}")
    assert text_of(path) == "# Sheet\n\none | two"


def test_values_are_as_a_person_writes_them(tmp_path: Path) -> None:
    row = [7, 1.5, 0.1 + 0.2, True, datetime(2026, 3, 1), datetime(2026, 3, 1, 8, 30), time(8, 30), timedelta(hours=30)]
    path = book(tmp_path / "a.xlsx", row, ["same", None, "same"])
    assert text_of(path) == (
        "# Sheet\n\n7 | 1.5 | 0.3 | TRUE | 2026-03-01 | 2026-03-01 08:30:00 | 08:30:00 | 30:00:00\nsame | same"
    )


def test_the_strict_form_and_dates_as_text_are_read(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", ["one", 5])

    def strict(data: bytes) -> bytes:
        data = data.replace(MAIN.encode(), STRICT.encode())
        data = data.replace(
            b"schemas.openxmlformats.org/officeDocument/2006/relationships",
            b"purl.oclc.org/ooxml/officeDocument/relationships",
        )
        return re.sub(rb'<c r="B1"[^>]*><v>5</v>', b'<c r="B1" t="d"><v>2026-03-01T00:00:00</v>', data)

    assert text_of(changed(path, tmp_path / "b.xlsx", strict)) == "# Sheet\n\none | 2026-03-01"


def test_formulas_without_values_are_named_by_sheet(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", ["sum", "=1+1", "=2+2"])
    document, skip = read_here(path)
    assert isinstance(document, Document)
    assert document.text == "# Sheet\n\nsum"
    reason = "sheet 'Sheet': 2 formulas have no value in the file; open it in a spreadsheet program and save it"
    assert skip == Skip(str(path), reason, within=True)


def test_an_empty_text_is_the_value_of_a_formula(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", ["sum", "=1+1"])
    calculated = changed(
        path, tmp_path / "b.xlsx", lambda data: re.sub(rb'<c r="B1"[^>]*>', b'<c r="B1" t="str">', data), "sheet1"
    )
    assert text_of(calculated) == "# Sheet\n\nsum"


def test_formulas_of_an_open_document_without_values_are_named(tmp_path: Path) -> None:
    data = (FILES / "shelves.fods").read_text().replace('office:value-type="float" office:value="17.5"', "")
    path = tmp_path / "a.fods"
    path.write_text(data.replace("<text:p>17.5</text:p>", ""))
    _, skip = read_here(path)
    reason = "sheet 'Shelf A': 1 formula has no value in the file; open it in a spreadsheet program and save it"
    assert skip == Skip(str(path), reason, within=True)


def test_charts_text_boxes_comments_and_margins_are_read(tmp_path: Path) -> None:
    from openpyxl.chart import BarChart, Reference
    from openpyxl.comments import Comment

    made = openpyxl.Workbook()
    sheet = made.active
    sheet.append(["North", 3])
    sheet["A1"].comment = Comment("Bo:\nask first", "Bo")
    sheet.oddHeader.left.text, sheet.oddFooter.center.text = "Ward && West", "Page &P"
    chart = BarChart()
    chart.title = "Cases by region"
    chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=1))
    sheet.add_chart(chart, "C3")
    alone = BarChart()
    alone.title = "On a sheet of its own"
    made.create_chartsheet("Picture").add_chart(alone)
    hidden = made.create_sheet("Lists")
    hidden.sheet_state = "hidden"
    hidden.append(["kept in a hidden sheet"])
    made.save(tmp_path / "a.xlsx")
    assert text_of(tmp_path / "a.xlsx").split("\n") == [
        "# Sheet",
        "",
        "North | 3",
        "Cases by region",
        "Comment (Bo): ask first",
        "Header: Ward & West",
        "",
        "# Picture",
        "",
        "On a sheet of its own",
        "",
        "# Lists",
        "",
        "kept in a hidden sheet",
    ]


def test_a_sheet_that_spreads_too_far_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    made.active["A1"], made.active["XFD1048576"] = "first", "last"
    made.create_sheet("Good").append(["read"])
    made.save(tmp_path / "a.xlsx")
    document, skip = read_here(tmp_path / "a.xlsx")
    assert isinstance(document, Document)
    assert document.text == "# Sheet\n\n\n# Good\n\nread"
    assert isinstance(skip, Skip)
    assert skip.reason == "sheet 'Sheet' spreads over 1048576 rows and 16384 columns; split it"
    assert sheets.MAX_CELLS < 1048576 * 16384


def test_reports_of_html_or_text_under_the_name_of_a_workbook_are_read(tmp_path: Path) -> None:
    for number, data in enumerate(["<html><table><tr><td>gauze</td></tr></table></html>", "gauze\t5\n"]):
        path = tmp_path / f"{number}.xls"
        path.write_text(data)
        assert "gauze" in text_of(path)


def test_a_binary_workbook_of_today_is_read_and_what_of_it_is_not_is_named(tmp_path: Path) -> None:
    path = binary(tmp_path / "a.xlsb")
    document, skip = read_here(path)
    assert isinstance(document, Document)
    assert document.text == "# Ward\n\ngauze | 2.5\nCases by region"
    assert skip == Skip(
        str(path), "its comments1.bin cannot be read (is damaged (its XML cannot be parsed))", within=True
    )


def binary(path: Path) -> Path:
    """A workbook in records (MS-XLSB): a sheet with a text and a number, with a chart and comments beside it."""

    def record(kind: int, data: bytes = b"") -> bytes:
        name = bytes([kind]) if kind < 128 else bytes([kind & 127 | 128, kind >> 7])
        return name + bytes([len(data)]) + data

    def text(of: str) -> bytes:
        return struct.pack("<I", len(of)) + of.encode("utf-16-le")

    def refer(*targets: tuple[str, str]) -> str:
        kinds = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        rows = (
            f'<Relationship Id="r{n}" Type="{kinds}/{kind}" Target="{to}"/>' for n, (kind, to) in enumerate(targets)
        )
        namespace = "http://schemas.openxmlformats.org/package/2006/relationships"
        return f'<Relationships xmlns="{namespace}">{"".join(rows)}</Relationships>'

    sheet = record(156, struct.pack("<II", 0, 1) + text("r0") + text("Ward"))
    cells = record(6, struct.pack("<II", 0, 0) + text("gauze")) + record(5, struct.pack("<IId", 1, 0, 2.5))
    row = record(0, struct.pack("<IIHBBBI", 0, 0, 300, 0, 0, 0, 0))
    size = record(148, struct.pack("<IIII", 0, 0, 0, 1))
    chart = '<c:chart xmlns:c="c" xmlns:a="a"><a:p><a:t>Cases by region</a:t></a:p></c:chart>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("_rels/.rels", refer(("officeDocument", "xl/workbook.bin")))
        archive.writestr("xl/_rels/workbook.bin.rels", refer(("worksheet", "worksheets/sheet1.bin")))
        archive.writestr("xl/workbook.bin", record(131) + record(143) + sheet + record(144) + record(132))
        archive.writestr(
            "xl/worksheets/sheet1.bin", record(129) + size + record(145) + row + cells + record(146) + record(130)
        )
        around = refer(("drawing", "../drawings/drawing1.xml"), ("comments", "../comments1.bin"))
        archive.writestr("xl/worksheets/_rels/sheet1.bin.rels", around)
        archive.writestr("xl/drawings/drawing1.xml", "<d/>")
        archive.writestr("xl/drawings/_rels/drawing1.xml.rels", refer(("chart", "../charts/chart1.xml")))
        archive.writestr("xl/charts/chart1.xml", chart)
        archive.writestr("xl/comments1.bin", b"\x01\x02")
    return path
