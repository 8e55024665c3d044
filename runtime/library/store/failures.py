"""What is wrong with a library's file, and what to do, each in a sentence."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from ...errors import BusyError, ChangedError, LibraryError, NestlingError
from . import schema

_LITTLE_ROOM = 1 << 20


def closed() -> LibraryError:
    """It was closed."""
    return LibraryError("the library is closed; open it again")


def replaced(path: Path) -> LibraryError:
    """Another file is in its place."""
    return LibraryError(f"{path}: was replaced by another file; open it again")


def being_written(path: Path) -> ChangedError:
    """It was opened as one that nobody writes, and somebody does."""
    return ChangedError(f"{path}: is being written by its owner; try again")


def brought_over(path: Path, bundle: str | None) -> LibraryError:
    """Its vectors are another bundle's than they were."""
    return LibraryError(f"{path}: was brought over to bundle {bundle} meanwhile; open it again")


def cannot_be_written(path: Path) -> LibraryError:
    """It may only be read."""
    return LibraryError(f"{path}: cannot be written here; copy it to a folder that can")


def other_format(path: Path, version: int) -> LibraryError:
    """It is of another format."""
    remedy = "open it once where it can be written, which brings it up to date"
    if version > schema.UPGRADING:
        remedy = "update it"
    elif version < schema.OLDEST:
        remedy = "add its files to a new library"
    return LibraryError(f"{path}: has format {version}, this Nestling reads {schema.VERSION}; {remedy}")


def no_document(path: Path, id: str, original: str) -> NestlingError:
    """What was to be removed is not there.

    Args:
        original: the file whose documents stand for that of this path; empty where that is none.
    """
    if not original:
        return NestlingError(f"{path}: has no document {id!r}; nothing was removed")
    return NestlingError(
        f"{path}: has no document {id!r}, as that file holds what {original!r} does; nothing was removed; "
        "remove that one"
    )


def failure(path: Path, error: Exception, holder: Callable[[], str]) -> LibraryError:
    """An error of SQLite, or what a damaged row makes of those who read it.

    Args:
        holder: gives who is writing to it.
    """
    text = str(error)
    if not isinstance(error, sqlite3.Error):
        return LibraryError(f"{path}: is damaged; see what is wrong with: nestling check {path}")
    if "closed database" in text:
        return closed()
    if "locked" in text:
        return BusyError(f"{path}: {holder()} is writing to it; try again when it is done")
    if "not a database" in text:
        return LibraryError(f"{path}: is not a Nestling library; expected a file that nestling made")
    if "disk is full" in text or ("disk I/O error" in text and _has_no_room(path)):
        return LibraryError(f"{path}: no space left ({text}); what was committed before is safe")
    if "disk I/O error" in text:
        name = getattr(error, "sqlite_errorname", text)
        return LibraryError(
            f"{path}: its drive failed to read or write ({name}); see whether it is connected and sound; "
            "what was committed before is safe"
        )
    if "readonly database" in text or "unable to open" in text:
        return LibraryError(f"{path}: cannot be written ({text}); what was committed before is safe")
    return LibraryError(f"{path}: SQLite says {text}; see what is wrong with: nestling check {path}")


def _has_no_room(path: Path) -> bool:
    """Whether the drive is full, which SQLite does not tell from other failures everywhere."""
    try:
        return shutil.disk_usage(path.parent).free < _LITTLE_ROOM
    except OSError:
        return False
