"""Tables: a document a line of JSON Lines, a document a row of CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..document import Document, Skip, clean, typed
from .text import MAX_FILE_BYTES, Unreadable, decode, read_bytes

MAX_LINE_BYTES = 16 * 1024 * 1024
_DELIMITERS = ",;\t"
# They stand before every cell: a long one times many rows is more text than any memory.
_MAX_NAME = 1000


def read_jsonl(path: Path, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[Document | Skip]:
    """A line, a document: `id` (or `_id`), `text`, and where given `title` and `metadata`.

    A line that is no such object is skipped, named by its number; the file is read line by line, up to the first line
    that is too long.
    """
    empty = True
    with path.open("rb") as lines:
        number = 0
        while line := lines.readline(max_line_bytes):
            number += 1
            where = f"{path}:{number}"
            if len(line) == max_line_bytes:
                reason = f"line is over {max_line_bytes} bytes; the rest of the file was not read"
                yield Skip(where, reason)
                return
            if line.strip():
                empty = False
                yield _document(line, where, str(path))
    if empty:
        yield Skip(str(path), "is empty")


def read_csv(path: Path) -> Iterator[Document | Skip]:
    """A row, a document, under a first row of column names.

    With a column `text` it is the text, `id` and `title` are what they say, and the others are metadata. Without
    one the text is a line `column: value` for each cell. A row without an id is named by its file and number.
    """
    # The module's own limit of a cell is lower, and is one for the whole process: it is raised, never lowered.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FILE_BYTES))
    try:
        text = decode(read_bytes(path))
        source = io.StringIO(text, newline="")
        rows = csv.reader(source, delimiter=_delimiter(text), skipinitialspace=True, strict=True)
        header = [name.strip() for name in next((row for row in rows if any(row)), [])]
        if not header or len(set(header)) < len(header) or not all(header):
            raise Unreadable("its first row is no list of different column names")
        if len(max(header, key=len)) > _MAX_NAME:
            raise Unreadable(f"a column name has over {_MAX_NAME} characters")
    except (Unreadable, csv.Error) as reason:
        yield Skip(str(path), str(reason))
        return
    empty = True
    try:
        line = rows.line_num + 1
        for row in rows:
            if any(cell.strip() for cell in row):
                empty = False
                yield _row(header, row, f"{path}:{line}", str(path))
            line = rows.line_num + 1
        if empty:
            yield Skip(str(path), "has no rows")
    except csv.Error as error:
        rest = f"is not CSV ({error}); the rest of the file was not read"
        yield Skip(f"{path}:{rows.line_num}", rest)


def named_text(values: Any, id_names: Sequence[str]) -> tuple[str, str, str]:
    """The id, the text and the title of an object of JSON Lines, as a `Document` may hold them.

    Args:
        values: what a line was parsed to.
        id_names: what the id may be called; the first that is there is it.

    Raises:
        ValueError: it is no such object; one clause.
    """
    if not isinstance(values, dict):
        raise ValueError(f"is a JSON {type(values).__name__}, expected an object")
    id = next((values[name] for name in id_names if name in values), None)
    if isinstance(id, bool) or not isinstance(id, (str, int)):
        raise ValueError("has no id")
    text, title = values.get("text"), values.get("title") or ""
    if not isinstance(text, str):
        raise ValueError("has no text")
    if not isinstance(title, str):
        raise ValueError(f"its title is {type(title).__name__}, expected a string")
    return clean(str(id)), clean(text), clean(title)


def _document(line: bytes, where: str, source: str) -> Document | Skip:
    try:
        values = json.loads(decode(line))
    except Unreadable as reason:
        return Skip(where, str(reason))
    except (ValueError, RecursionError):
        return Skip(where, "is not JSON")
    try:
        id, text, title = named_text(values, ["id", "_id"])
    except ValueError as reason:
        return Skip(where, str(reason))
    if not f"{title}{text}".strip():
        return Skip(where, "its text is empty")
    return _made(id, text, title, values.get("metadata") or {}, where, source)


def _row(header: list[str], row: list[str], where: str, source: str) -> Document | Skip:
    if len(row) > len(header):
        return Skip(where, f"has {len(row) - len(header)} cells more than the first row")
    cells = dict(zip(header, row, strict=False))
    id = cells.pop("id", "").strip() or where
    title = cells.pop("title", "").strip()
    if "text" in header:
        text = cells.pop("text", "")
        metadata: dict[str, Any] = {name: typed(cell) for name, cell in cells.items() if cell.strip()}
    else:
        text = "\n".join(f"{name}: {cell}" for name, cell in cells.items() if cell.strip())
        metadata = {}
    if not f"{title}{text}".strip():
        return Skip(where, "its text is empty")
    return _made(id, text, title, metadata, where, source)


def _made(id: str, text: str, title: str, metadata: Any, where: str, source: str) -> Document | Skip:
    try:
        return Document(id, text, title, metadata, source)
    except (TypeError, ValueError) as reason:
        return Skip(where, str(reason))


def _delimiter(text: str) -> str:
    """What stands most often between the names in the first row; the text of the rows may hold anything."""
    first = text.lstrip().split("\n", 1)[0]
    return max(_DELIMITERS, key=first.count)
