"""Passages of other widths than the library's are encoded again, some at a time, while all else goes on.

Some are read, and encoded while nothing is locked; then they are written in one short transaction, each if it still is
what was read. So a search waits for nothing, another writer for a few dozen rows, and a process that is killed leaves
what it had committed: the next one goes on.

In a library that is brought over to another bundle, all passages of the earlier one are of other widths. A document
that the later one's tokens cut otherwise is written anew as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING

from ...checks import as_whole
from ...errors import BusyError, LibraryError, NestlingError
from ...forked import OwnLock
from ..store import earlier, full_text, passage_codes
from ..store.database import Database
from ..store.passage_codes import Codes, Stale
from .chunk import heading_of, with_heading
from .document_width import stored_width
from .encoders import encoded
from .recut import cut_anew

if TYPE_CHECKING:
    from ...encoding.encoder import Encoder

_WRITTEN_AT_ONCE = 32
# A stop is waited for as long as it takes to encode so many.
_ENCODED_AT_ONCE = 8
_BEYOND = 2**63 - 1
_TURN_SECONDS = 0.1
BACKGROUND_BUSY_MS = 500
_IDLE_SECONDS = 0.5
_LARGEST_LOG = 0.05  # of the file, while all of it is encoded anew

Refined = Callable[[int, int], None]
Stopped = Callable[[], bool]


@dataclass(frozen=True)
class RefineJob:
    """What is to be refined, and with what.

    Attributes:
        db: a connection of its own.
        width: what all passages are to be of.
        encoder: gives the encoder of that width, when there is something to encode.
        turn: held while something is written, so that changes of this process are made one after another.
    """

    db: Database
    width: str
    encoder: Callable[[], Encoder]
    turn: OwnLock


def checked_limit(limit: int | None) -> int | None:
    """A limit; raises NestlingError where it is none."""
    if limit is not None and (as_whole(limit) or 0) < 1:
        raise NestlingError(f"limit is {limit!r}, expected a whole number of 1 or more, or None")
    return as_whole(limit)


def run(job: RefineJob, limit: int | None = None, progress: Refined | None = None) -> int:
    """Refine the passages that are there now, so many at the most; returns how many were.

    Args:
        progress: called after each commit with the passages done and the passages there were to do.
    """
    same: set[str] = set()
    stale = sum(count for width, count in passage_codes.widths(job.db).items() if width != job.width)
    total = stale if limit is None else min(stale, limit)
    done = 0
    for batch in _batches(job):
        left = len(batch) if limit is None else limit - done
        if left <= 0:
            break
        if written := _refined(job, batch[:left], lambda: False, same):
            done += written
            if progress is not None:
                progress(done, max(done, total))
    _end_upgrade(job, lambda: False, patient=False)
    return done


class Background:
    """A thread that refines what there is, and what comes, until it is stopped.

    Attributes:
        error: what ended it, if that was no stop.
    """

    def __init__(self, job: RefineJob) -> None:
        self.error: BaseException | None = None
        self._job = job
        self._stop = Event()
        self._thread = Thread(target=self._run, name="nestling-refine", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop it, and wait until it has; what it has not committed is for the next time."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            same: set[str] = set()
            while not self._stop.is_set():
                generation = self._job.db.generation
                done = 0
                for batch in _batches(self._job):
                    done += _refined(self._job, batch, self._stop.is_set, same, patient=True)
                    if self._stop.is_set():
                        return
                _end_upgrade(self._job, self._stop.is_set, patient=True)
                while not done and self._job.db.generation == generation:
                    if self._stop.wait(_IDLE_SECONDS):
                        return
        except BaseException as error:  # told to whoever asked for the thread
            self.error = error
        finally:
            self._job.db.close()


def _batches(job: RefineJob) -> Iterator[list[Stale]]:
    """Passages of other widths, some at a time, from the newest down."""
    below = _BEYOND
    while found := passage_codes.stale(job.db, job.width, below, _WRITTEN_AT_ONCE):
        yield found
        below = found[-1].key


def _refined(job: RefineJob, batch: list[Stale], stopped: Stopped, same: set[str], *, patient: bool = False) -> int:
    """Encode some passages and write those that are still as they were read; returns how many.

    Args:
        same: see `recut.cut_anew`.
        patient: wait for another process until it is done, however long that takes.
    """
    done = 0
    if earlier.is_there(job.db):
        anew = cut_anew(job.db, [stale.key for stale in batch], job.encoder().tokens, same)
        for one in anew:
            codes = _codes(job, [passage.text for passage in one.passages], stopped)
            done += _written(job, partial(one.put, job.db, codes), stopped, patient)
        if anew:
            batch = [stale for stale in batch if passage_codes.ids_of(job.db, [stale.key])]
    codes = _codes(job, _texts(batch, job.encoder()), stopped)

    def recode() -> int:
        return sum(passage_codes.recode(job.db, one, code) for one, code in zip(batch, codes, strict=True))

    return done + _written(job, recode, stopped, patient)


def _texts(batch: list[Stale], encoder: Encoder) -> list[str]:
    """What is encoded for some passages."""
    headings: dict[tuple[str, str], str] = {}
    for one in batch:
        of = (one.title, one.source)
        if of not in headings:
            headings[of] = heading_of(*of, encoder.tokens)
    return [with_heading(headings[one.title, one.source], one.text) for one in batch]


def _codes(job: RefineJob, texts: list[str], stopped: Stopped) -> list[Codes]:
    """The codes of passages; not of all once it is stopped."""
    codes: list[Codes] = []
    for begin in range(0, len(texts), _ENCODED_AT_ONCE):
        if stopped():
            break
        codes += encoded(job.encoder(), texts[begin : begin + _ENCODED_AT_ONCE])
    return codes


def _end_upgrade(job: RefineJob, stopped: Stopped, *, patient: bool) -> None:
    """Forget the bundle that the library was brought over from, once nothing of it is left."""

    def end() -> int:
        if full_text.has_removed_words(job.db):  # of documents that were cut anew
            full_text.purge(job.db)
        return earlier.end(job.db)

    if earlier.is_done(job.db) and _written(job, end, stopped, patient):
        job.db.fold()


def _written(job: RefineJob, write: Callable[[], int], stopped: Stopped, patient: bool) -> int:
    """Write something in a transaction, unless it is stopped; returns what that does."""
    while not stopped():
        if not job.turn.acquire(timeout=_TURN_SECONDS):
            continue
        try:
            with job.db.writing():
                aimed_at = stored_width(job.db)
                if aimed_at != job.width:
                    raise LibraryError(
                        f"{job.db.path}: its document width is {aimed_at} by now, not {job.width}, as another "
                        "process has said; open it again to refine at that"
                    )
                done = write()
            if earlier.is_there(job.db):
                job.db.fold_beyond(_LARGEST_LOG)
            return done
        except BusyError:
            if not patient:
                raise
        finally:
            job.turn.release()
    return 0
