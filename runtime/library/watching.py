"""Keep a library in step with its files: whenever something changes below a followed folder, it is synced."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from ..document import Report
from ..errors import NestlingError
from .browse import followed
from .intake.folders import IGNORE_FILE, LIBRARY_SUFFIX
from .library import Library

if TYPE_CHECKING:
    from .intake.sync import Progress

_SETTLED_MS = 800  # a change is taken in once nothing more came for so long
_LONGEST_MS = 20_000  # but for one that goes on and on
_LOOKS_MS = 1000
_LOOK_AGAIN_SECONDS = 5.0  # for folders that were added meanwhile, for drives that come back, and behind an error
_LOW_PRIORITY = 10


def watch(
    library: Library,
    stop: threading.Event,
    taken_in: Callable[[Report], None],
    *,
    progress: Callable[[Progress], None] = lambda _: None,
    waiting: Callable[[], bool] = lambda: False,
    pending: Callable[[bool], None] = lambda _: None,
    failed: Callable[[str], None] = lambda _: None,
) -> None:
    """Sync whenever files change, until told to stop; needs the package watchfiles.

    A folder that is gone, as on a drive that was unplugged, keeps its documents and is looked for again. What goes
    wrong is told and tried again.

    Args:
        stop: ends it; a sync that is running is finished first.
        taken_in: called with what each sync did.
        progress: see `Library.sync`.
        waiting: while it says so, changes are noticed but not taken in.
        pending: called with whether there are changes that are not taken in yet.
        failed: called with why changes cannot be taken in now; with nothing once they are.

    Raises:
        NestlingError: watchfiles is not installed.
    """
    if find_spec("watchfiles") is None:
        raise NestlingError('watching needs watchfiles; install it with: pip install "nestling[watch]"')
    _be_modest()
    while not stop.is_set():
        try:
            there = _there(library)
            if there:
                _watch_these(there, library, stop, taken_in, progress, waiting, pending)
                failed("")
                continue
        except (NestlingError, OSError) as error:
            failed(str(error))
        stop.wait(_LOOK_AGAIN_SECONDS)


def _watch_these(
    there: Sequence[str],
    library: Library,
    stop: threading.Event,
    taken_in: Callable[[Report], None],
    progress: Callable[[Progress], None],
    waiting: Callable[[], bool],
    pending: Callable[[bool], None],
) -> None:
    """Sync at first, since things may have changed before, and whenever something changes; until these folders are not
    those that are followed, or one of them was replaced."""
    from watchfiles import watch as changes_below

    due, looked = True, time.monotonic()
    for changes in changes_below(
        *there,
        watch_filter=lambda _, path: matters(path, there),
        debounce=_LONGEST_MS,
        step=_SETTLED_MS,
        stop_event=stop,
        rust_timeout=_LOOKS_MS,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    ):
        if stop.is_set():
            return
        due = due or bool(changes)
        pending(due)
        if due and not waiting():
            report = library.sync(progress=progress)
            due = False
            pending(due)
            taken_in(report)
        if any(path in there for _, path in changes):  # what was watched is another file now
            return
        if time.monotonic() - looked > _LOOK_AGAIN_SECONDS:
            looked = time.monotonic()
            if _there(library) != list(there):
                return


def matters(path: str, followed: Collection[str]) -> bool:
    """Whether a sync may read a path: libraries are left out, with what SQLite writes beside them, and hidden files."""
    named = PurePath(path)
    if named.suffix.startswith(LIBRARY_SUFFIX):
        return False
    if path in followed or named.name == IGNORE_FILE:
        return True
    below = [named.relative_to(root) for root in followed if named.is_relative_to(root)]
    return any(not any(part.startswith(".") for part in one.parts) for one in below)


def _there(library: Library) -> list[str]:
    """The followed files and folders that are there now."""
    found = []
    for path in followed(library):
        with suppress(OSError):  # one that may not be looked at
            if Path(path).exists():
                found.append(path)
    return found


def _be_modest() -> None:
    """Let other programs go first; Linux alone has a priority for each thread, elsewhere nothing is done."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOW_PRIORITY)
