"""Workbooks: a heading for each sheet, a line for each row, as last calculated; comments and charts behind their sheet.

Today's are read a row at a time (openpyxl), whatever they say of the size of their sheets; older and binary ones, and
those that openpyxl has no way with, by calamine.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime, time
from pathlib import Path
from typing import Any

from ...document import Document, Skip
from ..text import Unreadable, document_of, joined, limited
from ..zipped import checked_zip
from .package import DRAWN, Package, drawn, local, value

_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main", "http://purl.oclc.org/ooxml/spreadsheetml/main"


def read_xlsx(path: Path) -> Iterator[Document | Skip]:
    """A workbook of today's Excel."""
    with checked_zip(path) as archive:
        package = Package(archive, "xl/workbook.xml")
        try:
            sheets = list(_rows_by_openpyxl(path))
        except Unreadable:
            raise
        except Exception:  # of many kinds, for what other programs write; the other reader asks for less
            sheets = list(_rows_by_calamine(path))
        besides, uncounted = _besides(package, archive)
        lines = (line for name, rows in sheets for line in (*rows, *besides.get(name, ())))
        text = joined(lines, "\n")
        title = package.title()
    yield document_of(path, text, title)
    for name, count in uncounted.items():
        reason = f"sheet {name!r} has {count} formulas without a result; open it in a spreadsheet and save it there"
        yield Skip(str(path), reason, within=True)
    for what in dict.fromkeys(package.unread):
        yield Skip(str(path), what, within=True)


def read_xls(path: Path) -> Iterator[Document | Skip]:
    """A workbook of an older Excel (.xls), or a binary one (.xlsb)."""
    limited(path)
    if zipfile.is_zipfile(path):
        checked_zip(path).close()
    yield document_of(path, joined((line for _, rows in _rows_by_calamine(path) for line in rows), "\n"), None)


def _rows_by_openpyxl(path: Path) -> Iterator[tuple[str, list[str]]]:
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # it may name another size than it has
            yield sheet.title, [_heading(sheet.title), *_lines(sheet.iter_rows(values_only=True))]
    finally:
        book.close()


def _rows_by_calamine(path: Path) -> Iterator[tuple[str, list[str]]]:
    import python_calamine

    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
        for sheet in book.sheets_metadata:
            if sheet.typ == python_calamine.SheetTypeEnum.WorkSheet:
                rows = book.get_sheet_by_name(sheet.name).iter_rows()
                yield sheet.name, [_heading(sheet.name), *_lines(rows)]
    except python_calamine.PasswordError as error:
        raise Unreadable("needs a password; save it without one") from error
    except python_calamine.CalamineError as error:
        raise Unreadable("is damaged or of another format (no workbook)") from error


def _heading(name: str) -> str:
    return f"\n# {' '.join(name.split())}\n"


def _lines(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    for row in rows:
        if line := " | ".join(text for cell in row if cell is not None and (text := _text(cell))):
            yield line


def _text(cell: Any) -> str:
    """A cell as a person would write it: a day without a time, a whole number without a point."""
    if isinstance(cell, datetime) and cell.time() == time():
        cell = cell.date()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        cell = int(cell)
    return " ".join(str(cell).split())


def _besides(package: Package, archive: zipfile.ZipFile) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Comments and words of charts by sheet, and how many formulas have no result."""
    lines: dict[str, list[str]] = {}
    formulas: dict[str, int] = {}
    book = package.read(package.main, "its list of sheets")
    targets = package.related(package.main)
    for sheet in () if book is None else (one for one in book.iter() if local(one) == "sheet"):
        name, (_, part) = value(sheet, "name"), targets.get(value(sheet, "id"), ("", ""))
        if not package.has(part):
            continue
        lines[name] = [*_comments(package, part), *_charts(package, part)]
        if count := _without_result(package.data(part)):
            formulas[name] = count
    return lines, formulas


def _comments(package: Package, sheet: str) -> Iterator[str]:
    texts: dict[str, None] = {}
    # A thread has its replies in a part of its own, and what older programs show of it among the comments.
    threads = [comment for _, root in package.roots("threadedComment", sheet) for comment in root]
    for comment in threads:
        texts[_joined(comment)] = None
    for _, root in package.roots("comments", sheet):
        for comment in (one for one in root.iter() if local(one) == "comment"):
            if not (threads and "[Threaded comment]" in _joined(comment)):
                texts[_joined(comment)] = None
    yield from (f"Comment: {text}" for text in texts if text)


def _joined(element: Any) -> str:
    parts = (one.text or "" for one in element.iter() if local(one) in ("t", "text"))
    return " ".join("".join(parts).split())


def _charts(package: Package, sheet: str) -> Iterator[str]:
    for name, drawing in package.roots("drawing", sheet):
        yield from drawn(drawing)
        for kind in DRAWN:
            for _, chart in package.roots(kind, name):
                yield from drawn(chart)


def _without_result(data: bytes) -> int:
    """How many cells of a sheet have a formula and no value."""
    from io import BytesIO

    from lxml import etree

    count = 0
    tags = [f"{{{names}}}c" for names in _SHEETS]
    for _, cell in etree.iterparse(BytesIO(data), tag=tags, resolve_entities=False, no_network=True, recover=True):
        parts = {local(part): part.text for part in cell}
        count += "f" in parts and not parts.get("v")
        cell.clear()
        while cell.getprevious() is not None:
            del cell.getparent()[0]
    return count
