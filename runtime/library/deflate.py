"""The text of a document in fewer bytes, as it stands in a library's file: zlib's format (RFC 1950) over UTF-8."""

from __future__ import annotations

import zlib
from functools import lru_cache

# A longer text stays plain: each of its passages is read by expanding all of it.
LONGEST_BYTES = 1 << 20


def deflated(text: str) -> str | bytes:
    """A text as it is stored: deflated where that is shorter, and the text is no longer than 1 MiB; else as it is."""
    plain = text.encode()
    if len(plain) > LONGEST_BYTES:
        return text
    packed = zlib.compress(plain)
    return packed if len(packed) < len(plain) else text


def inflated(packed: bytes) -> str:
    """The text that `deflated` packed; of damaged bytes, what can be read before the damage, 1 MiB at the most."""
    return _inflated(packed)[0]


def is_whole(packed: bytes) -> bool:
    """Whether bytes are what `deflated` gives, by their checksum."""
    return _inflated(packed)[1]


@lru_cache(maxsize=1)  # the passages of a document are read one after the other
def _inflated(packed: bytes) -> tuple[str, bool]:
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(packed, LONGEST_BYTES)
        return plain.decode(), inflater.eof and not inflater.unused_data
    except (zlib.error, UnicodeDecodeError):
        return _salvaged(packed).decode(errors="replace").replace("\0", "\ufffd"), False


def _salvaged(packed: bytes) -> bytes:
    inflater, plain = zlib.decompressobj(), bytearray()
    try:
        for byte in packed:
            plain += inflater.decompress(bytes([byte]))
            if len(plain) > LONGEST_BYTES:
                break
    except zlib.error:
        pass
    return bytes(plain[:LONGEST_BYTES])
