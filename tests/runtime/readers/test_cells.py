"""Cells of a workbook are text as its sheet shows them: errors, codes with leading zeros, percentages."""

from __future__ import annotations

import random
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from members import changed
from nestling import Document
from nestling.document import Skip
from nestling.readers import read_here
from nestling.readers.office import sheets

pytest.importorskip("python_calamine")
openpyxl = pytest.importorskip("openpyxl")

SHEET, BINARY = "xl/worksheets/sheet1.xml", "xl/worksheets/sheet1.bin"
FILES = Path(__file__).parent / "files"
ACCOUNTS = r'_-* #,##0.00\ "€"_-;\-* #,##0.00\ "€"_-;_-* "-"??\ "€"_-;_-@_-'


def text_of(path: Path) -> str:
    (document,) = read_here(path)
    assert isinstance(document, Document), document
    return document.text.removeprefix("# Sheet\n\n")


def book(path: Path, cells: dict[str, tuple[Any, str]]) -> Path:
    """A workbook of values with their formats, by their place."""
    made = openpyxl.Workbook()
    for place, (value, code) in cells.items():
        made.active[place] = value
        made.active[place].number_format = code
    made.save(path)
    return path


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("00000", 1234, "01234"),
        ("00000", 0, "00000"),
        ("00000", 1234567, "1234567"),
        ("00000", -12, "-00012"),
        ("000-00-0000", 12345678, "012-34-5678"),
        (r"00000\-0000", 12345678, "01234-5678"),
        ("(###) ###-####", 2065551234, "(206) 555-1234"),
        ('"No. "000', 3, "No. 003"),
        ('0" kg"', 7, "7 kg"),
        ("0%", 0.25, "25%"),
        ("0%", 0.285, "29%"),
        ("0.00%", -0.1234, "-12.34%"),
        ("0.0#%", 0.125, "12.5%"),
        ("0.00", 1.1, "1.10"),
        ("0.##", 5, "5"),
        (".00", 0.5, ".50"),
        ("0", -0.4, "0"),
        ("#,##0.00", 1234567.5, "1234567.50"),
        ("#,##0.00;[Red](#,##0.00)", -3, "(3.00)"),
        (ACCOUNTS, -5.5, "- 5.50 €"),
        (ACCOUNTS, 5.5, "5.50 €"),
        ("[$€-407] 0.00", 3, "€ 3.00"),
        ("General", 1234.5, "1234.5"),
        ("@", 7, "7"),
        ("# ?/?", 1.5, "1.5"),
        ("0.00E+00", 1.5, "1.5"),
        ("0.0,", 1500, "1500"),
        ("[<10]00;0", 7, "7"),
        (";;;", 7, "7"),
        ('"yes";"no"', 1, "1"),
        ("0;;", 0, "0"),
        ("0" * 255, 7, "7"),
        ("yyyy-mm-dd", 46082, "2026-03-01"),
        ("00000", "text", "text"),
    ],
)
def test_a_number_is_text_as_its_sheet_shows_it(tmp_path: Path, code: str, value: object, text: str) -> None:
    assert text_of(book(tmp_path / "a.xlsx", {"A1": (value, code)})) == text


def test_numbers_are_shown_by_the_format_of_their_own_cells(tmp_path: Path) -> None:
    cells: dict[str, tuple[Any, str]] = {
        "C4": (7, "000"), "D4": (7, "General"), "F4": (0.5, "0%"),
        "C5": (8, "General"), "C6": (9, "0.0"), "E6": (5, "00"),
    }  # fmt: skip
    path = book(tmp_path / "a.xlsx", cells)
    assert text_of(path) == "007 | 7 | 50%\n8\n9.0 | 05"
    assert text_of(changed(path, tmp_path / "b.xlsx", SHEET, rb' r="[A-Z]+4"', b"")).startswith("007 | 7 | 50%")


def test_errors_are_text(tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    made.active.append(["#N/A", 1, "#REF!", "#DIV/0!"])
    made.active["B3"] = "#NAME?"
    made.save(tmp_path / "a.xlsx")
    assert text_of(tmp_path / "a.xlsx") == "#N/A | 1 | #REF! | #DIV/0!\n#NAME?"


def test_an_error_of_a_formula_is_text(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"A1": ("sum", "General"), "B1": ("=1/0", "0%")})
    formula = rb'(<c r="B1"[^>]*)><f>1/0</f><v ?/?>(</v>)?'
    failed = changed(path, tmp_path / "b.xlsx", SHEET, formula, rb'\1 t="e"><f>1/0</f><v>#DIV/0!</v>')
    assert text_of(failed) == "sum | #DIV/0!"


def test_all_cells_of_a_binary_workbook_are_read() -> None:
    (document,) = read_here(FILES / "counts.xlsb")
    assert isinstance(document, Document)
    assert document.text == (
        "# Ward\n\ndrug | count | price | ok\ngauze | 2 | 2.5 | TRUE\nsaline | -3 | 0.25 | FALSE\nb | #N/A | #REF!\n"
        "naïve € | 10000000000 | 2026-03-01"
    )


def test_a_binary_workbook_that_is_cut_or_changed_is_read_or_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "MAX_CELLS", 10_000)
    rng = random.Random(7)
    with zipfile.ZipFile(FILES / "counts.xlsb") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for number in range(200):
        cells = bytearray(parts[BINARY])
        for _ in range(3):
            cells[rng.randrange(len(cells))] = rng.choice((0, 1, 6, 13, 17, 127, 128, 255))
        with zipfile.ZipFile(tmp_path / "a.xlsb", "w") as archive:
            for name, data in parts.items():
                is_sheet = name.endswith("sheet1.bin")
                archive.writestr(name, bytes(cells[: len(cells) - number % 3 * 40]) if is_sheet else data)
        for item in read_here(tmp_path / "a.xlsb"):
            assert isinstance(item, Document) or "sheet" in item.reason or "damaged" in item.reason, item


def test_a_binary_sheet_that_spreads_too_far_is_named(tmp_path: Path) -> None:
    wide = changed(
        FILES / "counts.xlsb",
        tmp_path / "a.xlsb",
        BINARY,
        rb"\0\x19\x04\0\0\0",
        b"\0\x19\x04\0\0\x40",
    )
    document, skip = read_here(wide)
    assert isinstance(document, Document)
    assert document.text == "# Ward"
    assert skip == Skip(
        str(wide), f"sheet1.bin spreads over {(64 << 24) + 5} rows and 4 columns; split it", within=True
    )


def test_a_sheet_whose_styles_are_damaged_is_read(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"A1": (7, "000")})
    odd = changed(path, tmp_path / "b.xlsx", "xl/styles.xml", rb'<xf numFmtId="164"', b'<xf numFmtId="-1"')
    assert text_of(odd) == "7"
    beyond = changed(path, tmp_path / "b.xlsx", SHEET, rb' s="1"', b' s="999999"')
    assert text_of(beyond) == "7"


def test_cells_that_were_made_to_harm_take_no_time(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"A1": (7, "000")})
    rows = b"".join(
        b'<row r="%d"><c r="B%d" t="e"><v>#REF!</v></c><c r="A%d" s="1"><v>7</v></c></row>' % (n, n, n)
        for n in range(1, 30_000)
    )
    began = time.monotonic()
    text = text_of(changed(path, tmp_path / "b.xlsx", SHEET, rb"<row.*</row>", rows + rows))
    assert time.monotonic() - began < 20
    assert set(text.splitlines()) == {"007 | #REF!"}
