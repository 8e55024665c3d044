"""Lines that a program broke by their bytes (RFC 5545, RFC 6350), so that half a character stands on each of two."""

from __future__ import annotations

import re

_FOLD = re.compile(rb"(?:\r\n?|\n)[ \t]")
_SPLIT = re.compile(rb"[\xc2-\xf4](?=[\x80-\xbf]{0,2}[\r\n])(?:(?:(?:\r\n?|\n)[ \t])?[\x80-\xbf]){1,3}")


def with_whole_characters(data: bytes) -> bytes:
    """The bytes of a file in which such a character of UTF-8 stands before the break; lines keep their numbers."""
    return _SPLIT.sub(_mended, data)


def _mended(split: re.Match[bytes]) -> bytes:
    character = _FOLD.sub(b"", split[0])
    try:
        character.decode()
    except UnicodeDecodeError:  # of another encoding, or broken
        return split[0]
    return character + b"".join(_FOLD.findall(split[0]))
