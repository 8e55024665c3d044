"""Tables as programs write them: a row, a document."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..document import Document, Skip, Value, typed
from .ids import Ids
from .table_rows import MAX_RECORD, Lines, records
from .table_shape import delimiter_of, is_data, names_at, parsed
from .text import Empty, Unreadable, lost, open_text

# They stand before every cell: a long one times many rows is more text than any memory.
_MAX_NAME = 1000
_SEPARATOR = re.compile(r'"?sep=(.)"?\s*$', re.IGNORECASE)
_IDS, _TITLE, _TEXT = ("id", "_id"), "title", "text"


@dataclass(frozen=True)
class _Columns:
    """What the row of names says: names, empty where a column has none, and where the id, the title and the text stand.

    Attributes:
        keys: the names as keys of metadata: none is empty, none comes twice.
    """

    names: tuple[str, ...]
    keys: tuple[str, ...]
    id: int | None
    title: int | None
    text: int | None


def read_csv(path: Path, delimiter: str | None = None) -> Iterator[Document | Skip]:
    """A row, a document, under a first row of column names; where that row is of data, or the only one, the columns
    have none. Rows above the names, as of a bank statement, are a document of their own.

    With a column `text` it is the text, `id` and `title` are what they say, in small letters or capitals, and the
    others are metadata. Without one the text is a line `column: value` for each cell, but for a title. A row without an
    id is named by its file and its cells, so that it keeps its id where rows are put before it; so is one whose id a
    row above has. The file may be of any size.

    Args:
        delimiter: what stands between cells; None for what the first rows tell.
    """
    # The module's own limit of a cell is lower, and is one for the whole process: it is raised, never lowered.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD))
    stream, said = open_text(path)
    with stream:
        lines = Lines(stream)
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
        delimiter = delimiter or delimiter_of(sample)
        yield from _documents(records(lines, delimiter), parsed(sample, delimiter), said, str(path))
        if lines.lost:
            yield Skip(str(path), lost(lines.lost), within=True)


def read_tsv(path: Path) -> Iterator[Document | Skip]:
    """The same with tabs between cells."""
    return read_csv(path, "\t")


def _documents(
    numbered: Iterator[tuple[int, list[str]]], sample: list[list[str]], said: dict[str, Value], source: str
) -> Iterator[Document | Skip]:
    at = names_at(sample)
    has_names = at > 0 or not is_data(sample)
    above: list[list[str]] = []
    head: list[str] = []
    columns: _Columns | None = None
    ids = Ids(Path(source))
    line, rows = 0, 0
    try:
        for line, row in numbered:
            if not any(cell.strip() for cell in row):
                continue
            if len(above) < at:
                above.append(row)
                if len(above) == at:
                    yield Document(ids.of("above the table", b""), _above_names(above), Path(source).stem, said, source)
                continue
            if columns is None:
                head = row if has_names and len(max(row, key=len)) <= _MAX_NAME else []
                columns = _columns(head)
                if above:  # what a program wrote for people, to whom `Text` is one column of many
                    columns = replace(columns, text=None)
                if head:
                    continue
            rows += 1
            if (item := _row(columns, row, ids, said, f"{source}:{line}", source)) is not None:
                yield item
    except (csv.Error, UnicodeError) as error:
        yield Skip(f"{source}:{line + 1}", f"is not CSV ({error}); the rest of the file was not read")
    else:
        if columns is not None and not rows:
            if {columns.id, columns.title, columns.text} != {None}:
                yield Skip(source, "has names of columns and no rows below them", within=True)
            else:
                yield Document(ids.of("", _content(head)), _lines(head), "", said, source)
    yield from ids.said()


def _above_names(rows: list[list[str]]) -> str:
    """Rows that are no part of a table as text: what stands in the first cell, and what is said of it."""
    filled = ([cell.strip() for cell in row if cell.strip()] for row in rows)
    return "\n".join(f"{cells[0].rstrip(':')}: {', '.join(cells[1:])}" if cells[1:] else cells[0] for cells in filled)


def _lines(cells: Iterable[str]) -> str:
    return "\n".join(cell.strip() for cell in cells if cell.strip())


def _columns(row: list[str]) -> _Columns:
    names = tuple(" ".join(name.split()) for name in row)
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
) -> Document | Skip | None:
    """The document of a row; None for one that was there already."""
    special = {columns.title, columns.text, *(() if columns.text is None else (columns.id,))}
    id, title, text = (
        row[at] if at is not None and at < len(row) else "" for at in (columns.id, columns.title, columns.text)
    )
    others = [(at, cell) for at, cell in enumerate(row) if at not in special and cell.strip()]
    known = len(columns.names)
    metadata = dict(said)
    if columns.text is None:
        text = _lines(
            f"{columns.names[at]}: {cell}" if at < known and columns.names[at] else cell for at, cell in others
        )
    else:
        more = {at for at, _ in others if at >= known or columns.names[at].lower() == _TEXT}
        metadata |= {columns.keys[at]: typed(cell) for at, cell in others if at not in more}
        text = "\n".join([text, *(cell.strip() for at, cell in others if at in more)])
    if not f"{title}{text}".strip():
        return Skip(where, "its text is empty")
    try:
        given = ids.given(id.strip(), _content(row))
        return None if given is None else Document(given, text, title.strip(), metadata, source)
    except (TypeError, ValueError) as reason:
        return Skip(where, str(reason))


def _content(row: list[str]) -> bytes:
    """What tells a row from others; cells that are empty at its end do not."""
    return "\x1f".join(cell.strip() for cell in row).rstrip("\x1f").encode()
