"""Bytes to text, with limits: what every reader starts from."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ..document import Document, Skip, Value, clean
from .charset import decoded, known, mark_of

MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_PACKED_BYTES = 512 * 1024 * 1024
MAX_TEXT = 16 * 1024 * 1024

_CHUNK = 1 << 18


_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\uf000-\uf0ff\ufffe\uffff]")


class Unreadable(Exception):
    """A file that cannot become text; the message is the reason, for a `Skip`."""


class Empty(Unreadable):
    """A file without any text, as one that was emptied: it gives nothing, not even a `Skip`."""


def limited(path: Path, most: int = MAX_PACKED_BYTES) -> None:
    """Raise Unreadable for a file over the limit, Empty for one of no bytes, OSError for one that is not there."""
    size = path.stat().st_size
    if size > most:
        raise Unreadable(f"has {size} bytes, the limit is {most}; split it")
    if not size:
        raise Empty("is empty")


def read_bytes(path: Path, most: int = MAX_FILE_BYTES) -> bytes:
    """A file's bytes; raises Unreadable for one over the limit, Empty, OSError for one that won't open."""
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


@dataclass(frozen=True)
class Text:
    """The text of a file.

    Attributes:
        text: with LF at the ends of its lines.
        metadata: `encoding`, where it had to be guessed: a reader of a hit can tell a wrong guess.
        skips: what of it was not in its encoding.
    """

    text: str
    metadata: dict[str, Value]
    skips: tuple[Skip, ...]


def read_text_file(path: Path) -> Text:
    """The text of a file, see `text_of`; raises OSError for one that won't open, Unreadable for one over the limit."""
    return text_of(read_bytes(path), str(path))


def open_text(path: Path) -> tuple[TextIO, dict[str, Value]]:
    """A file of any size as a stream of text, its encoding found as `text_of` does, and what is said of that.

    Raises:
        Unreadable: it is no text; Empty: it has no bytes.
    """
    limited(path, sys.maxsize)
    with path.open("rb") as stream:
        head = stream.read(_CHUNK)
        if (marked := mark_of(head)) is not None:
            return path.open(encoding=marked, errors="replace" if marked.startswith("utf-8") else "strict"), {}
        decoder, done = codecs.getincrementaldecoder("utf-8")(), 0
        before, chunk = b"", head
        while True:
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                found = decoded(before + chunk + stream.read(_CHUNK))
                if found is None:
                    start = done + error.start
                    raise Unreadable(f"is not UTF-8 text (byte {start}); save it as UTF-8") from error
                break
            if not chunk:
                found = decoded(head) if head.count(0) else None
                break
            done += len(chunk)
            before, chunk = chunk, stream.read(_CHUNK)
    guess = found.guess if found is not None else ""
    name = known(guess) or "utf-8"
    errors = "c1" if name.startswith("cp125") else "strict" if found is None else "replace"
    return path.open(encoding=name, errors=errors), {"encoding": guess} if guess else {}


def text_of(data: bytes, source: str, *labels: str | None) -> Text:
    """Bytes as text: by their mark, as UTF-8, by the labels that they were given, or by a guess.

    Args:
        source: where they come from, for a Skip.
        labels: names of encodings, as they were declared.

    Raises:
        Unreadable: they are not text; Empty: they are white space alone.
    """
    found = decoded(data, *labels)
    if found is None:
        decode(data)  # which says where it fails
        raise Unreadable("is not text")
    text = clean(found.text.replace("\r\n", "\n").replace("\r", "\n"))
    if not text.strip():
        raise Empty("is empty")
    skips: tuple[Skip, ...] = ()
    if found.lost:
        skips = (Skip(source, lost(found.lost), within=True),)
    return Text(text, {"encoding": found.guess} if found.guess else {}, skips)


def lost(count: int) -> str:
    """The reason of a Skip for characters that could not be decoded."""
    return f"{count} of its characters are not in its encoding and cannot be read; save it as UTF-8"


def document_of(path: Path, text: str, title: str | None, metadata: Mapping[str, Value] | None = None) -> Document:
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
    return Document(str(path), text, named or path.stem, metadata or {}, str(path))


def shown(text: str) -> str:
    """A text without what nobody sees: a space stands for a control character, nothing for a soft hyphen."""
    return _CONTROLS.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n").replace("\xad", ""))


def decode(data: bytes, encoding: str = "utf-8") -> str:
    """Bytes as text: by their byte order mark where they have one, else in the given encoding.

    Raises:
        Unreadable: the bytes are not text in that encoding; Empty: they are white space alone.
    """
    encoding = mark_of(data) or encoding
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not {encoding.upper()} text (byte {error.start}); save it as UTF-8") from error
    if not text.strip():
        raise Empty("is empty")
    return clean(text.replace("\r\n", "\n").replace("\r", "\n"))
