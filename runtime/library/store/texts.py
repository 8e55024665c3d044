"""The text of a document in fewer bytes, as it stands in a library's file: zlib's format (RFC 1950) over UTF-8."""

from __future__ import annotations

import zlib
from functools import lru_cache

# A longer text stays plain: to read one of its passages, all of it would be inflated.
LONGEST_BYTES = 1 << 18
# What SQL reads of a text for `passage_of`: all that is deflated; of one that is stored as it is what is wanted of it.
PART = (
    "CASE typeof(text)"
    f" WHEN 'blob' THEN substr(text, 1, {LONGEST_BYTES + 1}) ELSE substr(text, start + 1, stop - start) END,"
    " CAST(start AS INTEGER), CAST(stop AS INTEGER)"
)


def deflated(text: str) -> str | bytes:
    """A text as it is stored: deflated where that is shorter, and the text is no longer than 256 KiB; else as it is."""
    plain = text.encode()
    if len(plain) > LONGEST_BYTES:
        return text
    packed = zlib.compress(plain)
    return packed if len(packed) < len(plain) else text


def inflated(stored: str | bytes) -> str:
    """The text that was stored; of damaged bytes, what comes out of them, whose end may be wrong."""
    return stored if isinstance(stored, str) else _inflated(stored[: LONGEST_BYTES + 1])[0]


def passage_of(read: str | bytes, start: int, stop: int) -> str:
    """A passage, of the three columns that `PART` reads."""
    return read if isinstance(read, str) else inflated(read)[start:stop]


def is_whole(stored: str | bytes) -> bool:
    """Whether it is what `deflated` gives; of bytes their checksum tells."""
    return isinstance(stored, str) or _inflated(stored[: LONGEST_BYTES + 1])[1]


@lru_cache(maxsize=1)  # the passages of a document are read one after the other
def _inflated(packed: bytes) -> tuple[str, bool]:
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(packed, LONGEST_BYTES).decode()
        whole = inflater.eof and not inflater.unused_data and "\0" not in plain
    except (zlib.error, UnicodeDecodeError):
        plain, whole = _salvaged(packed).decode(errors="replace"), False
    return plain.replace("\0", "\ufffd"), whole  # a document's text holds no NUL


def _salvaged(packed: bytes) -> bytes:
    inflater, plain = zlib.decompressobj(), bytearray()
    try:
        for place in range(len(packed)):
            plain += inflater.decompress(packed[place : place + 1])
            if inflater.eof or len(plain) > LONGEST_BYTES:
                break
    except zlib.error:
        pass
    return bytes(plain[:LONGEST_BYTES])
