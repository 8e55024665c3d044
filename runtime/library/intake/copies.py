"""Files of the same content: the documents of one are kept, and the others are named with them.

Where the one goes, or is given other content, its documents become those of another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from ...document import Report
from ..store import documents, file_state
from ..store.database import Database
from ..store.file_state import FileState

Work = Callable[[], Report]


class Copies:
    """Which files hold the same, followed while a library is brought up to date; what it returns is done in that order.

    Args:
        known: all files as they were read, by path.
        counts: how many documents each has.
    """

    def __init__(self, db: Database, known: Mapping[str, FileState], counts: Mapping[str, int]) -> None:
        self._db = db
        self._originals: dict[tuple[bytes, str], str] = {}
        self._contents: dict[str, tuple[bytes, str]] = {}
        self._copies: dict[str, list[str]] = {}
        self._copy_of: dict[str, str] = {}
        for path, state in sorted(known.items()):
            if state.copy_of:
                self._copies.setdefault(state.copy_of, []).append(path)
                self._copy_of[path] = state.copy_of
            elif counts.get(path) and not state.removed:
                self.stands(path, state.digest)

    def stands(self, path: str, digest: bytes | None) -> None:
        """A file has documents of its own."""
        if digest is not None:
            content = self._contents[path] = (digest, Path(path).suffix.lower())
            self._originals.setdefault(content, path)

    def original_of(self, path: str, digest: bytes | None) -> str | None:
        """The other file of the same content whose documents are there; None where there is none."""
        original = None if digest is None else self._originals.get((digest, Path(path).suffix.lower()))
        return original if original not in (None, path) else None

    def leaves(self, path: str) -> Work | None:
        """What is to be done before a file goes or is read anew: others of its content go on without it."""
        if (original := self._copy_of.pop(path, None)) is not None:
            self._copies[original].remove(path)
            return partial(_set_copies, self._db, original, list(self._copies[original]))
        content = self._contents.pop(path, None)
        if content is not None and self._originals.get(content) == path:
            del self._originals[content]
        if not (copies := self._copies.pop(path, [])):
            return None
        heir, *others = copies
        del self._copy_of[heir]
        self._copy_of |= dict.fromkeys(others, heir)
        self._copies[heir] = others
        if content is not None:
            self.stands(heir, content[0])
        return partial(_hand_over, self._db, path, heir, others)

    def joins(self, path: str, original: str, state: FileState) -> Work:
        """What is to be done where a file holds what another does.

        Args:
            state: of the file, as it was read.
        """
        self._copy_of[path] = original
        copies = self._copies[original] = sorted([*self._copies.get(original, []), path])
        return partial(_join, self._db, path, original, list(copies), state)


def _set_copies(db: Database, original: str, copies: list[str]) -> Report:
    documents.set_copies(db, original, copies)
    return Report()


def _hand_over(db: Database, path: str, heir: str, others: list[str]) -> Report:
    count = documents.hand_over(db, path, heir, others)
    file_state.hand_over(db, path, heir)
    return Report(unchanged=count)


def _join(db: Database, path: str, original: str, copies: list[str], state: FileState) -> Report:
    removed = sum(documents.remove(db, id) for id in documents.ids_of_source(db, path))
    file_state.set_file(db, path, state)
    documents.set_copies(db, original, copies)
    return Report(removed=removed, copies=1)
