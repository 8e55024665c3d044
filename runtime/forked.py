"""What a forked process has of the one before it: copies, of which some may be held for ever by threads it has not."""

from __future__ import annotations

import os
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from threading import RLock, get_ident, main_thread
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
    and again, which is seldom. There is no lock: an interrupt may come between any two lines, and what it leaves behind
    keeps no thread from work, and no fork of the same thread from beginning.

    Args:
        seconds: a fork waits for at the most.
    """

    def __init__(self, seconds: float = 10.0) -> None:
        self._seconds = seconds
        self._forking = False
        self._at_work: dict[int, int] = {}  # by thread, how many contexts it is in
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._close, after_in_parent=self._open, after_in_child=self._fresh)

    def __enter__(self) -> None:
        me = get_ident()
        depth = self._at_work.get(me, 0)
        # Said first and asked then, as a fork does it: of two that begin at once, one sees the other.
        self._at_work[me] = depth + 1
        while not depth and self._forking:
            self._at_work.pop(me, None)
            time.sleep(_AGAIN)
            self._at_work[me] = 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        me = get_ident()
        if me not in self._at_work:  # a thread may end what another one began
            me = next(iter(list(self._at_work)), me)
        depth = self._at_work.get(me, 1) - 1
        if depth:
            self._at_work[me] = depth
        else:
            self._at_work.pop(me, None)

    def _close(self) -> None:
        self._forking = True
        end = time.monotonic() + self._seconds
        while (others := set(self._at_work) - {get_ident()}) and time.monotonic() < end:
            time.sleep(_AGAIN)
        # The main thread may have been interrupted, and one that is gone ends nothing: no fork waits for them again.
        for thread in others - (sys._current_frames().keys() - {main_thread().ident}):
            self._at_work.pop(thread, None)

    def _open(self) -> None:
        self._forking = False

    def _fresh(self) -> None:
        me = get_ident()
        self._forking = False
        self._at_work = {me: self._at_work[me]} if me in self._at_work else {}
