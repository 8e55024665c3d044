"""What a library knows of files and folders: as they were when they were read, and what of them could not be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ...document import Skip
from .database import Database

READ_AGAIN = -1


@dataclass(frozen=True)
class FileState:
    """A file as it was when it was last read.

    Attributes:
        size, mtime_ns: bytes, and time of modification in nanoseconds; a size of `READ_AGAIN` asks for that.
        digest: of its bytes; None where it could not be read, or is too large.
        skips: what of it could not be taken in.
        copy_of: the file of the same content whose documents stand for it; empty where it has its own.
        removed: whether documents of it were removed by their ids since.
    """

    size: int
    mtime_ns: int
    digest: bytes | None = None
    skips: tuple[Skip, ...] = ()
    copy_of: str = ""
    removed: bool = False


@dataclass(frozen=True)
class MirroredFolder:
    """A file or folder that a library mirrors.

    Attributes:
        path: in full.
        ignored: patterns in the syntax of .gitignore, below it.
        max_bytes: larger files are passed over; None for no limit of its own.
        device: the number of the drive that it is on; None where it is not known.
    """

    path: str
    ignored: tuple[str, ...] = ()
    max_bytes: int | None = None
    device: int | None = None


def files(db: Database) -> dict[str, FileState]:
    """All files that were read, by path."""
    return {path: _state(*values) for path, *values in db.rows(f"SELECT path, {_STATE} FROM files")}


def file(db: Database, path: str) -> FileState | None:
    """A file that was read; None where it was not."""
    rows = db.rows(f"SELECT {_STATE} FROM files WHERE path = ?", (path,))
    return _state(*rows[0]) if rows else None


def original(db: Database, path: str) -> str:
    """The other file whose documents stand for a file; empty where none do."""
    state = file(db, path)
    return state.copy_of if state else ""


def copies(db: Database) -> dict[str, set[str]]:
    """Paths of the copies of each file that has some."""
    found: dict[str, set[str]] = {}
    for path, original in db.rows("SELECT path, copy_of FROM files WHERE copy_of != ''"):
        found.setdefault(original, set()).add(path)
    return found


def set_file(db: Database, path: str, file: FileState) -> None:
    """Remember a file as read; inside `writing`."""
    skips = json.dumps([skip.to_json() for skip in file.skips])
    db.execute(
        "INSERT OR REPLACE INTO files (path, size, mtime_ns, digest, skips, copy_of, removed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (path, file.size, file.mtime_ns, file.digest, skips, file.copy_of, file.removed),
    )


def set_time(db: Database, path: str, size: int, mtime_ns: int) -> None:
    """Remember that a file is at another time what it was; inside `writing`."""
    db.execute("UPDATE files SET size = ?, mtime_ns = ? WHERE path = ?", (size, mtime_ns, path))


def set_removed(db: Database, path: str) -> None:
    """Remember that documents of a file were removed by their ids; inside `writing`."""
    db.execute("UPDATE files SET removed = 1 WHERE path = ?", (path,))


def hand_over(db: Database, path: str, heir: str, others: Sequence[str]) -> None:
    """Remember that what was removed and what is left of a file are those of a copy of it from now on; inside
    `writing`.

    Args:
        others: its other copies.
    """
    removed = "(SELECT removed FROM files WHERE path = ?)"
    db.execute(f"UPDATE files SET copy_of = '', removed = {removed} WHERE path = ?", (path, heir))
    db.executemany("UPDATE files SET copy_of = ? WHERE path = ?", [(heir, other) for other in others])


def part(db: Database, path: str) -> None:
    """Remember that a file is no copy, and has to be read; inside `writing`."""
    db.execute("UPDATE files SET copy_of = '', size = ? WHERE path = ?", (READ_AGAIN, path))


def read_again(db: Database, path: str) -> None:
    """Have a file read again by the next sync, though it is as it was; inside `writing`."""
    db.execute("UPDATE files SET size = ? WHERE path = ?", (READ_AGAIN, path))


def forget_file(db: Database, path: str) -> None:
    """Forget a file; inside `writing`."""
    db.execute("DELETE FROM files WHERE path = ?", (path,))


def folders(db: Database) -> list[MirroredFolder]:
    """What the library mirrors, in the order of the paths."""
    rows = db.rows("SELECT path, ignored, max_bytes, device FROM folders ORDER BY path")
    return [MirroredFolder(path, tuple(json.loads(ignored)), most, device) for path, ignored, most, device in rows]


def set_folders(db: Database, mirrored: Sequence[MirroredFolder]) -> None:
    """Remember what the library mirrors, beside what it did before; inside `writing`."""
    for folder in mirrored:
        values = (folder.path, json.dumps(folder.ignored), folder.max_bytes, folder.device)
        db.execute("INSERT OR REPLACE INTO folders (path, ignored, max_bytes, device) VALUES (?, ?, ?, ?)", values)


def forget_folder(db: Database, path: str) -> None:
    """Mirror a folder no more; inside `writing`."""
    db.execute("DELETE FROM folders WHERE path = ?", (path,))


def failures(db: Database) -> list[Skip]:
    """What could not be taken in, of all files as they were last read."""
    rows = db.rows("SELECT skips FROM files WHERE skips != '[]' ORDER BY path")
    return [skip for (skips,) in rows for skip in _skips(skips)]


_STATE = "size, mtime_ns, digest, skips, copy_of, removed"


def _state(size: int, time: int, digest: bytes | None, skips: str, copy_of: str, removed: int) -> FileState:
    return FileState(size, time, digest, _skips(skips), copy_of, bool(removed))


def _skips(stored: str) -> tuple[Skip, ...]:
    return tuple(map(Skip.from_json, json.loads(stored))) if stored != "[]" else ()
