"""Work on a library's file in a thread of its own, which no interrupt reaches.

SQLite makes an error of an interrupt that is raised in a function of Python that SQL calls, or takes it for damage.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import TypeVar

from .database import Database

_T = TypeVar("_T")
_STOPPED_SECONDS = 0.02


def apart(db: Database, work: Callable[[], _T]) -> _T:
    """Do something in a thread of its own; returns or raises what that does. An interrupt stops it and is raised."""
    future: Future[_T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    thread = Thread(target=run, name="nestling-apart", daemon=True)
    thread.start()
    try:
        return future.result()
    finally:
        while thread.is_alive():
            with suppress(KeyboardInterrupt):  # another: the file is not left before the thread has left it
                db.interrupt()
                thread.join(_STOPPED_SECONDS)
