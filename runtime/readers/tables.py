"""Tables as programs write them: a row, a document."""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from ..document import Document, Skip, Value, clean, typed
from .ids import Ids
from .text import Empty, Unreadable, lost, open_text

MAX_RECORD = 16 * 1024 * 1024
# In characters: what may be read in vain, at once and for each one of the rows before, behind quotes that no other
# closes. Without it a table of such rows would be read to its end for each of them.
_IN_VAIN = 2 * MAX_RECORD
_IN_VAIN_A_CHARACTER = 16

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 100
_SAMPLE_CHARS = 1 << 16
# They stand before every cell: a long one times many rows is more text than any memory.
_MAX_NAME = 1000
_SEPARATOR = re.compile(r'"?sep=(.)"?\s*$', re.IGNORECASE)
_FORMULA = re.compile(r'="(.*)"', re.DOTALL)  # how a number is kept a text in Excel
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)*(?:\s*%)?")
_NAME = re.compile(r"\w[\w.()/%#&+-]{0,40}(?: [\w.()/%#&+-]{1,40}){0,4}")  # of a column: no sentence
_YEAR = re.compile(r"[12]\d{3}")
_IDS, _TITLE, _TEXT = ("id", "_id"), "title", "text"


@dataclass(frozen=True)
class _Columns:
    """What the first row says: names, empty where a column has none, and where the id, the title and the text stand.

    Attributes:
        keys: the names as keys of metadata: none is empty, none comes twice.
    """

    names: tuple[str, ...]
    keys: tuple[str, ...]
    id: int | None
    title: int | None
    text: int | None


def read_csv(path: Path, delimiter: str | None = None) -> Iterator[Document | Skip]:
    """A row, a document, under a first row of column names; where that row is of data, the columns have none.

    With a column `text` it is the text, `id` and `title` are what they say, in small letters or capitals, and the
    others are metadata. Without one the text is a line `column: value` for each cell. A row without an id is named by
    its file and its cells, so that it keeps its id where rows are put before it. The file may be of any size.

    Args:
        delimiter: what stands between cells; None for what the first rows tell.
    """
    # The module's own limit of a cell is lower, and is one for the whole process: it is raised, never lowered.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD))
    stream, said = open_text(path)
    with stream:
        lines = _Lines(stream)
        try:
            lines.skip_blank()
            if (told := _SEPARATOR.match("".join(lines.peek()[:1]))) is not None:
                delimiter = told[1]
                lines.next()
            if not (sample := lines.peek()):
                lines.next()  # which says what is wrong with it
                raise Empty("is empty")
        except UnicodeDecodeError as error:
            raise Unreadable(f"is not {stream.encoding.upper()} text; save it as UTF-8") from error
        except csv.Error as error:
            raise Unreadable(f"is not CSV ({error})") from error
        delimiter = delimiter or _delimiter(sample)
        yield from _documents(_records(lines, delimiter), _parsed(sample, delimiter), said, str(path))
        if lines.lost:
            yield Skip(str(path), lost(lines.lost), within=True)


def read_tsv(path: Path) -> Iterator[Document | Skip]:
    """The same with tabs between cells."""
    return read_csv(path, "\t")


class _Lines:
    """The lines of a stream, of which some may be put back.

    Attributes:
        number: of the line that was taken last, from 1.
        lost: how many characters were not in the encoding.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._error: Exception | None = None
        self._replaces = stream.errors == "replace"
        self.number = 0
        self.lost = 0

    def next(self) -> str:
        """The next line; empty at the end.

        Raises:
            csv.Error: it is too long.
            UnicodeDecodeError: it belies the mark that the file began with.
        """
        if self._error is not None and not self._waiting:
            raise self._error
        line = self._waiting.popleft() if self._waiting else self._read()
        self.number += bool(line)
        return line

    def skip_blank(self) -> None:
        """Take the next lines that are blank."""
        while line := self.next():
            if line.strip():
                self.back([line])
                return

    def back(self, lines: Sequence[str]) -> None:
        """Put back what was taken last."""
        self._waiting.extendleft(reversed(lines))
        self.number -= len(lines)

    def peek(self) -> list[str]:
        """The next lines, of some length together, which stay to be taken; an error is left to who takes them."""
        taken: list[str] = []
        try:
            while len(taken) < _SAMPLE_LINES and sum(map(len, taken)) < _SAMPLE_CHARS and (line := self.next()):
                taken.append(line)
        except (csv.Error, UnicodeError) as error:
            self._error = error
        self.back(taken)
        return taken

    def _read(self) -> str:
        line = self._stream.readline(MAX_RECORD)
        if len(line) == MAX_RECORD:
            self._error = csv.Error(f"a line is over {MAX_RECORD} characters")  # what is left of it is no line
            raise self._error
        if self._replaces:
            self.lost += line.count("\ufffd")
        return clean(line)


def _records(lines: _Lines, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table, each with the number of its first line.

    A quote that is none, as in `5" pipe`, is a character. One that opens a cell and is never closed would hide the
    rest of the file in that cell: where the rows behind it do not read as such, its line is taken by itself.

    Raises:
        csv.Error: a line is too long, or is not in the encoding that the file began with.
    """
    taken: list[str] = []
    size, in_vain = 0, _IN_VAIN

    def fed() -> Iterator[str]:
        nonlocal size
        while line := lines.next():
            size += len(line)
            taken.append(line)
            if size > MAX_RECORD or (size > in_vain and len(taken) > 1):
                raise csv.Error("a cell is never closed")
            yield line

    source = fed()
    rows = csv.reader(source, delimiter=delimiter, skipinitialspace=True, strict=True)
    while True:
        taken.clear()
        size = 0
        number = lines.number + 1
        try:
            row = next(rows, None)
        except csv.Error:
            if not taken:
                raise
            lines.back(taken[1:])
            in_vain -= size
            size = len(taken[0])
            (row,) = csv.reader([taken[0].rstrip("\n")], delimiter=delimiter, skipinitialspace=True)
            source = fed()
            rows = csv.reader(source, delimiter=delimiter, skipinitialspace=True, strict=True)
        if row is None:
            return
        in_vain += _IN_VAIN_A_CHARACTER * size
        yield number, [_FORMULA.sub(r"\1", cell) if cell.startswith('="') else cell for cell in row]


def _documents(
    records: Iterator[tuple[int, list[str]]], sample: list[list[str]], said: dict[str, Value], source: str
) -> Iterator[Document | Skip]:
    columns: _Columns | None = None
    ids = Ids(Path(source))
    line, rows = 0, 0
    try:
        for line, row in records:
            if not any(cell.strip() for cell in row):
                continue
            if columns is None:
                columns = _columns([] if _is_data(sample) else row)
                if columns.names:
                    continue
            rows += 1
            yield _row(columns, row, ids, said, f"{source}:{line}", source)
    except (csv.Error, UnicodeError) as error:
        yield Skip(f"{source}:{line + 1}", f"is not CSV ({error}); the rest of the file was not read")
    else:  # names without rows are a table whose rows were deleted
        if not rows and columns is not None and not all(map(_NAME.fullmatch, filter(None, columns.names))):
            yield Skip(source, "has no rows")


def _columns(row: list[str]) -> _Columns:
    names = tuple(" ".join(name.split()) for name in row)
    if names and len(max(names, key=len)) > _MAX_NAME:
        raise Unreadable(f"a column name has over {_MAX_NAME} characters")
    keys: list[str] = []
    times, used = Counter[str](), set(names)
    for number, name in enumerate(names, start=1):
        key = name or f"column {number}"
        times[key] += 1
        if times[key] > 1:
            while (again := f"{key} {times[key]}") in used:
                times[key] += 1
            key = again
        used.add(key)
        keys.append(key)
    small = [name.lower() for name in names]
    id = next((small.index(name) for name in _IDS if name in small), None)
    title, text = (small.index(name) if name in small else None for name in (_TITLE, _TEXT))
    return _Columns(names, tuple(keys), id, title, text)


def _row(
    columns: _Columns, row: list[str], ids: Ids, said: dict[str, Value], where: str, source: str
) -> Document | Skip:
    special = {columns.id, columns.title, columns.text}
    id, title, text = (
        row[at] if at is not None and at < len(row) else "" for at in (columns.id, columns.title, columns.text)
    )
    others = [(at, cell) for at, cell in enumerate(row) if at not in special and cell.strip()]
    known = len(columns.names)
    metadata = dict(said)
    if columns.text is None:
        lines = (f"{columns.names[at]}: {cell}" if at < known and columns.names[at] else cell for at, cell in others)
        text = "\n".join(line.strip() for line in lines)
    else:
        more = {at for at, _ in others if at >= known or columns.names[at].lower() == _TEXT}
        metadata |= {columns.keys[at]: typed(cell) for at, cell in others if at not in more}
        text = "\n".join([text, *(cell.strip() for at, cell in others if at in more)])
    if not f"{title}{text}".strip():
        return Skip(where, "its text is empty")
    try:
        return Document(id.strip() or ids.of("", _content(row)), text, title.strip(), metadata, source)
    except (TypeError, ValueError) as reason:
        return Skip(where, str(reason))


def _content(row: list[str]) -> bytes:
    """What tells a row from others; cells that are empty at its end do not."""
    return "\x1f".join(cell.strip() for cell in row).rstrip("\x1f").encode()


def _parsed(lines: list[str], delimiter: str) -> list[list[str]]:
    """The rows of a sample, but for blank ones and the last, which may be cut, where there are many."""
    rows = [row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if any(map(str.strip, row))]
    return rows[:-1] if len(lines) == _SAMPLE_LINES else rows


def _delimiter(sample: list[str]) -> str:
    """What parts the rows of a sample alike, and the first into most cells; not what a space follows, as in prose."""

    def score(delimiter: str) -> tuple[float, int, int]:
        rows = _parsed(sample, delimiter)
        width = len(rows[0]) if rows else 0
        alike = sum(len(row) == width for row in rows) / len(rows) if width > 1 else 0
        return round(alike, 1), width if alike else 0, -sum(line.count(f"{delimiter} ") for line in sample)

    return max(_DELIMITERS, key=score)


def _is_data(rows: list[list[str]]) -> bool:
    """Whether the first row is no list of names: a number stands in it that is no year, above numbers alone."""
    if not rows:
        return False
    columns = [[row[at].strip() for row in islice(rows, 1, None) if at < len(row)] for at in range(len(rows[0]))]
    numbers = [all(_NUMBER.fullmatch(cell) for cell in column if cell) for column in columns]
    names = [cell.strip() for cell, of_numbers in zip(rows[0], numbers, strict=True) if of_numbers and cell.strip()]
    return any(map(_NUMBER.fullmatch, names)) and all(
        _NUMBER.fullmatch(name) and not _YEAR.fullmatch(name) for name in names
    )
