"""Bytes to text, with limits: what every reader starts from."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from pathlib import Path

from ..document import Document, clean

MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_PACKED_BYTES = 512 * 1024 * 1024
MAX_TEXT = 16 * 1024 * 1024

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


class Unreadable(Exception):
    """A file that cannot become text; the message is the reason, for a `Skip`."""


def limited(path: Path, most: int = MAX_PACKED_BYTES) -> None:
    """Raise Unreadable for a file over the limit or empty, OSError for one that is not there."""
    size = path.stat().st_size
    if size > most:
        raise Unreadable(f"has {size} bytes, the limit is {most}; split it")
    if not size:
        raise Unreadable("is empty")


def read_bytes(path: Path, most: int = MAX_FILE_BYTES) -> bytes:
    """A file's bytes; raises Unreadable for one over the limit or empty, OSError for one that won't open."""
    limited(path, most)
    return path.read_bytes()


def joined(parts: Iterable[str], between: str) -> str:
    """Parts of a document put together; raises Unreadable at the first that is too much."""
    kept, size = [], 0
    for part in parts:
        size += len(part)
        if size > MAX_TEXT:
            raise Unreadable(f"has over {MAX_TEXT} characters; split it")
        kept.append(part)
    return between.join(kept)


def document_of(path: Path, text: str, title: str | None) -> Document:
    """The one document of a file, without blank lines at its ends; without a title it is named by the file.

    Raises:
        Unreadable: it holds no text.
    """
    text = clean(text.strip("\n"))
    if not text.strip():
        raise Unreadable("holds no text")
    if len(text) > MAX_TEXT:
        raise Unreadable(f"has over {MAX_TEXT} characters; split it")
    named = clean(" ".join((title or "").split()))
    return Document(id=str(path), text=text, title=named or path.stem, source=str(path))


def shown(text: str) -> str:
    """A text without what nobody sees: a space stands for a control character, nothing for a soft hyphen."""
    return _CONTROLS.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n").replace("\xad", ""))


def decode(data: bytes, encoding: str = "utf-8") -> str:
    """Bytes as text: by their byte order mark where they have one, else in the given encoding.

    Raises:
        Unreadable: the bytes are not text in that encoding, or white space alone.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), encoding)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not {encoding.upper()} text (byte {error.start}); save it as UTF-8") from error
    if not text.strip():
        raise Unreadable("is empty")
    return clean(text.replace("\r\n", "\n").replace("\r", "\n"))
