"""Folders to the files in them that are to be read: names, sizes and times; no file is opened but lists of patterns.

Hidden files and folders and links are passed over, and what patterns in the syntax of .gitignore say: those given for a
folder, and those in files named `.nestlingignore`, each for the folder it lies in. Files of unknown suffixes are named.
However accents are written (NFC, NFD), names and patterns that look alike are alike.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from ...document import Skip, clean
from ...errors import NestlingError
from ...readers import can_read, known_suffixes
from ..store.file_state import MirroredFolder

IGNORE_FILE = ".nestlingignore"

_MAX_IGNORE_BYTES = 1 << 20
LIBRARY_SUFFIX = ".nest"  # and what SQLite writes beside it


@dataclass(frozen=True)
class PassedOver:
    """A file that there is no reader for."""

    path: str

    @property
    def suffix(self) -> str:
        """Its suffix in small letters; empty for none."""
        return clean(Path(self.path).suffix.lower())


Ignored = Callable[[str], bool]
Rules = list[tuple[str, Ignored]]


@dataclass(frozen=True)
class FoundFile:
    """A file to read, as it was when it was found."""

    path: Path
    size: int
    mtime_ns: int


def in_full(path: str | Path) -> Path:
    """A path in full, links followed, whatever is there; raises NestlingError where it leads nowhere.

    A name that is there with its accents written otherwise (NFC, NFD) is that one.
    """
    try:
        return _as_written(Path(path).expanduser().resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a home that nobody has, a link that leads to itself
        raise _nowhere(path, error) from error


def existing(path: str | Path) -> Path:
    """A path in full, links followed; raises NestlingError where nothing is there."""
    root = in_full(path)
    try:
        if root.exists():
            return root
    except (OSError, ValueError) as error:  # a name that is too long, a drive that does not answer
        raise _nowhere(path, error) from error
    raise NestlingError(f"{root}: no such file or folder")


def _as_written(path: Path) -> Path:
    """A path with its names as they are written where they are, as far as they are there."""
    if str(path).isascii() or path.exists():
        return path
    found = Path(path.anchor)
    for name in path.parts[1:]:
        if not (name.isascii() or (found / name).exists()) and found.is_dir():
            same = unicodedata.normalize("NFC", name)
            name = next((one.name for one in found.iterdir() if unicodedata.normalize("NFC", one.name) == same), name)
        found /= name
    return found


def _nowhere(path: str | Path, error: Exception) -> NestlingError:
    return NestlingError(f"{path}: leads nowhere ({error}); give a file or a folder")


def is_below(path: str, root: str) -> bool:
    """Whether a path is another or lies below it."""
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def require_patterns(folders: Sequence[MirroredFolder]) -> None:
    """Raise NestlingError where patterns that were given for a folder are none."""
    for folder in folders:
        if folder.ignored:
            _rule(folder.ignored, folder.path)


def walk(folder: MirroredFolder) -> Iterator[FoundFile | PassedOver | Skip]:
    """The files to read at or below a path, in order of their names, those without a reader, and what could not be
    looked at.

    Raises:
        NestlingError: the folder's own patterns are none.
    """
    root = folder.path
    if not Path(root).is_dir():
        suffix = Path(root).suffix or "a file without a suffix"
        reason = f"no reader for {suffix}; known are {known_suffixes()}"
        yield looked_at(root) if can_read(root) else Skip(root, reason, transient=True)
        return
    rules = [(root, _rule(folder.ignored, root))] if folder.ignored else []
    yield from _below(root, rules, folder.max_bytes)


def _below(folder: str, rules: Rules, max_bytes: int | None) -> Iterator[FoundFile | PassedOver | Skip]:
    """What is below a folder, however deep folders lie in folders there."""
    around = [_within(folder, rules)]
    while around:
        item = next(around[-1], None)
        if item is None:
            around.pop()
        elif isinstance(item, tuple):
            around.append(_within(*item))
        elif not (isinstance(item, FoundFile) and max_bytes is not None and item.size > max_bytes):
            yield item


def _within(folder: str, rules: Rules) -> Iterator[FoundFile | PassedOver | Skip | tuple[str, Rules]]:
    """Files in a folder, and the folders in it with the rules for what is below them."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        own = next((entry.path for entry in entries if entry.name == IGNORE_FILE), None)
        if own is not None:
            rules = [*rules, (folder, _rule(_patterns(own), own))]
    except OSError as error:
        yield Skip(clean(str(error.filename or folder)), f"cannot be read ({error.strerror})", transient=True)
        return
    except NestlingError as error:
        yield Skip(folder, str(error), transient=True)
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.is_symlink():
            continue
        is_folder = entry.is_dir(follow_symlinks=False)
        if any(ignored(_relative(entry.path, base, is_folder)) for base, ignored in rules):
            continue
        if is_folder:
            yield entry.path, rules
        elif can_read(entry.path):
            yield looked_at(entry.path)
        elif entry.is_file(follow_symlinks=False) and not Path(entry.path).suffix.startswith(LIBRARY_SUFFIX):
            yield PassedOver(entry.path)


def looked_at(path: str) -> FoundFile | Skip:
    """A file as it is now, or why it cannot be looked at."""
    try:
        stat = Path(path).stat()
    except OSError as error:
        return Skip(clean(path), f"cannot be read ({error.strerror})", transient=True)
    if not S_ISREG(stat.st_mode):  # reading a pipe would wait for ever
        return Skip(clean(path), "is neither a file nor a folder", transient=True)
    return FoundFile(Path(path), stat.st_size, stat.st_mtime_ns)


def _relative(path: str, base: str, is_folder: bool) -> str:
    relative = path[len(base.rstrip(os.sep)) + 1 :].replace(os.sep, "/")
    return relative + "/" if is_folder else relative


def _patterns(path: str) -> list[str]:
    """The lines of a file of patterns."""
    with Path(path).open("rb") as stream:
        data = stream.read(_MAX_IGNORE_BYTES + 1)
    if len(data) > _MAX_IGNORE_BYTES:
        raise NestlingError(f"{path}: has over {_MAX_IGNORE_BYTES} bytes, expected a list of patterns; shorten it")
    try:
        return data.decode().splitlines()
    except UnicodeDecodeError as error:
        raise NestlingError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _rule(patterns: Sequence[str], where: str) -> Ignored:
    try:
        from pathspec import GitIgnoreSpec
    except ImportError as error:
        message = f"{where}: patterns need pathspec; get it with: pip install 'nestling[files]'"
        raise NestlingError(message) from error
    try:
        spec = GitIgnoreSpec.from_lines(unicodedata.normalize("NFC", one) for one in patterns)
    except (ValueError, re.error) as error:
        raise NestlingError(f"{where}: {error}; expected patterns as in a .gitignore") from error
    return lambda relative: bool(spec.match_file(unicodedata.normalize("NFC", relative)))
