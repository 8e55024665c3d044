"""Excel files: a heading for each sheet, a line for each row as last calculated; charts, text boxes and comments below.

Cells are read by calamine, which reads .xlsx, .xlsb and .xls alike and does not believe what a sheet says of its size.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from ...document import Document, Skip
from ..text import Unreadable, document_of, joined
from ..zipped import checked_zip
from .binary_sheets import spelled_out
from .cells import Cells, shown
from .number_formats import NumberFormat, formats_of
from .old_sheets import drawn_in
from .ole import OLE, title_of
from .package import DRAWN, Package, drawn, local, reference, value

T = TypeVar("T")

MAX_CELLS = 10_000_000

_MAIN = "xl/workbook.xml"
_THREADED = "tc="  # the author of what stands for a threaded comment in older programs


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
        self._formats = [] if package is None else _formats(package)
        self._people = {} if package is None else _people(package)

    def lines(self) -> Iterator[str]:
        """The lines of all sheets."""
        import python_calamine

        with self._path.open("rb") as file:
            stream = (
                file if self.package is None or _is_xml(self.package) else spelled_out(self.package, file, MAX_CELLS)
            )
            yield from self._lines(*_guarded(lambda: [python_calamine.CalamineWorkbook.from_filelike(stream)]))

    def _lines(self, book: Any) -> Iterator[str]:
        for name in book.sheet_names:
            yield f"\n# {' '.join(name.split())}\n"
            part = self._parts.get(name, "")
            cells = self._read(name, part) if part else Cells(())
            if cells.rows * cells.columns <= MAX_CELLS:
                try:
                    yield from _guarded(partial(_rows, book, name, cells))
                except Unreadable as reason:
                    self.unread.append(f"sheet {name!r} cannot be read ({reason})")
            if self.package is not None and part:
                yield from self._around(part)
            yield from cells.margins
        if self.package is not None and not self._parts:
            for kind, part in self.package.related(self.package.main).values():
                if kind in ("worksheet", "chartsheet"):
                    yield from self._around(part)

    def _read(self, name: str, part: str) -> Cells:
        """What calamine does not tell of a sheet; notes what of it cannot be read."""
        assert self.package is not None
        from lxml import etree

        cells = Cells(self._formats)
        try:
            with self.package.stream(part) as stream:
                cells.read(stream)
        except (etree.XMLSyntaxError, zipfile.BadZipFile, EOFError, Unreadable) as error:
            self.unread.append(f"sheet {name!r} is damaged ({error})")
        if cells.missing:
            self.unread.append(without_values(name, cells.missing))
        if cells.rows * cells.columns > MAX_CELLS:
            self.unread.append(f"sheet {name!r} spreads over {cells.rows} rows and {cells.columns} columns; split it")
        return cells

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
    except OSError as error:
        if error.errno is not None:
            raise
        raise Unreadable(f"is damaged ({error})") from error  # it ends too early
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise Unreadable("is damaged") from error


def _comment(author: str, text: str) -> Iterator[str]:
    if text:
        yield f"Comment ({author}): {text}" if author else f"Comment: {text}"


def _rows(book: Any, name: str, cells: Cells) -> Iterator[str]:
    sheet = book.get_sheet_by_name(name)
    first = sheet.start[1] if sheet.start else 0
    for row, forms in zip(sheet.iter_rows(), cells.forms(), strict=False):
        texts = (shown(cell, forms.get(column)) for column, cell in enumerate(row, first))
        if line := " | ".join(filter(None, (" ".join(text.split()) for text in texts))):
            yield line


def _sheets(package: Package) -> dict[str, str]:
    """The parts of the sheets by their names; the binary form has no XML for them, and none is found."""
    if not _is_xml(package):
        return {}
    related = package.related(package.main)
    sheets = (one for one in package.part(package.main).iter() if local(one) == "sheet")
    return {value(one, "name"): related.get(reference(one), ("", ""))[1] for one in sheets}


def _formats(package: Package) -> list[NumberFormat | None]:
    roots = package.roots("styles") if _is_xml(package) else ()
    return [one for _, root in roots for one in formats_of(root)]


def _is_xml(package: Package) -> bool:
    return package.main.lower().endswith(".xml")


def _people(package: Package) -> dict[str, str]:
    people = (one for _, root in package.roots("person") for one in root)
    return {value(one, "id"): value(one, "displayName") for one in people}
