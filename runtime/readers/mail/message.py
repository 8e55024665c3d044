"""A message as a document: its subject the title, who and when as metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...document import Document, Skip, Value, clean
from ..text import MAX_FILE_BYTES, Empty, Unreadable
from .headers import MAX_HEADER, addresses, header, instant, is_cut
from .parts import Parts, Read, header_lines, parsed

_WHOM = ("from", "to", "cc")
_SHOWN = 60


# The parser needs some ten times the memory of what it parses; of short lines, more.
_LESS_BYTES = 8 * 1024 * 1024


def read_message(
    data: bytes,
    id: str,
    name: str,
    source: str,
    read: Read,
    can_read: Callable[[str], bool],
    where: str = "",
    *,
    is_page: bool = False,
) -> Iterator[Document | Skip]:
    """The bytes of one message; of one that is too much for the memory, the beginning.

    Args:
        id: of the document; empty for the Message-ID behind the source, or what stands for it where there is none.
        name: the title where it has no subject.
        source: the file that it stands in.
        read: reads a file that is attached.
        can_read: whether there is a reader for a file of a suffix.
        where: the message for a Skip, where it is not alone in its file.
        is_page: whether it is a page that was saved, whose own title goes before the subject.

    Raises:
        Unreadable: it holds no text.
    """
    most = min(len(data), MAX_FILE_BYTES)
    items = _read_or_none(data[:most], id, name, source, read, can_read, where, is_page)
    if items is None:
        most = min(len(data), _LESS_BYTES)
        items = list(_read(data[:most], id, name, source, read, can_read, where, is_page))
    yield from items
    if most < len(data) or most == MAX_FILE_BYTES:
        yield Skip(where or source, f"has over {most} bytes; the rest of it was not read", within=True)


def _read_or_none(data: bytes, *others: Any) -> list[Document | Skip] | None:
    """What a message gives; None where it is too much for the memory, which is free again then."""
    try:
        return list(_read(data, *others))
    except MemoryError:
        return None


def _read(
    data: bytes,
    id: str,
    name: str,
    source: str,
    read: Read,
    can_read: Callable[[str], bool],
    where: str,
    is_page: bool,
) -> Iterator[Document | Skip]:
    message = parsed(data)
    parts = Parts(where or source, read, can_read)
    body = clean(parts.text(message)).strip()
    subject, lines = clean(header(message, "subject")), header_lines(message)
    title = (clean(parts.title) if is_page else "") or subject
    if is_cut(message):
        parts.skips.append(
            Skip(where or source, f"a header has over {MAX_HEADER} characters; the rest was not read", within=True)
        )
    if not f"{title}{body}" and not lines:
        yield from parts.skips
        if parts.skips:
            return
        raise Unreadable("holds no text")
    metadata: dict[str, Value] = {}
    for key in _WHOM:
        if whom := [clean(one) for one in addresses(message, key)]:
            metadata[key] = whom[0] if len(whom) == 1 else list(whom)
    if (date := instant(message)) is not None:
        metadata["date"] = date
    elif said := clean(header(message, "date")):
        reason = f"its date, {said[:_SHOWN]!r}, cannot be read for sure; the message is read without one"
        parts.skips.append(Skip(where or source, reason, within=True))
    if told := clean(header(message, "message-id")):
        metadata["message_id"] = told.strip("<>") or told
    if parts.encoding:
        metadata["encoding"] = parts.encoding
    text = "\n\n".join(part for part in (clean("\n".join(lines)), body) if part)
    yield Document(id or (f"{source}:{told}" if told else where), text, title or name, metadata, source)
    yield from parts.skips


def read_eml(path: Path, read: Read, can_read: Callable[[str], bool]) -> Iterator[Document | Skip]:
    """One message."""
    with path.open("rb") as stream:
        yield from _whole(path, stream.read(MAX_FILE_BYTES), read, can_read)


def read_mht(path: Path, read: Read, can_read: Callable[[str], bool]) -> Iterator[Document | Skip]:
    """A web page that was saved as a message; its title is that of the page."""
    with path.open("rb") as stream:
        yield from _whole(path, stream.read(MAX_FILE_BYTES), read, can_read, is_page=True)


def read_emlx(path: Path, read: Read, can_read: Callable[[str], bool]) -> Iterator[Document | Skip]:
    """One message of Apple Mail: its length stands on a line before it, what Mail notes of it behind it."""
    with path.open("rb") as stream:
        first = stream.readline(100)
        length = int(first) if first.strip().isdigit() and len(first) < 12 else MAX_FILE_BYTES
        yield from _whole(path, stream.read(min(length, MAX_FILE_BYTES)), read, can_read)


def _whole(
    path: Path, data: bytes, read: Read, can_read: Callable[[str], bool], *, is_page: bool = False
) -> Iterator[Document | Skip]:
    if not data.strip():
        raise Empty("is empty")
    yield from read_message(data, str(path), path.stem, str(path), read, can_read, is_page=is_page)
