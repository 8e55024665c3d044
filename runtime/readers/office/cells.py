"""What calamine does not tell of the cells of a sheet in XML: errors, how numbers are shown, formulas without a value.

The sheet is read as it comes from the archive, as calamine does too; no more of it is kept than the cells it is for.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import IO, Any

from .number_formats import NumberFormat
from .package import local

_PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_SECTION = re.compile("&[LCR]")
_NUMBERED = re.compile("&[PN]")  # a page's number, which programs put there by themselves
_CODES = re.compile(r'&"[^"]*"|&K[0-9A-Fa-f]{6}|&[0-9]{1,3}|&[A-Za-z]')
_ROUND = 10**15
_COLUMN_BITS, _FORM_BITS = 15, 24  # a row has 24
# Those that calamine knows: of a sheet with another one it reads nothing.
_ERRORS = ("#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!")

Form = NumberFormat | str


class Cells:
    """What is found in a sheet.

    Attributes:
        rows, columns: how far it spreads.
        missing: how many formulas have no value.
        margins: what is printed around it.
    """

    def __init__(self, formats: Sequence[NumberFormat | None]) -> None:
        self.rows = self.columns = self.missing = 0
        self.margins: dict[str, None] = {}
        self._styles = len(formats)
        self._forms: list[Form | None] = [*formats, *_ERRORS]
        self._marks = array("Q")  # of the cells that have a form: row, column and form in one number

    def read(self, stream: IO[bytes]) -> None:
        """Read a sheet; what was found before an error stays.

        Raises:
            XMLSyntaxError, BadZipFile, EOFError: it is damaged.
        """
        from lxml import etree

        row = column = 0  # of the cell before: those that do not say where they are stand behind it
        wanted = ("{*}c", "{*}row", "{*}headerFooter")
        for _, one in etree.iterparse(
            stream, tag=wanted, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
        ):
            name = local(one)
            if name == "c":
                if found := _PLACE.fullmatch(one.get("r", "")):
                    row, column = max(int(found[2]) - 1, 0), _column(found[1]) - 1
                    self.rows, self.columns = max(self.rows, row + 1), max(self.columns, column + 1)
                else:
                    row = _row_of(one.getparent(), row)
                self._cell(one, row, column)
                column += 1
            elif name == "headerFooter":
                self.margins.update((line, None) for line in _margins(one))
            else:
                row, column = _row_of(one, row) + 1, 0
                one.clear()
                while one.getprevious() is not None:
                    del one.getparent()[0]

    def forms(self) -> Iterator[Mapping[int, Form | None]]:
        """For each row, how cells are shown that are not shown as calamine gives them, by their column."""
        marks = self._marks if all(map(int.__le__, self._marks, self._marks[1:])) else sorted(self._marks)
        waiting: dict[int, Form | None] = {}
        number = 0
        for mark in marks:
            place, form = divmod(mark, 1 << _FORM_BITS)
            row, column = divmod(place, 1 << _COLUMN_BITS)
            while number < row:
                yield waiting
                waiting = {}
                number += 1
            waiting[column] = self._forms[form]
        yield waiting
        while True:
            yield {}

    def _cell(self, cell: Any, row: int, column: int) -> None:
        parts = {local(one): one.text for one in cell}
        kind, text = cell.get("t", "n"), parts.get("v") or ""
        self.missing += "f" in parts and "is" not in parts and not text and not ("v" in parts and kind == "str")
        style = cell.get("s", "0")
        if kind == "e" and text in _ERRORS:
            form = self._styles + _ERRORS.index(text)
        elif kind == "n" and text and style.isdecimal() and len(style) < 9 and int(style) < self._styles:
            form = int(style)
        else:
            return
        if self._forms[form] is not None and column < 1 << _COLUMN_BITS:
            self._marks.append((row << _COLUMN_BITS | column) << _FORM_BITS | form)


def shown(cell: Any, form: Form | None = None) -> str:
    """A value as a person would write it, or in a form in which its sheet shows it."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        text = form.shown(cell) if isinstance(form, NumberFormat) else ""
        return text or (str(int(cell)) if cell.is_integer() and abs(cell) < _ROUND else f"{cell:.15g}")
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "seconds").removesuffix(" 00:00:00")
    if isinstance(cell, timedelta):
        minutes, seconds = divmod(round(cell.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    if not cell and isinstance(form, str):
        return form
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _row_of(row: Any, number: int) -> int:
    """The number that a row says it has, from 0; another where it does not say."""
    text = row.get("r", "")
    return int(text) - 1 if text.isdecimal() and 0 < len(text) < 8 and int(text) else number


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _margins(element: Any) -> Iterator[str]:
    for one in element:
        name = "Header" if "Header" in local(one) else "Footer"
        for section in _SECTION.split((one.text or "").replace("&&", "\0")):
            text = " ".join(_CODES.sub(" ", section).replace("\0", "&").split())
            if text and not _NUMBERED.search(section):
                yield f"{name}: {text}"
