"""Connections that read a library's file, as many as read at once: a search waits for no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...forked import OwnLock
from . import failures
from .database import Database


class Readers:
    """Connections that read, opened when they are needed and kept for the next.

    Args:
        first: one of them.
    """

    def __init__(self, first: Database) -> None:
        self.path = first.path
        self.read_only = first.read_only
        self._file = first.file_number
        self._idle: list[Database] | None = [first]
        self._lock = OwnLock(first.path)

    @contextmanager
    def one(self) -> Iterator[Database]:
        """A connection that nobody else uses meanwhile.

        Raises:
            LibraryError: these are closed, or another file is in the place of theirs.
        """
        with self._lock.own:
            if self._idle is None:
                raise failures.closed()
            db = self._idle.pop() if self._idle else None
        if db is None:
            db = Database(self.path, create=False)
            if db.file_number != self._file:
                db.close()
                raise failures.replaced(self.path)
        db.space = None
        try:
            yield db
        finally:
            with self._lock.own:
                # An interrupt may come between a transaction's begin and what ends it.
                if kept := self._idle is not None and not (db.is_closed or db.in_transaction):
                    self._idle.append(db)
            if db.is_closed:  # another file is in its place
                self.close()
            elif not kept:
                db.close()

    def close(self) -> None:
        """Close those that nobody uses, and the others when they come back."""
        with self._lock.own:
            idle, self._idle = self._idle or [], None
        for db in idle:
            db.close()
