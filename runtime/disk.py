"""Files that are replaced in one step: a kill or a power cut leaves the old one or the new one; their hashes."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_READ_BYTES = 1 << 20
_ABANDONED_SECONDS = 3600


def hash_file(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def unfinished_beside(path: Path) -> Iterator[Path]:
    """A name beside a file to write to; what is left under it at the end is removed, and what others left long ago."""
    _remove_abandoned(path)
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield unfinished
    finally:
        unfinished.unlink(missing_ok=True)


def put_in_place(unfinished: Path, path: Path) -> None:
    """Sync a file that was written, and put it in the place of another; raises OSError where that is not possible."""
    with unfinished.open("rb+") as stream:
        os.fsync(stream.fileno())
    unfinished.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside a file to write to; what was written is synced and put in the file's place at the end.

    Where the context is left by an error the old file stays as it is.

    Raises:
        OSError: nothing was written, or it cannot be synced or put in its place; the old file stays as it is.
    """
    with unfinished_beside(path) as unfinished:
        yield unfinished
        put_in_place(unfinished, path)


def beside(path: Path, ending: str) -> Iterator[Path]:
    """The files beside one whose names are its own and a regular expression."""
    pattern = re.compile(re.escape(path.name) + ending)
    if path.parent.is_dir():
        yield from (file for file in path.parent.iterdir() if pattern.fullmatch(file.name) and file.is_file())


def _remove_abandoned(path: Path) -> None:
    """Remove what writers that were killed left beside a file; a living one touches its own all the time."""
    for left in beside(path, r"\.[0-9a-f]{8}\.tmp"):
        try:
            if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                left.unlink()
        except OSError:  # another process was faster, or may do it where this one may not
            continue
