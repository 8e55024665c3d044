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
from pathlib import Path

from ...checks import as_whole
from ...document import Report, Skip, clean, plain
from ...errors import NestlingError
from ...readers.sandbox import Sandbox
from ..store import documents, file_state
from ..store.database import Database
from ..store.file_state import FileState, MirroredFolder
from .copies import Copies, lost
from .drives import device_of, found_in
from .files import Files
from .folders import FoundFile, PassedOver, existing, is_below, looked_at
from .intake import Intake

SYNCED = "synced"


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
    known, counts = file_state.files(db), documents.source_counts(db)
    paths = {folder.path for folder in folders}
    others = [folder for folder in file_state.folders(db) if folder.path not in paths]
    again = {path for path in paths & known.keys() if named and _lacks_documents(known[path], known)}
    again |= lost(db, known, counts)
    planned = plan(folders, known, others, again)
    same = Report(unchanged=sum(counts.get(path, 0) for path in planned.same))
    skipped = [*planned.skipped, *(skip for path in planned.same for skip in known[path].skips)]
    copies = Copies(db, known, counts)
    files = Files(db, intake, sandbox, copies)
    intake.around(copies.transaction)
    intake.then(partial(_remember_folders, db, [folder for folder in folders if folder.path not in planned.gone]))
    # Copies first: what is gone as well need be handed nothing.
    for path in sorted(planned.gone, key=lambda path: not known[path].copy_of):
        files.leave(path)
    if planned.gone:  # so that whose the ids in other files are is known
        intake.flush()
    total, done = sum(file.size for file in planned.read), 0

    def say(number: int, path: str) -> None:
        progress(Progress(path, number, len(planned.read), done, total, intake.passages, intake.report))

    denied: list[tuple[FoundFile, set[str]]] = []

    def take(file: FoundFile, before: FileState | None) -> None:
        skips, ids = files.take(file, before)
        if ids:  # may come free, as where a document moved from a file that is read later
            denied.append((file, ids))
        else:
            skipped.extend(skips)

    for number, file in enumerate(planned.read):
        path = str(file.path)
        say(number, path)
        take(file, None if path in again else known.get(path))
        done += file.size
    intake.flush()
    meant = {*planned.same, *(str(file.path) for file in planned.read)}
    while unread := sorted(copies.unread.keys() & meant):
        copies.unread.clear()
        for looked in map(looked_at, unread):
            if isinstance(looked, FoundFile):
                take(looked, None)
        intake.flush()
    for file, ids in denied:
        skipped += files.take(file, None, only=ids)[0]
    for path in planned.gone:
        intake.then(partial(_remove_file, db, copies, path))
    intake.then(partial(_note_sync, db))
    intake.flush()
    say(len(planned.read), "")
    return intake.report + same + Report(skipped=tuple(skipped), passed_over=planned.passed_over)


def forget(db: Database, path: str) -> Report:
    """Remove the documents of all files at or below a path, and mirror it no more; inside `writing`."""
    report = Report()
    known = file_state.files(db)
    copies = Copies(db, {}, {})
    below = [one for one in known if is_below(one, path)]
    with copies.transaction():
        # Copies first: what is forgotten as well need be handed nothing.
        for one in sorted(below, key=lambda one: not known[one].copy_of):
            report += _remove_file(db, copies, one)
    for folder in file_state.folders(db):
        if is_below(folder.path, path):
            file_state.forget_folder(db, folder.path)
    return report


def is_known(db: Database, path: str) -> bool:
    """Whether anything at or below a path is known."""
    known = [*file_state.files(db), *(folder.path for folder in file_state.folders(db))]
    return any(is_below(one, path) for one in known)


def _remove_file(db: Database, copies: Copies, path: str) -> Report:
    copies.leaves(path)
    removed = documents.remove_of_file(db, path)
    file_state.forget_file(db, path)
    file_state.forget_folder(db, path)
    return Report(removed=removed)


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
