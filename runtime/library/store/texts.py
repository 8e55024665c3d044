"""How a library's file keeps the text of its documents, and how a passage is read out of it; nobody else knows.

A text is deflated (zlib's format, RFC 1950, over UTF-8) where that is shorter, and stays as it is where it is long: to
read a passage of a deflated text, all of it is inflated.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

LONGEST_DEFLATED_BYTES = 1 << 18
# What SQL reads of a passage, from `documents.text` and `passages.start` and `stop`: all of a deflated text, and of one
# that is stored as it is the passage alone. It stands last in a SELECT whose rows go through `passage_rows`.
PASSAGE = (
    "CASE typeof(text)"
    f" WHEN 'blob' THEN substr(text, 1, {LONGEST_DEFLATED_BYTES + 1}) ELSE substr(text, start + 1, stop - start) END,"
    " CAST(start AS INTEGER), CAST(stop AS INTEGER)"
)
# The same with all that stands before the passage in its document.
PASSAGE_WITHIN = "CASE typeof(text) WHEN 'blob' THEN text ELSE substr(text, 1, stop) END, 0, CAST(stop AS INTEGER)"


def to_stored(text: str) -> str | bytes:
    """A text as the file keeps it: deflated where that is shorter, and the text is no longer than 256 KiB."""
    plain = text.encode()
    if len(plain) > LONGEST_DEFLATED_BYTES:
        return text
    packed = zlib.compress(plain)
    return packed if len(packed) < len(plain) else text


def from_stored(kept: str | bytes) -> str:
    """The text that the file keeps; of damaged bytes, what comes out of them, whose end may be wrong."""
    return kept if isinstance(kept, str) else _inflated(kept[: LONGEST_DEFLATED_BYTES + 1])[0]


def is_whole(kept: str | bytes) -> bool:
    """Whether it is what `to_stored` gives; of bytes their checksum tells."""
    return isinstance(kept, str) or _inflated(kept[: LONGEST_DEFLATED_BYTES + 1])[1]


def passage_rows(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Rows whose last three columns are `PASSAGE` or `PASSAGE_WITHIN`, with the text in their place."""
    for *others, kept, start, stop in rows:
        yield (*others, kept if isinstance(kept, str) else from_stored(kept)[start:stop])


@lru_cache(maxsize=1)  # the passages of a document are read one after the other
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
