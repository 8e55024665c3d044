"""Every cell of a workbook is read, as it was last calculated, and what was not calculated is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from members import changed
from nestling import Document
from nestling.document import Skip
from nestling.readers import read_here

openpyxl = pytest.importorskip("openpyxl")

FILES = Path(__file__).parent / "files"
ROWS = "drug | count | checked\nsaline | 12 | 2026-05-02\nsaline | 12.5 | 2026-05-02 08:30:00"


def read(path: Path) -> tuple[str, list[Skip]]:
    document, *skips = read_here(path)
    assert isinstance(document, Document), document
    return document.text, [skip for skip in skips if isinstance(skip, Skip)]


def test_cells_comments_and_charts_are_read_and_a_formula_without_a_result_is_said() -> None:
    text, skips = read(FILES / "stock.xlsx")
    assert text == f"# Stock\n\n{ROWS}\nCounts by drug\nComment (Ann): count again\n\n# Second\n\nlonely"
    reason = "sheet 'Stock': 1 formula has no value in the file; open it in a spreadsheet program and save it"
    assert skips == [Skip(str(FILES / "stock.xlsx"), reason, within=True)]


def test_an_old_workbook_is_read_as_the_new_one() -> None:
    assert read(FILES / "stock.xls") == (
        f"# Stock\n\n{ROWS}\n24.5\n\n# Second\n\nlonely\nCounts by drug\nComment: count again",
        [],
    )


@pytest.mark.parametrize("says", [b'<dimension ref="A1"/>', b'<dimension ref="A1:XFD1048576"/>', b""])
def test_the_size_that_a_sheet_says_it_has_is_not_believed(tmp_path: Path, says: bytes) -> None:
    book = openpyxl.Workbook()
    for number in range(50):
        book.active.append([f"name{number}", number / 4])
    book.save(tmp_path / "a.xlsx")
    text, _ = read(
        changed(tmp_path / "a.xlsx", tmp_path / "b.xlsx", "xl/worksheets/sheet1.xml", rb"<dimension[^>]*/>", says)
    )
    assert text.splitlines()[-1] == "name49 | 12.25"
    assert text.count("\n") == 51


def test_a_workbook_that_one_reader_has_no_way_with_is_read_by_the_other(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["owl", 7])
    book.save(tmp_path / "a.xlsx")
    broken = changed(
        tmp_path / "a.xlsx",
        tmp_path / "b.xlsx",
        "xl/styles.xml",
        rb"<fonts.*</fonts>",
        b'<fonts><font><sz val="big"/></font></fonts>',
    )
    assert read(broken)[0] == "# Sheet\n\nowl | 7"


def test_equal_cells_stay_and_hidden_sheets_are_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append([3, 3, None, 3, True, "a\nb"])
    book.create_sheet("Kept").sheet_state = "hidden"
    book["Kept"].append(["archive"])
    book.save(tmp_path / "a.xlsm")
    assert read(tmp_path / "a.xlsm")[0] == "# Sheet\n\n3 | 3 | 3 | TRUE | a b\n\n# Kept\n\narchive"


def test_what_is_no_workbook_is_named(tmp_path: Path) -> None:
    for name in ("a.xls", "a.xlsb"):
        (tmp_path / name).write_bytes(b"no workbook at all\0")
        assert list(read_here(tmp_path / name)) == [
            Skip(str(tmp_path / name), "is damaged or of another format (no zip archive)")
        ]
