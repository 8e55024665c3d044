"""Excel files: a heading for each sheet, a line for each row as last calculated; charts, text boxes and comments below.

Cells are read by calamine, which reads .xlsx, .xlsb and .xls alike and does not believe what a sheet says of its size.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from ...document import Document, Skip
from ..text import Unreadable, document_of, joined
from ..zipped import checked_zip
from .old_sheets import drawn_in
from .ole import OLE, title_of
from .package import DRAWN, Package, drawn, local, reference, value

T = TypeVar("T")

MAX_CELLS = 10_000_000

_MAIN = "xl/workbook.xml"
_THREADED = "tc="  # the author of what stands for a threaded comment in older programs
_PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_SECTION = re.compile("&[LCR]")
_NUMBERED = re.compile("&[PN]")  # a page's number, which programs put there by themselves
_CODES = re.compile(r'&"[^"]*"|&K[0-9A-Fa-f]{6}|&[0-9]{1,3}|&[A-Za-z]')
_ROUND = 10**15


def read_workbook(path: Path) -> Iterator[Document | Skip]:
    """A workbook of Excel, in a zip archive or in the binary format of before 2007."""
    with path.open("rb") as stream:
        is_old = stream.read(len(OLE)) == OLE
    if is_old:
        book = _Book(path, None)
        text, title = joined(chain(book.lines(), drawn_in(path)), "\n"), title_of(path)
    else:
        with checked_zip(path) as archive:
            book = _Book(path, Package(archive, _MAIN))
            assert book.package is not None
            text, title = joined(book.lines(), "\n"), book.package.title()
            book.unread += book.package.unread
    if text.strip() or not book.unread:
        yield document_of(path, text, title)
    for what in dict.fromkeys(book.unread):
        yield Skip(str(path), what, within=True)


class _Book:
    """A workbook that is being read.

    Attributes:
        package: its parts, of which the binary format has none.
        unread: what could not be read of it.
    """

    def __init__(self, path: Path, package: Package | None) -> None:
        self._path = path
        self.package = package
        self.unread: list[str] = []
        self._parts = {} if package is None else _sheets(package)
        self._people = {} if package is None else _people(package)

    def lines(self) -> Iterator[str]:
        """The lines of all sheets."""
        import python_calamine

        with self._path.open("rb") as stream:
            yield from self._lines(*_guarded(lambda: [python_calamine.CalamineWorkbook.from_filelike(stream)]))

    def _lines(self, book: Any) -> Iterator[str]:
        for name in book.sheet_names:
            yield f"\n# {' '.join(name.split())}\n"
            part = self._parts.get(name, "")
            margins, is_read = self._checked(name, part) if part else ([], True)
            if is_read:
                try:
                    yield from _guarded(partial(_rows, book, name))
                except Unreadable as reason:
                    self.unread.append(f"sheet {name!r} cannot be read ({reason})")
            if self.package is not None and part:
                yield from self._around(part)
            yield from margins
        if self.package is not None and not self._parts:
            for kind, part in self.package.related(self.package.main).values():
                if kind in ("worksheet", "chartsheet"):
                    yield from self._around(part)

    def _checked(self, name: str, part: str) -> tuple[list[str], bool]:
        """What is printed around a sheet, and whether its cells can be read; counts formulas that have no value."""
        assert self.package is not None
        from lxml import etree

        missing = rows = columns = 0
        margins: dict[str, None] = {}
        wanted = ("{*}c", "{*}row", "{*}headerFooter")
        try:
            with self.package.stream(part) as stream:
                for _, one in etree.iterparse(
                    stream, tag=wanted, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
                ):
                    tag = local(one)
                    if tag == "c":
                        missing += _has_no_value(one)
                        if found := _PLACE.fullmatch(one.get("r", "")):
                            columns = max(columns, _column(found[1]))
                            rows = max(rows, int(found[2]))
                    elif tag == "headerFooter":
                        margins.update((line, None) for line in _margins(one))
                    else:
                        one.clear()
                        while one.getprevious() is not None:
                            del one.getparent()[0]
        except (etree.XMLSyntaxError, zipfile.BadZipFile, EOFError, Unreadable) as error:
            self.unread.append(f"sheet {name!r} is damaged ({error})")
        if missing:
            self.unread.append(without_values(name, missing))
        if rows * columns > MAX_CELLS:
            self.unread.append(f"sheet {name!r} spreads over {rows} rows and {columns} columns; split it")
        return list(margins), rows * columns <= MAX_CELLS

    def _around(self, part: str) -> Iterator[str]:
        """The texts of drawings on a sheet and the comments on its cells."""
        assert self.package is not None
        for drawing, root in self.package.roots("drawing", part):
            yield from drawn(root)
            for kind, name in self.package.related(drawing).values():
                inner = self.package.read(name, "a drawing in it") if kind in DRAWN else None
                yield from () if inner is None else drawn(inner)
        for _, root in self.package.roots("threadedComment", part):
            for one in root:
                text = " ".join(" ".join(part.text or "" for part in one.iter() if local(part) == "text").split())
                yield from _comment(self._people.get(value(one, "personId"), ""), text)
        for _, root in self.package.roots("comments", part):
            authors = [one.text or "" for one in root.iter() if local(one) == "author"]
            for one in (one for one in root.iter() if local(one) == "comment"):
                number = value(one, "authorId")
                author = authors[int(number)] if number.isdecimal() and int(number) < len(authors) else ""
                text = "".join(part.text or "" for part in one.iter() if local(part) == "t")
                if not author.startswith(_THREADED):
                    yield from _comment(author, " ".join(text.removeprefix(f"{author}:").split()))


def without_values(sheet: str, count: int) -> str:
    """The reason of a Skip for formulas of a sheet that the program which wrote it did not calculate."""
    formulas = "1 formula has" if count == 1 else f"{count} formulas have"
    return f"sheet {sheet!r}: {formulas} no value in the file; open it in a spreadsheet program and save it"


def _guarded(read: Callable[[], Iterable[T]]) -> Iterator[T]:
    """What calamine gives; raises Unreadable where it fails, also by a panic, which is no Exception of Python."""
    import python_calamine

    try:
        yield from read()
    except python_calamine.PasswordError as error:
        raise Unreadable("needs a password; save it without one") from error
    except python_calamine.CalamineError as error:
        raise Unreadable(f"is damaged or of another format ({error})") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise Unreadable("is damaged") from error


def _comment(author: str, text: str) -> Iterator[str]:
    if text:
        yield f"Comment ({author}): {text}" if author else f"Comment: {text}"


def _rows(book: Any, name: str) -> Iterator[str]:
    for row in book.get_sheet_by_name(name).iter_rows():
        if line := " | ".join(text for cell in row if (text := " ".join(_shown(cell).split()))):
            yield line


def _shown(cell: Any) -> str:
    """A value as a person would write it."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < _ROUND else f"{cell:.15g}"
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "seconds").removesuffix(" 00:00:00")
    if isinstance(cell, timedelta):
        minutes, seconds = divmod(round(cell.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _has_no_value(cell: Any) -> bool:
    """Whether a cell is a formula that the program which wrote it did not calculate."""
    parts = {local(one): one.text for one in cell}
    return "f" in parts and "is" not in parts and not parts.get("v") and not ("v" in parts and cell.get("t") == "str")


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


def _sheets(package: Package) -> dict[str, str]:
    """The parts of the sheets by their names; the binary form has no XML for them, and none is found."""
    if not package.main.lower().endswith(".xml"):
        return {}
    related = package.related(package.main)
    sheets = (one for one in package.part(package.main).iter() if local(one) == "sheet")
    return {value(one, "name"): related.get(reference(one), ("", ""))[1] for one in sheets}


def _people(package: Package) -> dict[str, str]:
    people = (one for _, root in package.roots("person") for one in root)
    return {value(one, "id"): value(one, "displayName") for one in people}
