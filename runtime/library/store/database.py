"""The library's SQLite file: opening it, transactions, snapshots, and errors in words.

It is in WAL mode with full syncs: a commit that was acknowledged survives a pulled plug, and a process that dies leaves
what it had committed and nothing of the rest.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec
from urllib.parse import quote
from weakref import WeakSet

from ...errors import LibraryError, NestlingError
from ...forked import Quiet
from . import failures, schema

BUSY_MS = 10_000
# So many pages are written beside the file before they are folded into it: those that are written often, once.
_CHECKPOINT_PAGES = 8000
# So many are given back at once: each is sought among all that are free.
_GIVEN_BACK_PAGES = 4096
_INCREMENTAL = 2
_WRITER = "writer"
GENERATION = "generation"
_P = ParamSpec("_P")


class _CallersError(Exception):
    """What a function of the caller's raised."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class Database:
    """An open library file.

    Args:
        path: the file.
        create: make the file where there is none.
        busy_ms: milliseconds to wait for another writer before that is an error.
        older: open a file of an older format as well, for `migration`.

    Attributes:
        read_only: whether it may not be written.
        space: what its vectors have to be comparable in for whoever reads or writes; None for anything.
        file_number: what tells the file from another in its place.

    Raises:
        LibraryError: there is no file and `create` is false, or the file is no library, or of another format.
    """

    def __init__(self, path: Path, create: bool, *, busy_ms: int = BUSY_MS, older: bool = False) -> None:
        self.path = path
        self._busy_ms = busy_ms
        if path.is_dir():
            raise LibraryError(f"{path}: is a folder; expected a library's file")
        if not create and not path.is_file():
            raise LibraryError(f"{path}: no library there; make one with: nestling add {path} FOLDER")
        if not path.parent.is_dir():
            raise LibraryError(f"{path}: the folder {path.parent} does not exist; make it first")
        self.read_only = path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
        self._oldest = schema.OLDEST if older else schema.VERSION
        self.space: str | None = None
        self._announced = False
        self._closed = False
        self._to_fold = False
        self._interrupt: BaseException | None = None
        self._connect(create)
        _open.add(self)

    def _connect(self, create: bool) -> None:
        # SQLite needs its log beside the file to see what others write. Where there is none and none can be made, the
        # file is read as one that nobody writes; that holds as long as it is what it was, see `follow`.
        self._unchanging = self.read_only and not self._has_log()
        self._opened_as = self._identity()
        mode = "immutable=1" if self._unchanging else "mode=ro" if self.read_only else "mode=rwc"
        uri = f"file:{quote(str(self.path.absolute()))}?{mode}"
        try:
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(create)
            except BaseException:
                self._db.close()
                raise
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._error(error) from error
        identity = self._identity()
        self.file_number = None if identity is None else identity[0]

    def _has_log(self) -> bool:
        return Path(f"{self.path}-wal").exists()

    def _identity(self) -> tuple[int, int, int] | None:
        """What changes with every change of the file; None where it is gone."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    @property
    def _is_outdated(self) -> bool:
        """Whether a file that was opened as one that nobody writes is being written, or has been."""
        opened_alone = self._unchanging and not self._closed
        return opened_alone and (self._has_log() or self._identity() != self._opened_as)

    def follow(self) -> None:
        """Open a file anew that was opened as one that nobody writes, and that was written since.

        Raises:
            LibraryError: it is closed, or another file is in its place.
        """
        if self._closed:
            raise failures.closed()
        if self._is_outdated:
            before, old = self._opened_as, self._db
            try:
                self._connect(create=False)
            except BaseException:  # tried again with the next question
                self._db, self._unchanging, self._opened_as = old, True, before
                raise
            old.close()
            if before is None or self._opened_as is None or before[0] != self._opened_as[0]:
                self.close()
                raise failures.replaced(self.path)

    def require_unchanged(self) -> None:
        """Raise ChangedError where a file that was opened as one that nobody writes is being written."""
        if self._is_outdated:
            raise failures.being_written(self.path)

    def _prepare(self, create: bool) -> None:
        self._db.execute(f"PRAGMA busy_timeout = {self._busy_ms}")
        # The tables first: another process may make them between these lines, and what it says of them with them.
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        application = self._db.execute("PRAGMA application_id").fetchone()[0]
        if tables and application != schema.APPLICATION_ID:
            raise LibraryError(f"{self.path}: is an SQLite file of another program; expected a Nestling library")
        if not tables and not create:
            raise LibraryError(f"{self.path}: is empty, not a library; restore it from a copy or add its files anew")
        if tables and not self._oldest <= version <= schema.UPGRADING:
            raise failures.other_format(self.path, version)
        schema.connected(self._db, self._uninterrupted)
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA temp_store = MEMORY")
        if self.read_only:
            return
        if not tables:  # so that `give_back` can; a file that holds anything ignores it
            self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._log_ahead()
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        if not tables:
            with self._transaction():
                if not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    schema.create(self._db)
            self.fold()  # so that a file that lost its log is seen to be a library, and one that lost more is not

    def _log_ahead(self) -> None:
        """Keep the file in WAL mode. SQLite does not wait here for another process that makes the same new file."""
        until = time.monotonic() + self._busy_ms / 1000
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
            time.sleep(0.01)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction was begun and not ended."""
        return not self._closed and self._db.in_transaction

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, by a caller or as another file is in its place."""
        return self._closed

    def _uninterrupted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that SQL calls; SQLite would make a failed statement of an interrupt that is raised in it."""

        def called(*values: Any) -> Any:
            try:
                return function(*values)
            except (KeyboardInterrupt, SystemExit) as interrupt:
                self._interrupt = interrupt
                raise

        return called

    def close(self) -> None:
        """Close the file; SQLite folds its write-ahead log into it."""
        try:
            if self._announced:
                self._db.execute("PRAGMA busy_timeout = 0")  # nobody waits for a name to be deleted
                with self._transaction():
                    self._db.execute("DELETE FROM meta WHERE key = ? AND value = ?", (_WRITER, _this_process()))
        except (LibraryError, sqlite3.Error):  # a name that stays behind is read only beside a lock that is held
            pass
        finally:
            self._closed = True
            with _quiet:
                self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it is in the file afterwards, or nothing where an error leaves it."""
        if self.read_only:
            raise failures.cannot_be_written(self.path)
        if self.meta(_WRITER) != _this_process():  # so that whoever waits for this process can say for whom
            with self._transaction():
                self.set_meta(_WRITER, _this_process())
            self._announced = True
        with self._transaction():
            self._require_space()
            yield
            self.set_meta(GENERATION, str(self.generation + 1))
        if self._to_fold:
            self.fold()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _quiet:
            try:
                try:  # around the wait for another writer as well, which Ctrl-C may end just as it is over
                    self._db.execute("BEGIN IMMEDIATE")
                    yield
                    self._db.execute("COMMIT")
                except BaseException:
                    if not self._closed and self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise self._error(error) from error

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One snapshot: what another process commits meanwhile is not seen.

        Raises:
            ChangedError: the file may only be read, and its owner began to write it meanwhile; read again.
            LibraryError: what is read is damaged. What `callers` gave raises its own errors.
        """
        self.follow()
        with _quiet:
            try:
                try:
                    self._db.execute("BEGIN")
                    self._require_space()
                    yield
                    self._db.execute("COMMIT")
                except BaseException:  # Ctrl-C as well: what stands in temporary tables goes
                    if not self._closed and self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            except NestlingError:
                raise
            except _CallersError as error:
                raise error.error from error.error.__cause__
            # What a damaged row makes of numpy, JSON and a document.
            except (sqlite3.Error, LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
                raise self._error(error) from error
        self.require_unchanged()

    def _require_space(self) -> None:
        if self.space is not None and self.meta("space") != self.space:
            raise failures.brought_over(self.path, self.meta("bundle"))

    @staticmethod
    def callers(function: Callable[_P, None]) -> Callable[_P, None]:
        """A function of the caller's, to be called inside `reading`, whose errors are no damage of the file."""

        def called(*given: _P.args, **named: _P.kwargs) -> None:
            try:
                function(*given, **named)
            except Exception as error:
                raise _CallersError(error) from error

        return called

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """The rows of a statement of this package's own."""
        with _quiet:
            try:
                if not self._db.in_transaction:
                    self.follow()
                return self._db.execute(sql, parameters).fetchall()
            except sqlite3.Error as error:
                raise self._error(error) from error

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Any]:
        """The same, one row after the other: for rows that are large."""
        try:
            # `yield from` would close the cursor, which a closed library's cannot be.
            for row in self._db.execute(sql, parameters):  # noqa: UP028
                yield row
        except sqlite3.Error as error:
            raise self._error(error) from error

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Cursor:
        """Run a statement of this package's own; inside `writing` or `reading`, which name its errors."""
        return self._db.execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """The same for each of some rows of parameters."""
        self._db.executemany(sql, rows)

    def meta(self, key: str) -> str | None:
        """A value that `set_meta` wrote, or None."""
        rows = self.rows("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    def set_meta(self, key: str, value: str) -> None:
        """Write a value under a key; inside `writing`."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    @property
    def generation(self) -> int:
        """How many transactions changed the file; inside `writing`, those before this one."""
        rows = self.rows("SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?", (GENERATION,))
        return int(rows[0][0]) if rows else 0

    def interrupt(self) -> None:
        """Have what another thread asks of it end with an error."""
        self._db.interrupt()

    def trace(self, callback: Callable[[str], object] | None) -> None:
        """Have each statement told that is run from now on; None for no more."""
        self._db.set_trace_callback(callback)

    def file_bytes(self) -> int:
        """Size of the file once the write-ahead log is folded into it."""
        pages, page = (self.rows(f"PRAGMA {name}")[0][0] for name in ("page_count", "page_size"))
        return int(pages) * int(page)

    def give_back(self) -> None:
        """Make the file smaller by the pages that nothing is in, up to 16 MiB of them; inside `writing`.

        Those that are left, and all of a file that was made without `auto_vacuum`, are for what is written next.
        """
        if self.rows("PRAGMA auto_vacuum") != [(_INCREMENTAL,)]:
            return
        for _ in range(min(self.rows("PRAGMA freelist_count")[0][0], _GIVEN_BACK_PAGES)):
            self._db.execute("PRAGMA incremental_vacuum")  # a page a call: Python stops at the first of its rows

    def fold_beyond(self, share: float) -> None:
        """Fold the write-ahead log into the file once it is larger than a share of it; see `fold`."""
        log = Path(f"{self.path}-wal")
        if log.exists() and log.stat().st_size > share * self.path.stat().st_size:
            self.fold()

    def fold(self) -> None:
        """Fold the write-ahead log, and with it what was overwritten, into the file; as far as readers let it.

        None is waited for: what they keep back is folded after the next change.
        """
        self.rows("PRAGMA busy_timeout = 0")
        try:
            self._to_fold = bool(self.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0][0])
        finally:
            self.rows(f"PRAGMA busy_timeout = {self._busy_ms}")

    def _error(self, error: Exception) -> LibraryError:
        if (interrupt := self._interrupt) is not None:
            self._interrupt = None
            raise interrupt
        return (
            failures.being_written(self.path) if self._is_outdated else failures.failure(self.path, error, self._holder)
        )

    def _holder(self) -> str:
        """Who last said that it would write."""
        try:
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (_WRITER,)).fetchone()
        except sqlite3.Error:
            row = None
        return str(row[0]) if row else "another process"


def _leave_open() -> None:
    """Have no connection closed by a process that was forked, where it lies: closing would write what this one knew of
    the file into what it is by then."""
    import ctypes

    for database in list(_open):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(database._db))


def _this_process() -> str:
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(_STARTED))
    return f"process {os.getpid()} on {platform.node()}, at work since {since},"


_STARTED = time.time()
_open: WeakSet[Database] = WeakSet()
# SQLite has locks that are the process's: held by a thread at a fork, they would be held in the copy for ever.
_quiet = Quiet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_open)
