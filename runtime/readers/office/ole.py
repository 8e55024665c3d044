"""Files of office programs of before 2007: compound files with streams in them (MS-CFB), read by olefile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..text import Unreadable, limited

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_UTF8 = 65001


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
        metadata = file.get_metadata()
        title, page = metadata.title, metadata.codepage or 1252
        if not isinstance(title, bytes):
            return None if title is None else str(title)
        return title.decode("utf-8" if page == _UTF8 else f"cp{page & 0xFFFF}", "replace")
    except Exception:  # of whatever kind: the text is worth more than its title
        return None
    finally:
        file.close()
