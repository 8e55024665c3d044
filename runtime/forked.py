"""What a forked process has of the one before it: copies, of which some may be held for ever by threads it has not."""

from __future__ import annotations

import os
from pathlib import Path
from threading import RLock
from types import TracebackType

from .errors import LibraryError


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
