"""What a forked process has of the one before it: copies, of which some may be held for ever by threads it has not."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import RLock
from types import TracebackType


class OwnLock:
    """A lock, as `RLock`, that the process takes in which it was made; in one that was forked since it is an error.

    Args:
        refused: gives that error.
    """

    def __init__(self, refused: Callable[[], Exception]) -> None:
        self._lock = RLock()
        self._process = os.getpid()
        self._refused = refused

    @property
    def is_own(self) -> bool:
        """Whether this is the process that made it."""
        return os.getpid() == self._process

    def require_own(self) -> None:
        """Raise the error where this is another process than made it."""
        if not self.is_own:
            raise self._refused()

    def acquire(self, timeout: float = -1) -> bool:
        """Take it, waiting for at most so many seconds; -1 for however long. Whether it was taken."""
        self.require_own()
        return self._lock.acquire(timeout=timeout)

    def release(self) -> None:
        """Give it back."""
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lock.release()
