"""JSON Lines: a line, a document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..document import Document, Skip, clean
from .ids import Ids
from .text import Unreadable, decode

MAX_LINE_BYTES = 16 * 1024 * 1024


def read_jsonl(path: Path, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[Document | Skip]:
    """A line, a document: `id` (or `_id`), `text`, and where given `title` and `metadata`.

    A line whose id another above it has is named by what it holds as well, and left out where it is the same. One that
    is no such object is skipped, named by its number; the file is read line by line, up to the first that is too long.
    """
    with path.open("rb") as lines:
        number = 0
        ids = Ids(path)
        while line := lines.readline(max_line_bytes):
            number += 1
            where = f"{path}:{number}"
            if len(line) == max_line_bytes:
                reason = f"line is over {max_line_bytes} bytes; the rest of the file was not read"
                yield Skip(where, reason)
                break
            if line.strip() and (item := _document(line, where, str(path), ids)) is not None:
                yield item
        yield from ids.said()


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


def _document(line: bytes, where: str, source: str, ids: Ids) -> Document | Skip | None:
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
    try:
        document = Document(id, text, title, values.get("metadata") or {}, source)
        given = ids.given(id, line.strip())
        return None if given is None else replace(document, id=given)
    except (TypeError, ValueError) as reason:
        return Skip(where, str(reason))
