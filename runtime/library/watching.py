"""Keep a library in step with its files: whenever something changes below a followed folder, it is synced."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..document import Report
from ..errors import BusyError, NestlingError
from .library import Library

if TYPE_CHECKING:
    from .intake.sync import Progress

_SETTLED_MS = 1000  # what comes within so long is taken in at once
_LOOK_AGAIN_SECONDS = 5.0  # for folders that were added meanwhile, and for drives that come back
_LOW_PRIORITY = 10


def watch(
    library: Library,
    stop: threading.Event,
    taken_in: Callable[[Report], None],
    progress: Callable[[Progress], None] = lambda _: None,
    waiting: Callable[[], bool] = lambda: False,
    pending: Callable[[bool], None] = lambda _: None,
) -> None:
    """Sync whenever files change, until told to stop; needs the package watchfiles.

    A folder that is gone, as on a drive that was unplugged, keeps its documents and is looked for again.

    Args:
        stop: ends it; a sync that is running is finished first.
        taken_in: called with what each sync did.
        progress: see `Library.sync`.
        waiting: while it says so, changes are noticed but not taken in.
        pending: called with whether there are changes that are not taken in yet.

    Raises:
        NestlingError: watchfiles is not installed, or the library cannot be written.
    """
    if not _has_watchfiles():
        raise NestlingError('watching needs watchfiles; install it with: pip install "nestling[watch]"')
    _be_modest()
    due = True
    for changed in _changes(library, stop):
        due = due or changed
        pending(due)
        if due and not waiting() and library.info().folders:
            with suppress(BusyError):  # another program writes: the next look takes it in
                report = library.sync(progress=progress)
                due = False
                pending(due)
                taken_in(report)


def _changes(library: Library, stop: threading.Event) -> Iterator[bool]:
    """Whether something changed, again and again: at once for a change, else every few seconds."""
    from watchfiles import watch as changes_below

    own = str(library.path)  # the library's file and its logs, which may lie in a followed folder
    yield False
    while not stop.is_set():
        folders = library.info().folders
        there = [folder for folder in folders if Path(folder).exists()]
        if not there:
            stop.wait(_LOOK_AGAIN_SECONDS)
            yield any(Path(folder).exists() for folder in folders)
            continue
        looked = time.monotonic()
        with suppress(FileNotFoundError, OSError):  # a folder that went meanwhile
            for found in changes_below(
                *there,
                watch_filter=lambda _, path: not path.startswith(own),
                debounce=_SETTLED_MS,
                stop_event=stop,
                rust_timeout=int(1000 * _LOOK_AGAIN_SECONDS),
                yield_on_timeout=True,
            ):
                yield bool(found)
                if time.monotonic() - looked > _LOOK_AGAIN_SECONDS and _has_moved_on(library, there):
                    break
        yield True  # other folders than before, or some that went


def _has_moved_on(library: Library, watched: Sequence[str]) -> bool:
    """Whether there are other folders now than those that are watched."""
    return [folder for folder in library.info().folders if Path(folder).exists()] != list(watched)


def _has_watchfiles() -> bool:
    from importlib.util import find_spec

    return find_spec("watchfiles") is not None


def _be_modest() -> None:
    """Let other programs go first; Linux alone has a priority for each thread, elsewhere nothing is done."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOW_PRIORITY)
