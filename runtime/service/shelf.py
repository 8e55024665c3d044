"""The libraries that a service answers from, by name, and the one encoder behind its embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import anyio
import anyio.to_thread
from starlette.requests import Request

from ..encoding.encoder import Encoder
from ..library.library import Library
from .asked import Refused

Answer = TypeVar("Answer")

_GONE = 499
_CHANGES = 8  # that may wait for one another


class Shelf:
    """Open libraries and an encoder, whose work is done in threads, so many at a time.

    Args:
        libraries: by the name that requests have for them, the default first.
        encoder: of the embeddings.
    """

    def __init__(self, libraries: Mapping[str, Library], encoder: Encoder) -> None:
        self.libraries = dict(libraries)
        self.encoder = encoder
        self._searching = anyio.CapacityLimiter(2 * encoder.threads)
        self._working = anyio.CapacityLimiter(encoder.threads)
        self._changing = anyio.CapacityLimiter(_CHANGES)

    def library(self, name: str) -> Library:
        """The library of a name, the first for an empty one; raises Refused where there is none."""
        if not self.libraries:
            raise Refused(404, "no library is served; start with: nestling serve LIBRARY")
        if not name:
            return next(iter(self.libraries.values()))
        if name not in self.libraries:
            raise Refused(404, f"there is no library {name[:80]!r}, expected one of {', '.join(self.libraries)}")
        return self.libraries[name]

    def name(self, given: str) -> str:
        """The name of a library, that of the first for an empty one; raises Refused where there is none."""
        self.library(given)
        return given or next(iter(self.libraries))

    async def searched(self, work: Callable[[], Answer]) -> Answer:
        """Do what takes milliseconds in a thread."""
        return await anyio.to_thread.run_sync(work, limiter=self._searching)

    async def answered(self, request: Request, work: Callable[[], Answer]) -> Answer:
        """As `searched`, but nothing is done for who has gone by the time a thread is free, as the page does that asks
        with each key."""
        async with self._searching:
            if await request.is_disconnected():
                raise Refused(_GONE, "the client has gone")
            return await anyio.to_thread.run_sync(work, limiter=anyio.CapacityLimiter(1))

    async def worked(self, work: Callable[[], Answer]) -> Answer:
        """Do what may take long in a thread, beside what takes milliseconds."""
        return await anyio.to_thread.run_sync(work, limiter=self._working)

    async def changed(self, work: Callable[[], Answer]) -> Answer:
        """Do what changes a library in a thread; it may wait for another change, and keeps nobody else waiting."""
        return await anyio.to_thread.run_sync(work, limiter=self._changing)
