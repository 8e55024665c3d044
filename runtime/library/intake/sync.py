"""Bring a library up to date with files and folders: what is new, changed, moved, gone.

A file whose size and modification time are as they were is not opened; one whose bytes are as they were is not read;
one that moved, or changed in part, is not encoded again where its passages are the same; one that holds what another
does is named with that. A file that was read and
cannot be read now keeps its documents: a cable pulled out must not empty a library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from ...checks import as_whole
from ...document import Report, Skip, clean, plain
from ...errors import NestlingError
from ...readers import MAX_SKIPS, read_file
from ...readers.sandbox import Sandbox
from ...readers.text import MAX_PACKED_BYTES
from ..store import documents, file_state
from ..store.database import Database
from ..store.file_state import READ_AGAIN, FileState, MirroredFolder
from .copies import Copies
from .drives import device_of, found_in
from .folders import FoundFile, PassedOver, existing, is_below
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
class SyncPlan:
    """What has to be done so that a library mirrors its files.

    Attributes:
        read: files that are new or changed, in the order of their paths.
        same: paths of files that are as they were.
        gone: paths of files that were read once and are no more, or are ignored now.
        skipped: what could not be looked at.
        passed_over: how many files there is no reader for, by suffix, the most first.
    """

    read: tuple[FoundFile, ...]
    same: tuple[str, ...]
    gone: tuple[str, ...]
    skipped: tuple[Skip, ...]
    passed_over: tuple[tuple[str, int], ...] = ()


def plan(
    folders: Sequence[MirroredFolder],
    known: Mapping[str, FileState],
    others: Sequence[MirroredFolder] = (),
    again: Collection[str] = (),
) -> SyncPlan:
    """Compare folders with what is known of their files; nothing is read but names and times.

    What lies below something that cannot be looked at, as a drive that is not there, is left as it is.

    Args:
        others: folders that are mirrored as well; what lies in one of them that is inside of a given one, and is
            passed over there, is left to it.
        again: paths of files to be read though they are as they were.
    """
    within = [one.path for one in others if any(is_below(one.path, folder.path) for folder in folders)]
    found: dict[str, FoundFile] = {}
    skipped: dict[str, Skip] = {}
    passed_over: dict[str, str] = {}
    for folder in folders:
        for item in found_in(folder, known):
            if isinstance(item, Skip):
                skipped[item.source] = item
            elif isinstance(item, PassedOver):
                passed_over[item.path] = item.suffix
            elif clean(str(item.path)) != str(item.path):
                name = clean(str(item.path))
                skipped[name] = Skip(name, "its name is not text; rename it", transient=True)
            else:
                found[str(item.path)] = item
    same = {
        path: None
        for path, file in found.items()
        if path in known and path not in again and _as_known(file, known[path])
    }
    return SyncPlan(
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
        passed_over=tuple(Counter(passed_over.values()).most_common()),
    )


def mirrored(
    paths: Sequence[str | Path], known: Sequence[MirroredFolder], ignored: Sequence[str] | None, max_bytes: int | None
) -> list[MirroredFolder]:
    """The folders that a call means: the given ones with what was said of them before, or all that are known.

    Raises:
        NestlingError: a path does not exist, or the limit is none.
    """
    if max_bytes is not None and (as_whole(max_bytes) is None or max_bytes < 0):
        raise NestlingError(f"max_bytes is {max_bytes!r}, expected a whole number of 0 or more, or None")
    before = {folder.path: folder for folder in known}
    given = [str(existing(path)) for path in paths]
    folders = [replace(before.get(path, MirroredFolder(path)), device=device_of(path)) for path in given] or [*known]
    if ignored is not None:
        folders = [replace(folder, ignored=tuple(ignored)) for folder in folders]
    if max_bytes is not None:
        folders = [replace(folder, max_bytes=int(max_bytes)) for folder in folders]
    return folders


def run(
    db: Database,
    intake: Intake,
    sandbox: Sandbox,
    folders: Sequence[MirroredFolder],
    progress: Callable[[Progress], None],
    *,
    named: bool = False,
) -> Report:
    """Take in what is new or changed, then remove what is gone.

    Args:
        progress: called before each file and after the last.
        named: whether a caller named them: a file among them whose documents were removed is read again.
    """
    known = file_state.files(db)
    paths = {folder.path for folder in folders}
    others = [folder for folder in file_state.folders(db) if folder.path not in paths]
    again = {path for path in paths & known.keys() if named and _lacks_documents(known[path], known)}
    todo = plan(folders, known, others, again)
    intake.then(partial(_remember_folders, db, [folder for folder in folders if folder.path not in todo.gone]))
    counts = documents.source_counts(db)
    same = Report(unchanged=sum(counts.get(path, 0) for path in todo.same))
    skipped = [*todo.skipped, *(skip for path in todo.same for skip in known[path].skips)]
    copies = Copies(db, known, counts)
    # Copies first: what is gone as well can be handed nothing.
    for path in sorted(todo.gone, key=lambda path: not known[path].copy_of):
        if (work := copies.leaves(path)) is not None:
            intake.then(work)
    total, done = sum(file.size for file in todo.read), 0

    def say(number: int, path: str) -> None:
        progress(Progress(path, number, len(todo.read), done, total, intake.passages, intake.report))

    def take(file: FoundFile, only: set[str] | None = None) -> tuple[list[Skip], set[str]]:
        path = str(file.path)
        before, digest = known.get(path), _digest_of(file)
        is_same = before is not None and before.size != READ_AGAIN and digest is not None and digest == before.digest
        if before is not None and is_same and path not in again:
            intake.then(partial(_note_time, db, file, before))
            return list(before.skips), set()
        if before is not None and only is None and (work := copies.leaves(path)) is not None:
            intake.then(work)
        if (original := copies.original_of(path, digest)) is not None and Path(original).exists():
            state = FileState(file.size, file.mtime_ns, digest, copy_of=original)
            intake.then(copies.joins(path, original, state))
            return [], set()
        taken = _take_file(db, intake, sandbox, file, digest, only)
        if taken.seen and not taken.denied:
            copies.stands(path, digest)
        return taken.skips, taken.denied

    denied: list[tuple[FoundFile, set[str]]] = []
    for number, file in enumerate(todo.read):
        say(number, str(file.path))
        skips, ids = take(file)
        if ids:  # may come free, as where a document moved from a file that is read later
            denied.append((file, ids))
        else:
            skipped += skips
        done += file.size
    intake.flush()
    for file, ids in denied:
        skipped += take(file, only=ids)[0]
    for path in todo.gone:
        intake.then(partial(_remove_file, db, path))
    intake.then(partial(_note_sync, db))
    intake.flush()
    say(len(todo.read), "")
    return intake.report + same + Report(skipped=tuple(skipped), passed_over=todo.passed_over)


def forget(db: Database, path: str) -> Report:
    """Remove the documents of all files at or below a path, and mirror it no more; inside `writing`."""
    report = Report()
    known = file_state.files(db)
    copies = Copies(db, known, documents.source_counts(db))
    below = [one for one in known if is_below(one, path)]
    for one in sorted(below, key=lambda one: not known[one].copy_of):
        if (work := copies.leaves(one)) is not None:
            work()
        report += _remove_file(db, one)
    for folder in file_state.folders(db):
        if is_below(folder.path, path):
            file_state.forget_folder(db, folder.path)
    return report


def is_known(db: Database, path: str) -> bool:
    """Whether anything at or below a path is known."""
    known = [*file_state.files(db), *(folder.path for folder in file_state.folders(db))]
    return any(is_below(one, path) for one in known)


class _Taken(NamedTuple):
    """What came of reading a file: what could not be taken in, of very much the first, the ids of its documents, and
    the ids that belong to documents of other files."""

    skips: list[Skip]
    seen: set[str]
    denied: set[str]


def _take_file(
    db: Database,
    intake: Intake,
    sandbox: Sandbox,
    file: FoundFile,
    digest: bytes | None,
    only: set[str] | None,
) -> _Taken:
    """Read a file and take in its documents.

    Where documents are denied, as another file has their ids, it is not remembered as read, nor where something was
    skipped that may be otherwise the next time. Documents that it had and that are not seen any more are removed where
    every part of it was read, also where that are none.

    Args:
        digest: of its bytes.
        only: ids of the documents to take in, where the others were before.
    """
    source = str(file.path)
    own = {"path": source, "modified": _modified(file.mtime_ns)}
    skips: list[Skip] = []
    seen: set[str] = set()
    denied: set[str] = set()
    whole, unnamed, again = True, 0, False
    for item in read_file(file.path, sandbox):
        if isinstance(item, Skip):
            skip, whole = item, whole and item.within
        elif item.id in seen:
            skip = Skip(source, f"document {item.id!r}: its id is in this file already")
        elif owner := _owner(intake, item.id, source):
            skip = Skip(source, f"document {item.id!r}: its id belongs to a document of {owner}", transient=True)
            denied.add(item.id)
        else:
            seen.add(item.id)
            if only is None or item.id in only:
                intake.add(replace(item, metadata={**own, **item.metadata}))
            continue
        again |= skip.transient
        if len(skips) < MAX_SKIPS:
            skips.append(skip)
        else:
            unnamed += 1
    if unnamed:
        skips.append(Skip(source, f"{unnamed} more of its parts cannot be taken in"))
    state = FileState(READ_AGAIN if again else file.size, file.mtime_ns, digest, tuple(skips))
    intake.then(partial(_note_file, db, source, state, seen if whole else None))
    return _Taken(skips, seen, denied)


def _owner(intake: Intake, id: str, source: str) -> str | None:
    """The other file, still there, to whose document an id belongs; None where it is free."""
    owner = intake.source(id)
    return owner if owner not in (None, "", source) and Path(str(owner)).exists() else None


def _note_file(db: Database, source: str, state: FileState, kept: set[str] | None) -> Report:
    """Remember a file as read, and remove the documents that it had but for those of some ids; None for all."""
    removed = 0 if kept is None else _remove(db, source, kept)
    file_state.set_file(db, source, state)
    return Report(removed=removed)


def _note_time(db: Database, file: FoundFile, before: FileState) -> Report:
    """Remember a file whose bytes are the same at another time."""
    source, modified = str(file.path), _modified(file.mtime_ns)
    ids = documents.ids_of_source(db, source)
    for document in filter(None, (documents.document(db, id) for id in ids)):
        if document.metadata.get("modified") == _modified(before.mtime_ns):
            documents.describe(db, replace(document, metadata={**document.metadata, "modified": modified}))
    file_state.set_file(db, source, replace(before, size=file.size, mtime_ns=file.mtime_ns))
    return Report(unchanged=len(ids))


def _remove_file(db: Database, path: str) -> Report:
    removed = _remove(db, path, keep=set())
    file_state.forget_file(db, path)
    file_state.forget_folder(db, path)
    return Report(removed=removed)


def _remove(db: Database, source: str, keep: set[str]) -> int:
    """Remove the documents of a source but for some ids; returns how many."""
    return sum(documents.remove(db, id) for id in documents.ids_of_source(db, source) if id not in keep)


def _remember_folders(db: Database, folders: Sequence[MirroredFolder]) -> Report:
    file_state.set_folders(db, folders)
    return Report()


def _note_sync(db: Database) -> Report:
    db.set_meta(SYNCED, plain(datetime.now(timezone.utc)))
    return Report()


def _lacks_documents(state: FileState, known: Mapping[str, FileState]) -> bool:
    return state.removed or (state.copy_of in known and known[state.copy_of].removed)


def _as_known(file: FoundFile, known: FileState) -> bool:
    return (file.size, file.mtime_ns) == (known.size, known.mtime_ns)


def _modified(mtime_ns: int) -> str:
    """The time of modification as metadata has it: ISO 8601 to the second, in UTC."""
    try:
        return str(plain(datetime.fromtimestamp(mtime_ns // 10**9, timezone.utc)))
    except (ValueError, OSError, OverflowError):  # a time that no calendar has
        return ""


def _digest_of(file: FoundFile) -> bytes | None:
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
