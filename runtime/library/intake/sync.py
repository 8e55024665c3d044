"""Bring a library up to date with files and folders: what is new, changed, moved, gone.

A file whose size and modification time are as they were is not opened; one whose bytes are as they were is not read;
one that moved, or changed in part, is not encoded again where its passages are the same. A file that was read and
cannot be read now keeps its documents: a cable pulled out must not empty a library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from hashlib import blake2b
from pathlib import Path

from ...document import Document, Report, Skip, clean, plain
from ...readers import MAX_SKIPS, read_file
from ...readers.sandbox import Sandbox
from ...readers.text import MAX_PACKED_BYTES
from ..store import file_state as tracked
from ..store.file_state import Folder, Tracked
from ..store.store import Store
from .folders import File, existing, is_below, walk
from .intake import Intake

SYNCED = "synced"

_HASHED_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Progress:
    """How far a sync is.

    Attributes:
        path: the file that is read next.
        files_done, files: read, and to read; what is read is committed in groups.
        bytes_done, bytes: of these files.
        passages: encoded so far.
        committed: what is safe so far, in documents.
    """

    path: str
    files_done: int
    files: int
    bytes_done: int
    bytes: int
    passages: int
    committed: Report


@dataclass(frozen=True)
class Plan:
    """What has to be done so that a library mirrors its files.

    Attributes:
        read: files that are new or changed, in the order of their paths.
        same: paths of files that are as they were.
        gone: paths of files that were read once and are no more, or are ignored now.
        skipped: what could not be looked at.
    """

    read: tuple[File, ...]
    same: tuple[str, ...]
    gone: tuple[str, ...]
    skipped: tuple[Skip, ...]


def plan(folders: Sequence[Folder], known: Mapping[str, Tracked], others: Sequence[Folder] = ()) -> Plan:
    """Compare folders with what is known of their files; nothing is read but names and times.

    What lies below something that cannot be looked at, as a drive that is not there, is left as it is.

    Args:
        others: folders that are mirrored as well; what lies in one of them that is inside of a given one, and is
            passed over there, is left to it.
    """
    within = [one.path for one in others if any(is_below(one.path, folder.path) for folder in folders)]
    found: dict[str, File] = {}
    skipped: dict[str, Skip] = {}
    for folder in folders:
        for item in walk(folder) if Path(folder.path).exists() else [_missing(folder)]:
            if isinstance(item, Skip):
                skipped[item.source] = item
            elif clean(str(item.path)) != str(item.path):
                name = clean(str(item.path))
                skipped[name] = Skip(name, "its name is not text; rename it", transient=True)
            else:
                found[str(item.path)] = item
    same = {path: None for path, file in found.items() if path in known and _as_known(file, known[path])}
    return Plan(
        read=tuple(file for path, file in sorted(found.items()) if path not in same),
        same=tuple(same),
        gone=tuple(
            path
            for path in known
            if path not in found
            and any(is_below(path, folder.path) for folder in folders)
            and not any(is_below(path, unread) for unread in skipped)
            and not (any(is_below(path, other) for other in within) and Path(path).exists())
        ),
        skipped=tuple(skipped.values()),
    )


def mirrored(
    paths: Sequence[str | Path], known: Sequence[Folder], ignored: Sequence[str] | None, max_bytes: int | None
) -> list[Folder]:
    """The folders that a call means: the given ones with what was said of them before, or all that are known.

    Raises:
        NestlingError: a path does not exist.
    """
    before = {folder.path: folder for folder in known}
    named = [str(existing(path)) for path in paths] or list(before)
    folders = [before.get(path, Folder(path)) for path in named]
    if ignored is not None:
        folders = [replace(folder, ignored=tuple(ignored)) for folder in folders]
    if max_bytes is not None:
        folders = [replace(folder, max_bytes=max_bytes) for folder in folders]
    return folders


def run(
    store: Store, intake: Intake, sandbox: Sandbox, folders: Sequence[Folder], said: Callable[[Progress], None]
) -> Report:
    """Take in what is new or changed, then remove what is gone.

    Args:
        said: called before each file and after the last.
    """
    known = tracked.files(store)
    named = {folder.path for folder in folders}
    todo = plan(folders, known, [folder for folder in tracked.folders(store) if folder.path not in named])
    intake.then(lambda: _begun(store, folders))
    counts = store.source_counts()
    same = Report(unchanged=sum(counts.get(path, 0) for path in todo.same))
    skipped = [*todo.skipped, *(skip for path in todo.same for skip in known[path].skips)]
    vanished = {digest: path for path in todo.gone if (digest := known[path].digest) is not None}
    total, done = sum(file.size for file in todo.read), 0

    def told(number: int, path: str) -> None:
        said(Progress(path, number, len(todo.read), done, total, intake.passages, intake.report))

    denied: list[tuple[File, set[str]]] = []
    for number, file in enumerate(todo.read):
        told(number, str(file.path))
        taken = _Taking(store, intake, sandbox, file, known.get(str(file.path)), vanished)
        if taken.denied:  # may come free, as where a document moved from a file that is read later
            denied.append((file, taken.denied))
        else:
            skipped += taken.skips
        done += file.size
    intake.flush()
    for file, ids in denied:
        skipped += _Taking(store, intake, sandbox, file, known.get(str(file.path)), vanished, only=ids).skips
    for path in todo.gone:
        intake.then(partial(_gone, store, path))
    intake.then(lambda: _finished(store))
    intake.flush()
    told(len(todo.read), "")
    return intake.report + same + Report(skipped=tuple(skipped))


def forget(store: Store, path: str) -> Report:
    """Remove the documents of all files at or below a path, and mirror it no more; inside `writing`."""
    report = Report()
    for one in tracked.files(store):
        if is_below(one, path):
            report += _gone(store, one)
    for folder in tracked.folders(store):
        if is_below(folder.path, path):
            tracked.forget_folder(store, folder.path)
    return report


def is_known(store: Store, path: str) -> bool:
    """Whether anything at or below a path is known."""
    known = [*tracked.files(store), *(folder.path for folder in tracked.folders(store))]
    return any(is_below(one, path) for one in known)


class _Taking:
    """Takes in one file.

    Where documents are denied, as another file has their ids, it is not remembered as read, nor where something was
    skipped that may be otherwise the next time. Documents that it had and that are not seen any more are removed where
    every part of it was read.

    Args:
        before: the file when it was last read.
        vanished: by digest, files that are gone.
        only: ids of the documents to take in, where the others were before.

    Attributes:
        skips: what could not be taken in.
        denied: ids that belong to documents of other files.
    """

    def __init__(
        self,
        store: Store,
        intake: Intake,
        sandbox: Sandbox,
        file: File,
        before: Tracked | None,
        vanished: Mapping[bytes, str],
        only: set[str] | None = None,
    ) -> None:
        self._store, self._intake, self._file = store, intake, file
        self._source = str(file.path)
        self.skips: list[Skip] = []
        self.denied: set[str] = set()
        self._seen: set[str] = set()
        self._whole, self._transient, self._unnamed = True, False, 0
        digest = _digest_of(file)
        if before is not None and digest is not None and digest == before.digest and before.size != tracked.READ_AGAIN:
            self.skips += before.skips
            intake.then(lambda: self._touched(before, digest))
            return
        moved = None if digest is None else vanished.get(digest)
        others = [] if moved is None else store.ids_of_source(moved)
        for item in read_file(file.path, sandbox):
            self._take(item, others, only)
        if self._unnamed:
            self.skips.append(Skip(self._source, f"{self._unnamed} more of its parts cannot be taken in"))
        intake.then(lambda: self._finished(digest))

    def _take(self, item: Document | Skip, others: Iterable[str], only: set[str] | None) -> None:
        if isinstance(item, Skip):
            self._skip(item)
            self._whole = False
        elif item.id in self._seen:
            self._skip(Skip(self._source, f"document {item.id!r}: its id is in this file already"))
        elif owner := self._owner(item.id):
            reason = f"document {item.id!r}: its id belongs to a document of {owner}"
            self._skip(Skip(self._source, reason, transient=True))
            self.denied.add(item.id)
        else:
            self._seen.add(item.id)
            if only is None or item.id in only:
                own = {"path": self._source, "modified": _modified(self._file.mtime_ns)}
                self._intake.add(replace(item, metadata={**own, **item.metadata}), others)

    def _owner(self, id: str) -> str | None:
        """The other file, still there, to whose document an id belongs; None where it is free."""
        source = self._intake.source(id)
        return source if source not in (None, "", self._source) and Path(str(source)).exists() else None

    def _skip(self, skip: Skip) -> None:
        """Name what is skipped, of very many the first."""
        self._transient |= skip.transient
        if len(self.skips) < MAX_SKIPS:
            self.skips.append(skip)
        else:
            self._unnamed += 1

    def _finished(self, digest: bytes | None) -> Report:
        removed = 0
        if self._whole and (self._seen or self.denied):
            removed = _remove(self._store, self._source, keep=self._seen)
        size = tracked.READ_AGAIN if self._transient else self._file.size
        tracked.set_file(self._store, self._source, Tracked(size, self._file.mtime_ns, digest, tuple(self.skips)))
        return Report(removed=removed)

    def _touched(self, before: Tracked, digest: bytes) -> Report:
        """The same bytes at another time."""
        ids = self._store.ids_of_source(self._source)
        for document in filter(None, map(self._store.document, ids)):
            if document.metadata.get("modified") == _modified(before.mtime_ns):
                metadata = {**document.metadata, "modified": _modified(self._file.mtime_ns)}
                self._store.describe(replace(document, metadata=metadata))
        now = replace(before, size=self._file.size, mtime_ns=self._file.mtime_ns, digest=digest)
        tracked.set_file(self._store, self._source, now)
        return Report(unchanged=len(ids))


def _remove(store: Store, source: str, keep: set[str]) -> int:
    """Remove the documents of a source but for some ids; returns how many."""
    return sum(store.remove(id) for id in store.ids_of_source(source) if id not in keep)


def _gone(store: Store, path: str) -> Report:
    removed = _remove(store, path, keep=set())
    tracked.forget_file(store, path)
    return Report(removed=removed)


def _begun(store: Store, folders: Sequence[Folder]) -> Report:
    tracked.set_folders(store, folders)
    return Report()


def _finished(store: Store) -> Report:
    store.set_meta(SYNCED, plain(datetime.now(timezone.utc)))
    return Report()


def _missing(folder: Folder) -> Skip:
    return Skip(folder.path, "is not there; its documents are kept until it is forgotten", transient=True)


def _as_known(file: File, known: Tracked) -> bool:
    return (file.size, file.mtime_ns) == (known.size, known.mtime_ns)


def _modified(mtime_ns: int) -> str:
    """The time of modification as metadata has it: ISO 8601 to the second, in UTC."""
    try:
        return str(plain(datetime.fromtimestamp(mtime_ns // 10**9, timezone.utc)))
    except (ValueError, OSError, OverflowError):  # a time that no calendar has
        return ""


def _digest_of(file: File) -> bytes | None:
    """16 bytes that tell a file's content from all others; None where it is too large or cannot be read."""
    if file.size > MAX_PACKED_BYTES:
        return None
    digest = blake2b(digest_size=16)
    try:
        with file.path.open("rb") as stream:
            while part := stream.read(_HASHED_AT_ONCE):
                digest.update(part)
    except OSError:  # its reader will say so
        return None
    return digest.digest()
