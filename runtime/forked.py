"""What a forked process has of the one before it: copies, of which some may be held for ever by threads it has not."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock, RLock, local
from types import TracebackType

from .errors import LibraryError

# Seconds between two looks at whether a fork is over, or may begin.
_AGAIN = 0.001


class OwnLock:
    """A lock, as `RLock`, that the process takes in which it was made; in one that was forked since it is an error.

    Args:
        path: the file that is used under it.
    """

    def __init__(self, path: Path) -> None:
        self._lock = RLock()
        self._process = os.getpid()
        self._path = path

    @property
    def is_own(self) -> bool:
        """Whether this is the process that made it."""
        return os.getpid() == self._process

    def require_own(self) -> None:
        """Raise LibraryError where this is another process than made it."""
        if not self.is_own:
            raise LibraryError(f"{self._path}: was opened before this process was forked; open it again here")

    @property
    def own(self) -> AbstractContextManager[bool]:
        """What holds it for as long as a context lasts. It is entered by no line of Python: after one, an interrupt
        may come when the lock is taken and nothing will give it back.

        Raises:
            LibraryError: this is another process than made it.
        """
        self.require_own()
        return self._lock

    def acquire(self, timeout: float = -1) -> bool:
        """Take it, waiting for at most so many seconds; -1 for however long. Whether it was taken."""
        self.require_own()
        return self._lock.acquire(timeout=timeout)

    def release(self) -> None:
        """Give it back."""
        self._lock.release()


class Quiet:
    """What no thread may be at as the process is forked: locks that are held in a library below stay held in the copy.

    A fork waits for what is under way in other threads, and what begins meanwhile waits for the fork. Both look again
    and again, which is seldom: a lock of threading's own that wakes who waits, as Condition, is entered by lines of
    Python, and an interrupt between them would leave it taken, see `OwnLock.own`.

    Args:
        seconds: a fork waits for at the most.
    """

    def __init__(self, seconds: float = 10.0) -> None:
        self._seconds = seconds
        self._own = local()
        self._lock = Lock()
        self._forking = False
        self._at_work = 0
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._close, after_in_parent=self._open, after_in_child=self._fresh)

    def __enter__(self) -> None:
        depth = getattr(self._own, "depth", 0)
        if not depth:
            while not self._begun():
                time.sleep(_AGAIN)
        self._own.depth = depth + 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        depth = self._own.depth = max(getattr(self._own, "depth", 0) - 1, 0)  # another thread may end what one began
        if not depth:
            with self._lock:
                self._at_work = max(self._at_work - 1, 0)

    def _begun(self) -> bool:
        """Count this thread as at work, unless the process is being forked."""
        with self._lock:
            if not self._forking:
                self._at_work += 1
            return not self._forking

    def _close(self) -> None:
        own = 1 if getattr(self._own, "depth", 0) else 0
        with self._lock:
            self._forking = True
        end = time.monotonic() + self._seconds
        while self._at_work > own and time.monotonic() < end:
            time.sleep(_AGAIN)

    def _open(self) -> None:
        with self._lock:
            self._forking = False

    def _fresh(self) -> None:
        self._lock = Lock()
        self._forking = False
        self._at_work = 1 if getattr(self._own, "depth", 0) else 0
