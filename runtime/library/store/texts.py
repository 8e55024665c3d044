"""How a library's file keeps the text of its documents, and how a passage is read out of it; nobody else knows.

A text is kept in pieces of some passages each, so that a passage of a long document is read without the rest of it. A
piece is deflated (zlib's format, RFC 1950, over UTF-8) where that is shorter, and stays as it is where it is long.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

LONGEST_DEFLATED_BYTES = 1 << 18
PIECE_CHARS = 1 << 15
# What SQL reads of a passage, from `texts.text` and `passages.start` and `stop`: all of a deflated piece, and of one
# that is stored as it is the passage alone. It stands last in a SELECT whose rows go through `passage_rows`.
PASSAGE = (
    "CASE typeof(texts.text)"
    f" WHEN 'blob' THEN substr(texts.text, 1, {LONGEST_DEFLATED_BYTES + 1})"
    " ELSE substr(texts.text, passages.start + 1, passages.stop - passages.start) END,"
    " CAST(passages.start AS INTEGER), CAST(passages.stop AS INTEGER)"
)
# The document's key in SQL, of `texts.key`.
DOCUMENT = f"texts.key / {1 << 20}"
# Where a passage's text and its document are.
FROM = "FROM passages JOIN documents ON documents.key = passages.document JOIN texts ON texts.key = passages.text"


_MOST_PIECES = 1 << 20  # of a document


class Piece(NamedTuple):
    """A part of a document's text that is kept by itself.

    Attributes:
        start: where it begins in the document's text.
        text: its own; its end may overlap the next piece, as passages do.
        passages: the range of those within it, by their numbers.
    """

    start: int
    text: str
    passages: range


def pieces(text: str, ranges: Sequence[tuple[int, int]]) -> list[Piece]:
    """A document's text in pieces that hold whole passages, each of about 32,768 characters or one passage.

    Args:
        ranges: where each passage lies in the text, in reading order.
    """
    firsts = [0]
    for number, (start, stop) in enumerate(ranges):
        begin = ranges[firsts[-1]][0] if firsts[-1] else 0
        if number > firsts[-1] and stop - begin > PIECE_CHARS and start > begin:
            firsts.append(number)
    begins = [0, *(ranges[first][0] for first in firsts[1:]), len(text)]
    found = []
    for place, first in enumerate(firsts):
        last = firsts[place + 1] if place + 1 < len(firsts) else len(ranges)
        stop = max([begins[place + 1], *(one for _, one in ranges[first:last])])
        found.append(Piece(begins[place], text[begins[place] : stop], range(first, last)))
    return found


def piece_key(document: int, number: int) -> int:
    """The key of a piece: the document's key and the piece's number in one, so that no index is needed."""
    return document * _MOST_PIECES + number


def keys_of(document: int) -> tuple[int, int]:
    """The least and the largest key that pieces of a document may have."""
    return piece_key(document, 0), piece_key(document + 1, 0) - 1


def joined(kept: Iterable[tuple[int, str]]) -> str:
    """The document's text again.

    Args:
        kept: start and text of each of its pieces, in their order.
    """
    parts = list(kept)
    own = [piece[: following - start] for (start, piece), (following, _) in pairwise(parts)]
    return "".join([*own, *(piece for _, piece in parts[-1:])])


def to_stored(text: str) -> str | bytes:
    """A piece as the file keeps it: deflated where that is shorter, and it is no longer than 256 KiB."""
    plain = text.encode()
    if len(plain) > LONGEST_DEFLATED_BYTES:
        return text
    packed = zlib.compress(plain)
    return packed if len(packed) < len(plain) else text


def from_stored(kept: str | bytes) -> str:
    """The piece that the file keeps; of damaged bytes, what comes out of them, whose end may be wrong."""
    return kept if isinstance(kept, str) else _inflated(kept[: LONGEST_DEFLATED_BYTES + 1])[0]


def is_whole(kept: str | bytes) -> bool:
    """Whether it is what `to_stored` gives; of bytes their checksum tells."""
    return isinstance(kept, str) or _inflated(kept[: LONGEST_DEFLATED_BYTES + 1])[1]


def passage_rows(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Rows whose last three columns are `PASSAGE`, with the text in their place."""
    for *others, kept, start, stop in rows:
        yield (*others, kept if isinstance(kept, str) else from_stored(kept)[start:stop])


@lru_cache(maxsize=1)  # passages of a piece are read one after the other
def _inflated(packed: bytes) -> tuple[str, bool]:
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(packed, LONGEST_DEFLATED_BYTES).decode()
        whole = inflater.eof and not inflater.unused_data and "\0" not in plain
    except (zlib.error, UnicodeDecodeError):
        plain, whole = _salvaged(packed).decode(errors="replace"), False
    return plain.replace("\0", "\ufffd"), whole  # a document's text holds no NUL


def _salvaged(packed: bytes) -> bytes:
    inflater, plain = zlib.decompressobj(), bytearray()
    try:
        for offset in range(len(packed)):
            plain += inflater.decompress(packed[offset : offset + 1])
            if inflater.eof or len(plain) > LONGEST_DEFLATED_BYTES:
                break
    except zlib.error:
        pass
    return bytes(plain[:LONGEST_DEFLATED_BYTES])
