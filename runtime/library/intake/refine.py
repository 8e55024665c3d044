"""Passages of other widths than the library's are encoded again, some at a time, while all else goes on.

Some are read, and encoded while nothing is locked; then they are written in one short transaction, each if it still is
what was read. So a search waits for nothing, another writer for a few dozen rows, and a process that is killed leaves
what it had committed: the next one goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Literal, get_args

from ...errors import BusyError, LibraryError, NestlingError
from ..store.documents import Codes, Stale, Store
from .chunk import heading_of, with_heading
from .document_width import remembered_width
from .encoders import encoded

if TYPE_CHECKING:
    from ...encoding.encoder import Encoder

Order = Literal["newest", "searched"]
ORDERS: tuple[Order, ...] = get_args(Order)
_WRITTEN_AT_ONCE = 32
# A stop is waited for as long as it takes to encode so many.
_ENCODED_AT_ONCE = 8
_BEYOND = 2**63 - 1
_TURN_SECONDS = 0.1
_BUSY_MS = 500
_IDLE_SECONDS = 0.5

Refined = Callable[[int, int], None]
Stopped = Callable[[], bool]


@dataclass(frozen=True)
class Work:
    """What is to be refined, and with what.

    Attributes:
        store: a connection of its own.
        width: what all passages are to be of.
        encoder: gives the encoder of that width, when there is something to encode.
        searched: ids of documents that come before all others, in their order; asked again for every batch.
        turn: held while something is written, so that changes of this process are made one after another.
    """

    store: Store
    width: str
    encoder: Callable[[], Encoder]
    searched: Callable[[], list[str]]
    turn: RLock


def check(limit: int | None, order: str) -> None:
    """Raise NestlingError where a limit or an order is none."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise NestlingError(f"limit is {limit!r}, expected a whole number of 1 or more, or None")
    if order not in ORDERS:
        raise NestlingError(f"order is {order!r}, expected one of {', '.join(ORDERS)}")


def run(work: Work, limit: int | None = None, progress: Refined | None = None) -> int:
    """Refine the passages that are there now, so many at the most; returns how many were.

    Args:
        progress: called after each commit with the passages done and the passages there were to do.
    """
    stale = sum(count for width, count in work.store.widths().items() if width != work.width)
    total = stale if limit is None else min(stale, limit)
    done = 0
    for batch in _batches(work):
        left = len(batch) if limit is None else limit - done
        if left <= 0:
            break
        if written := _refined(work, batch[:left], lambda: False):
            done += written
            if progress is not None:
                progress(done, max(done, total))
    return done


class Background:
    """A thread that refines what there is, and what comes, until it is stopped.

    Attributes:
        error: what ended it, if that was no stop.
    """

    def __init__(self, work: Work) -> None:
        self.error: BaseException | None = None
        self._work = work
        self._stop = Event()
        self._thread = Thread(target=self._run, name="nestling-refine", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop it, and wait until it has; what it has not committed is for the next time."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._work.store.wait_for_others(_BUSY_MS)
            while not self._stop.is_set():
                generation = self._work.store.generation
                done = 0
                for batch in _batches(self._work):
                    done += _refined(self._work, batch, self._stop.is_set, patient=True)
                    if self._stop.is_set():
                        return
                while not done and self._work.store.generation == generation:
                    if self._stop.wait(_IDLE_SECONDS):
                        return
        except BaseException as error:  # told to whoever asked for the thread
            self.error = error
        finally:
            self._work.store.close()


def _batches(work: Work) -> Iterator[list[Stale]]:
    """Passages of other widths, some at a time: those of documents that come first, then from the newest down."""
    seen: set[str] = set()
    below = _BEYOND
    while True:
        found: list[Stale] = []
        for id in work.searched():
            if id not in seen and len(found) < _WRITTEN_AT_ONCE:
                seen.add(id)
                found += work.store.stale_of(work.width, id)
        if not found:
            found = work.store.stale(work.width, below, _WRITTEN_AT_ONCE)
            if not found:
                return
            below = found[-1].key
        for begin in range(0, len(found), _WRITTEN_AT_ONCE):
            yield found[begin : begin + _WRITTEN_AT_ONCE]


def _refined(work: Work, batch: list[Stale], stopped: Stopped, *, patient: bool = False) -> int:
    """Encode some passages and write those that are still as they were read; returns how many.

    Args:
        patient: wait for another process until it is done, however long that takes.
    """
    encoder = work.encoder()
    codes: list[Codes] = []
    headings: dict[tuple[str, str], str] = {}
    texts = []
    for one in batch:
        of = (one.title, one.source)
        if of not in headings:
            headings[of] = heading_of(*of, encoder.tokens)
        texts.append(with_heading(headings[of], one.text))
    for begin in range(0, len(texts), _ENCODED_AT_ONCE):
        if stopped():
            return 0
        codes += encoded(encoder, texts[begin : begin + _ENCODED_AT_ONCE])
    while not stopped():
        if not work.turn.acquire(timeout=_TURN_SECONDS):
            continue
        try:
            with work.store.writing():
                aimed_at = remembered_width(work.store)
                if aimed_at != work.width:
                    raise LibraryError(
                        f"{work.store.path}: its document width is {aimed_at} by now, not {work.width}, as another "
                        "process has said; open it again to refine at that"
                    )
                return sum(work.store.recode(one, code) for one, code in zip(batch, codes, strict=True))
        except BusyError:
            if not patient:
                raise
        finally:
            work.turn.release()
    return 0
