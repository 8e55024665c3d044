"""Folders and files: what is new, changed, gone since they were last read.

A file whose size and modification time are as they were is not read. A file that was read and cannot be read now
keeps its documents: a cable pulled out must not empty a library.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from ..errors import NestlingError
from .document import Skip
from .readers import can_read, known_suffixes


@dataclass(frozen=True)
class File:
    """A file to read, as it was when it was found."""

    path: Path
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Plan:
    """What has to be done so that a library mirrors its files.

    Attributes:
        read: files that are new or changed, in the order of their paths.
        same: paths of files that are as they were.
        gone: paths of files that were read once and are no more.
        skipped: what could not be looked at.
    """

    read: tuple[File, ...]
    same: tuple[str, ...]
    gone: tuple[str, ...]
    skipped: tuple[Skip, ...]


def plan(paths: Sequence[str | Path], known: Mapping[str, tuple[int, int]]) -> Plan:
    """Compare files and folders with what is known of them; nothing is read but names and times.

    Folders are walked whole; hidden files and folders, links, and files of unknown suffixes are passed over.

    Args:
        known: size and modification time (nanoseconds) of every file that was read, by path.

    Raises:
        NestlingError: a path does not exist.
    """
    roots = [existing(path) for path in paths]
    found: dict[str, File] = {}
    skipped: dict[str, Skip] = {}
    for item in (item for root in roots for item in _walk(root)):
        if isinstance(item, File):
            found[str(item.path)] = item
        else:
            skipped[item.source] = item
    same = {path: None for path, file in found.items() if known.get(path) == (file.size, file.mtime_ns)}
    gone = [
        path
        for path in known
        if path not in found
        and any(_is_below(path, root) for root in roots)
        and not any(_is_below(path, Path(unread)) for unread in skipped)
    ]
    return Plan(
        read=tuple(file for path, file in sorted(found.items()) if path not in same),
        same=tuple(same),
        gone=tuple(path for path in gone if not os.path.lexists(path)),
        skipped=tuple(skipped.values()),
    )


def existing(path: str | Path) -> Path:
    """A path in full, links followed; raises NestlingError where nothing is there."""
    try:
        root = Path(path).expanduser().resolve()
        if root.exists():
            return root
    except (OSError, RuntimeError) as error:  # a home that nobody has, a link that leads to itself
        raise NestlingError(f"{path}: leads nowhere ({error}); give a file or a folder") from error
    raise NestlingError(f"{root}: no such file or folder")


def _walk(root: Path) -> Iterator[File | Skip]:
    """The files to read at or below a path, in order of their names."""
    if not root.is_dir():
        suffix = root.suffix or "a file without a suffix"
        yield (
            _stat(root) if can_read(root) else Skip(str(root), f"no reader for {suffix}; known are {known_suffixes()}")
        )
        return
    problems: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=problems.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and can_read(path) and not path.is_symlink():
                yield _stat(path)
    for error in problems:
        yield Skip(str(error.filename), f"cannot be read ({error.strerror})")


def _stat(path: Path) -> File | Skip:
    try:
        stat = path.stat()
    except OSError as error:
        return Skip(str(path), f"cannot be read ({error.strerror})")
    if not S_ISREG(stat.st_mode):  # reading a pipe would wait for ever
        return Skip(str(path), "is neither a file nor a folder")
    return File(path, stat.st_size, stat.st_mtime_ns)


def _is_below(path: str, root: Path) -> bool:
    return Path(path) == root or root in Path(path).parents
