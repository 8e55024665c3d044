"""Files on their way into a library: one after the other read, or only noted where what it holds is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from ...document import Report, Skip, plain
from ...readers import MAX_SKIPS, read_file
from ...readers.sandbox import Sandbox
from ...readers.text import MAX_PACKED_BYTES
from ..store import documents, file_state
from ..store.database import Database
from ..store.file_state import READ_AGAIN, FileState
from .copies import Copies
from .folders import FoundFile
from .intake import Intake

_HASHED_AT_ONCE = 1 << 20


class Files:
    """Takes in files in their order.

    Args:
        copies: follows which of them hold the same.
    """

    def __init__(self, db: Database, intake: Intake, sandbox: Sandbox, copies: Copies) -> None:
        self._db = db
        self._intake = intake
        self._sandbox = sandbox
        self._copies = copies

    def leave(self, path: str) -> None:
        """Have others of its content go on without a file."""
        self._copies.drop(path)
        self._intake.then(partial(self._copies.leaves, path))

    def take(
        self, file: FoundFile, before: FileState | None, only: set[str] | None = None
    ) -> tuple[list[Skip], set[str]]:
        """Take in a file; returns what of it could not be, and the ids that belong to documents of other files.

        Args:
            before: as it was read before; None where it is to be read whatever it holds.
            only: ids of the documents to take in, where the others were before.
        """
        path, digest = str(file.path), _digest_of(file)
        if before is not None and before.digest != digest:
            self.leave(path)
            # Whose the ids are is asked of what is committed.
            if self._copies.may_be_copied(path) and documents.has_named(self._db, path):
                self._intake.flush()
        elif before is not None and before.size != READ_AGAIN and digest is not None:
            self._intake.then(partial(self._note_time, file, before))
            return list(before.skips), set()
        if (other := self._copies.another(path, digest)) is not None:
            state = FileState(file.size, file.mtime_ns, digest)
            self._intake.then(partial(self._copies.joins, path, other, state))
            self._copies.holds(path, digest)
            return [], set()
        taken = self._read(file, digest, only)
        if taken.seen and not taken.again:
            self._copies.holds(path, digest)
        return taken.skips, taken.denied

    def _read(self, file: FoundFile, digest: bytes | None, only: set[str] | None) -> _Taken:
        """Read a file and take in its documents.

        Where documents are denied, as another file has their ids, it is not remembered as read, nor where something was
        skipped that may be otherwise the next time. Documents that it had and that are not seen any more are removed
        where every part of it was read, also where that are none.
        """
        source = str(file.path)
        own = {"path": source, "modified": _modified(file.mtime_ns)}
        skips: list[Skip] = []
        seen: set[str] = set()
        denied: set[str] = set()
        whole, unnamed, again = True, 0, False
        for item in read_file(file.path, self._sandbox):
            if isinstance(item, Skip):
                skip, whole = item, whole and item.within
            elif item.id in seen:
                skip = Skip(source, f"document {item.id!r}: its id is in this file already")
            elif owner := self._owner(item.id, source):
                skip = Skip(source, f"document {item.id!r}: its id belongs to a document of {owner}", transient=True)
                denied.add(item.id)
            else:
                seen.add(item.id)
                if only is None or item.id in only:
                    self._intake.add(replace(item, metadata={**own, **item.metadata}))
                continue
            again |= skip.transient
            if len(skips) < MAX_SKIPS:
                skips.append(skip)
            else:
                unnamed += 1
        if unnamed:
            skips.append(Skip(source, f"{unnamed} more of its parts cannot be taken in"))
        state = FileState(READ_AGAIN if again else file.size, file.mtime_ns, digest, tuple(skips))
        self._intake.then(partial(self._note_read, source, state, seen if whole else None))
        return _Taken(skips, seen, denied, again)

    def _owner(self, id: str, source: str) -> str | None:
        """The other file, still there, to whose document an id belongs; None where it is free."""
        owner = self._intake.source(id)
        return owner if owner not in (None, "", source) and Path(str(owner)).exists() else None

    def _note_read(self, source: str, state: FileState, kept: set[str] | None) -> Report:
        """Remember a file as read, and remove the documents that it had but for those of some ids; None for all."""
        self._copies.stands(source, state.digest)
        removed = 0 if kept is None else documents.remove_of_file(self._db, source, kept)
        file_state.set_file(self._db, source, state)
        return Report(removed=removed)

    def _note_time(self, file: FoundFile, before: FileState) -> Report:
        """Remember a file whose bytes are the same at another time."""
        source, modified = str(file.path), _modified(file.mtime_ns)
        now = file_state.file(self._db, source)
        if now is None or (now.size, now.digest) != (before.size, before.digest):
            self._copies.unread[source] = None
            return Report()
        ids = documents.ids_of_file(self._db, source)
        for document in filter(None, (documents.document(self._db, id) for id in ids)):
            if document.metadata.get("modified") == _modified(before.mtime_ns):
                documents.describe(self._db, replace(document, metadata={**document.metadata, "modified": modified}))
        file_state.set_time(self._db, source, file.size, file.mtime_ns)
        return Report(unchanged=len(ids))


class _Taken(NamedTuple):
    """What came of reading a file: what could not be taken in, of very much the first, the ids of its documents, the
    ids that belong to documents of other files, and whether it has to be read again."""

    skips: list[Skip]
    seen: set[str]
    denied: set[str]
    again: bool


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
