"""Files of the same content: the documents of one are kept, and the others are named with them.

Where the one goes, or is given other content, its documents become those of another. What is there is asked within the
transaction that changes it, as another process may have changed it since the files were looked at.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ...document import Report
from ..store import documents, file_state
from ..store.database import Database
from ..store.file_state import READ_AGAIN, FileState

_Content = tuple[bytes, str]


class Copies:
    """Which files hold the same, followed while a library is brought up to date.

    Args:
        known: all files as they were read, by path.
        counts: how many documents each has.

    Attributes:
        unread: files to be read after all, as nothing stands for them.
    """

    def __init__(self, db: Database, known: Mapping[str, FileState], counts: Mapping[str, int]) -> None:
        self._db = db
        self._contents: dict[str, _Content] = {}
        self._holders: dict[_Content, dict[str, None]] = {}
        self._copied = {state.copy_of for state in known.values()} - {""}
        self._named: dict[str, set[str]] | None = None
        self._changed: set[str] = set()
        self.unread: dict[str, None] = {}
        for path, state in sorted(known.items(), key=lambda one: (one[1].copy_of, one[0])):
            original = known.get(state.copy_of or path)
            if _stands_for(original, state.digest) and counts.get(state.copy_of or path):
                self.holds(path, state.digest)

    def holds(self, path: str, digest: bytes | None) -> None:
        """A file will have documents, its own or those of another, once all before is done."""
        if digest is not None:
            content = self._contents[path] = (digest, Path(path).suffix.lower())
            self._holders.setdefault(content, {})[path] = None

    def drop(self, path: str) -> None:
        """A file will hold what it did no more."""
        if (content := self._contents.pop(path, None)) is not None:
            del self._holders[content][path]

    def another(self, path: str, digest: bytes | None) -> str | None:
        """Another file, still there, that will hold the same; None where there is none."""
        holders = {} if digest is None else self._holders.get((digest, Path(path).suffix.lower()), {})
        found = next((one for one in holders if one != path and Path(one).exists()), None)
        if found is not None:
            self._copied.add(found)
        return found

    def may_be_copied(self, path: str) -> bool:
        """Whether documents of a file may become those of another where it leaves."""
        return path in self._copied

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What a transaction that changes them is made in: at its end copies are named with their documents."""
        self._named, self._changed = None, set()
        yield
        for original in sorted(self._changed):
            documents.set_copies(self._db, original, sorted(self._copies.get(original, ())))

    def leaves(self, path: str) -> Report:
        """Have others of its content go on without a file that goes or is given other content; inside `transaction`."""
        if (state := file_state.file(self._db, path)) is None:
            return Report()
        file_state.read_again(self._db, path)  # so that nothing takes it for what it was until it is read
        self._part(path, state)
        copies = sorted(self._copies.get(path, ()))
        if not copies:
            return Report()
        heir, *others = copies
        count = None if state.size == READ_AGAIN else documents.hand_over(self._db, path, heir, others)
        if count is None or not (count or state.removed):
            self._orphan(path)
            return Report()
        file_state.hand_over(self._db, path, heir, others)
        del self._copies[path]
        self._changed.discard(path)
        self._copies[heir] = set(others)
        return Report(unchanged=count)

    def joins(self, path: str, other: str, state: FileState) -> Report:
        """Name a file with what another of its content is named with; where nothing is, it is `unread`; inside
        `transaction`.

        Args:
            state: of the file, as it was found.
        """
        found = file_state.file(self._db, other)
        original = (found and found.copy_of) or other
        if original == path or not self._is_there(original, state.digest):
            self.drop(path)
            self.drop(other)
            self.unread[path] = None
            return Report()
        self.leaves(path)
        removed = documents.remove_of_file(self._db, path)
        file_state.set_file(self._db, path, FileState(state.size, state.mtime_ns, state.digest, copy_of=original))
        self._copies.setdefault(original, set()).add(path)
        self._changed.add(original)
        return Report(removed=removed, copies=1)

    def stands(self, path: str, digest: bytes | None) -> None:
        """A file was read, and has documents of its own: it is no copy, nor is what holds something else one of it;
        inside `transaction`."""
        if (state := file_state.file(self._db, path)) is not None:
            self._part(path, state)
            if state.digest != digest:
                self._orphan(path)
        if self._copies.get(path):
            self._changed.add(path)

    @property
    def _copies(self) -> dict[str, set[str]]:
        """The copies of each file, as they are by now."""
        if self._named is None:
            self._named = file_state.copies(self._db)
        return self._named

    def _is_there(self, original: str, digest: bytes | None) -> bool:
        is_same = _stands_for(file_state.file(self._db, original), digest)
        return is_same and documents.has_any_of_file(self._db, original) and Path(original).exists()

    def _part(self, path: str, state: FileState) -> None:
        if state.copy_of:
            file_state.part(self._db, path)
            self._copies.get(state.copy_of, set()).discard(path)
            self._changed.add(state.copy_of)

    def _orphan(self, path: str) -> None:
        """Have all copies of a file read."""
        for copy in sorted(self._copies.pop(path, ())):
            file_state.part(self._db, copy)
            self.drop(copy)
            self.unread[copy] = None
            self._changed.add(path)


def lost(db: Database, known: Mapping[str, FileState], counts: Container[str]) -> set[str]:
    """Copies for which nothing stands, or that have documents of their own beside.

    Args:
        counts: sources of documents.
    """
    return {
        path
        for path, state in known.items()
        if state.copy_of
        and (not _has_original(state, known, counts) or (path in counts and documents.has_any_of_file(db, path)))
    }


def _has_original(state: FileState, known: Mapping[str, FileState], counts: Container[str]) -> bool:
    original = known.get(state.copy_of)
    if original is None or original.copy_of or original.digest != state.digest:
        return False
    return original.removed or state.copy_of in counts


def _stands_for(original: FileState | None, digest: bytes | None) -> bool:
    """Whether documents of a file are those of all of its content."""
    if original is None or original.copy_of or original.removed or original.size == READ_AGAIN:
        return False
    return digest is not None and original.digest == digest
