"""Libraries that are kept in step with their folders while they are served; paused and resumed from the page."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from ...library.library import Library
from ...library.watching import watch
from ..protection.defects import SENTENCE

_ENDING_SECONDS = 30.0


@dataclass
class Watcher:
    """What is known of a library that is watched.

    Attributes:
        paused: changes are noticed, but not taken in.
        pending: there are changes that are not taken in yet.
        error: why changes cannot be taken in now; empty while they can.
    """

    paused: bool = False
    pending: bool = False
    error: str = ""
    thread: threading.Thread | None = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        """As the page has it."""
        return {"paused": self.paused, "pending": self.pending, "error": self.error}


@contextmanager
def watched(libraries: Mapping[str, Library]) -> Iterator[dict[str, Watcher]]:
    """Watch libraries as long as the context lasts; by name, what is known of each. None without watchfiles."""
    if find_spec("watchfiles") is None:
        yield {}
        return
    stop, watchers = threading.Event(), dict[str, Watcher]()
    for name, library in libraries.items():
        watcher = watchers[name] = Watcher()
        watcher.thread = threading.Thread(target=_watch, args=(library, watcher, stop), name=f"nestling-watch-{name}")
        watcher.thread.start()
    try:
        yield watchers
    finally:
        stop.set()
        for watcher in watchers.values():
            if watcher.thread is not None:
                watcher.thread.join(_ENDING_SECONDS)


def _watch(library: Library, watcher: Watcher, stop: threading.Event) -> None:
    def pending(is_so: bool) -> None:
        watcher.pending = is_so

    def failed(why: str) -> None:
        watcher.error = why

    def stopping(_: object) -> None:
        if stop.is_set():
            raise _Ended

    try:
        watch(
            library, stop, lambda report: None, progress=stopping, waiting=lambda: watcher.paused, pending=pending,
            failed=failed,
        )  # fmt: skip
    except _Ended:
        pass
    except BaseException:
        watcher.error = SENTENCE
        raise


class _Ended(Exception):
    """The service ends in the middle of a sync; what is committed stays."""
