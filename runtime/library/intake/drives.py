"""Whether what a library mirrors and is not there was deleted, or lies on a drive that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ...document import Skip
from ..store.file_state import FileState, MirroredFolder
from .folders import FoundFile, PassedOver, walk

_MAX_INTEGER = 2**63 - 1  # of SQLite


def found_in(folder: MirroredFolder, known: Mapping[str, FileState]) -> Iterable[FoundFile | PassedOver | Skip]:
    """What is in a folder now; nothing where it is a file that was deleted."""
    if Path(folder.path).exists():
        return [_away(folder)] if _is_bare_mount(folder) else walk(folder)
    if folder.path in known and _is_deleted(folder):
        return []
    return [_away(folder)]


def _away(folder: MirroredFolder) -> Skip:
    return Skip(folder.path, "is not there; its documents are kept until it is forgotten", transient=True)


def _is_bare_mount(folder: MirroredFolder) -> bool:
    """Whether a folder is the empty place of a drive that is not there."""
    try:
        return device_of(folder.path) != folder.device is not None and not any(Path(folder.path).iterdir())
    except OSError:  # it is a file, or cannot be looked into, as its walk will say
        return False


def _is_deleted(file: MirroredFolder) -> bool:
    """Whether a file that is not there was deleted, rather than that its drive is not there: that leaves no folder, or
    an empty one that is on another drive."""
    try:
        return any(Path(file.path).parent.iterdir()) or device_of(file.path) == file.device is not None
    except OSError:
        return False


def device_of(path: str) -> int | None:
    """The number of the drive that a folder is on, or a file was; None where neither it nor its folder is there."""
    try:
        return (Path(path) if Path(path).is_dir() else Path(path).parent).stat().st_dev & _MAX_INTEGER
    except OSError:
        return None
