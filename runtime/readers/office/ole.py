"""Files of office programs of before 2007: compound files with streams in them (MS-CFB), read by olefile."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from ..text import Unreadable, limited
from .codepages import codec

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_SUMMARY = "\x05SummaryInformation"
_CODEPAGE, _TITLE, _WIDE = 1, 2, 31
_MAX_COUNT = 100


def opened(path: Path) -> Any:
    """A compound file, to be closed by who asked; raises Unreadable where it is none."""
    import olefile

    limited(path)
    try:
        return olefile.OleFileIO(path)
    except (OSError, ValueError, IndexError, TypeError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise Unreadable("is damaged or of another format") from error


def stream(file: Any, name: str) -> bytes:
    """A stream's bytes; raises Unreadable where there is none or it is damaged."""
    try:
        with file.openstream(name) as found:
            return bytes(found.read())
    except (OSError, ValueError, IndexError) as error:
        raise Unreadable(f"is damaged ({name})") from error


def title_of(path: Path) -> str | None:
    """The title that a file was given; None where none can be read."""
    try:
        file = opened(path)
    except Unreadable:
        return None
    try:
        return _title(stream(file, _SUMMARY))
    except (Unreadable, struct.error, LookupError):
        return None
    finally:
        file.close()


def _title(data: bytes) -> str | None:
    """The title among a file's properties (MS-OLEPS); olefile's reading of them has no end on some damaged ones."""
    (start,) = struct.unpack_from("<I", data, 44)
    (count,) = struct.unpack_from("<I", data, start + 4)
    places = dict(struct.unpack_from("<II", data, start + 8 + 8 * number) for number in range(min(count, _MAX_COUNT)))
    if _TITLE not in places:
        return None
    page = struct.unpack_from("<H", data, start + places[_CODEPAGE] + 4)[0] if _CODEPAGE in places else 1252
    kind, size = struct.unpack_from("<II", data, start + places[_TITLE])
    at = start + places[_TITLE] + 8
    if kind == _WIDE:
        return data[at : at + 2 * size].decode("utf-16-le", "replace").partition("\0")[0]
    return data[at : at + size].decode(codec(page) or "cp1252", "replace").partition("\0")[0]
