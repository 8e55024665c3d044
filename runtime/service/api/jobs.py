"""`/api/jobs`: what takes long, a sync or a refinement, one at a time for each library, watched and stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...document import Report
from ...errors import NestlingError
from ...library.library import Library
from .. import asked
from ..asked import Refused
from ..protection.defects import SENTENCE
from ..shelf import Shelf
from .watcher import Watcher

KINDS = ("sync", "refine")


class _Stopped(Exception):
    """A job was told to stop."""


@dataclass
class Job:
    """Something that takes long.

    Attributes:
        kind: one of `KINDS`.
        state: `running`, `done`, `stopped` or `failed`.
        done, total: files of a sync, passages of a refinement.
        at: the file that is read now.
        passages: encoded so far.
        report: what it did, once it is done.
        error: why it failed.
    """

    kind: str
    state: str = "running"
    done: int = 0
    total: int = 0
    at: str = ""
    passages: int = 0
    report: dict[str, Any] | None = None
    error: str = ""
    begun: float = field(default_factory=time.monotonic)
    ended: float | None = None
    stopping: bool = False

    def to_json(self) -> dict[str, Any]:
        """As the page has it; `seconds_left` is None where nothing tells it."""
        took = (self.ended or time.monotonic()) - self.begun
        left = took / self.done * (self.total - self.done) if self.done and self.state == "running" else None
        shown = {
            name: getattr(self, name)
            for name in ("kind", "state", "done", "total", "at", "passages", "report", "error")
        }
        return {**shown, "seconds": round(took, 1), "seconds_left": None if left is None else round(left)}


class Jobs:
    """The latest job of each library."""

    def __init__(self) -> None:
        self._latest: dict[str, Job] = {}
        self._changing = threading.Lock()

    def latest(self, name: str) -> Job | None:
        """The job of a library that runs, or ran last."""
        return self._latest.get(name)

    def start(self, name: str, kind: str, work: Callable[[Job], Report]) -> Job:
        """Begin one in a thread of its own; raises Refused where one is running."""
        with self._changing:
            running = self._latest.get(name)
            if running is not None and running.state == "running":
                raise Refused(409, f"a {running.kind} is running already; wait for it, or stop it first")
            job = self._latest[name] = Job(kind)
        threading.Thread(target=_run, args=(job, work), name=f"nestling-{kind}", daemon=True).start()
        return job

    def stop(self) -> None:
        """Let all end soon; what they have committed stays."""
        for job in self._latest.values():
            job.stopping = True


def routes(shelf: Shelf, jobs: Jobs, watchers: Mapping[str, Watcher]) -> list[Route]:
    """The routes of this file."""

    async def show(request: Request) -> Response:
        found = {name: jobs.latest(name) for name in shelf.libraries}
        watching = {name: watchers[name].to_json() if name in watchers else None for name in shelf.libraries}
        shown = {name: None if job is None else job.to_json() for name, job in found.items()}
        return JSONResponse({"jobs": shown, "watching": watching})

    async def pause(request: Request) -> Response:
        given = await asked.body(request)
        name = shelf.name(asked.text(given, "library", ""))
        if name not in watchers:
            raise Refused(409, "its folders are not watched; install watchfiles and start the service again")
        if not isinstance(given.get("paused"), bool):
            raise Refused(400, "paused is missing, expected true or false")
        watchers[name].paused = given["paused"]
        return JSONResponse(watchers[name].to_json())

    async def start(request: Request) -> Response:
        given = await asked.body(request)
        name = shelf.name(asked.text(given, "library", ""))
        library, kind = shelf.library(name), asked.one_of(given, "kind", KINDS, "sync")
        path = asked.text(given, "path", "")
        if kind == "sync" and path:
            await shelf.searched(lambda: _require_there(path))
        work = _syncing(library, path) if kind == "sync" else _refining(library)
        return JSONResponse(jobs.start(name, kind, work).to_json(), status_code=202)

    async def stop(request: Request) -> Response:
        name = shelf.name(asked.text(request.query_params, "library", ""))
        job = jobs.latest(name)
        if job is None or job.state != "running":
            raise Refused(409, "nothing is running")
        job.stopping = True
        return JSONResponse(job.to_json())

    async def failures(request: Request) -> Response:
        library = shelf.library(asked.text(request.query_params, "library", ""))
        found = await shelf.searched(library.failures)
        return JSONResponse({"failures": [skip.to_json() for skip in found]})

    async def handle(request: Request) -> Response:
        return await {"GET": show, "HEAD": show, "POST": start, "DELETE": stop}[request.method](request)

    return [
        Route("/api/jobs", handle, methods=["GET", "POST", "DELETE"]),
        Route("/api/watching", pause, methods=["POST"]),
        Route("/api/failures", failures),
    ]


def _require_there(path: str) -> None:
    from ...library.intake.folders import existing

    existing(path)


def _syncing(library: Library, path: str) -> Callable[[Job], Report]:
    def work(job: Job) -> Report:
        def progress(made: Any) -> None:
            job.done, job.total, job.at, job.passages = made.files_done, made.files, made.path, made.passages
            if job.stopping:
                raise _Stopped

        return library.sync(*([path] if path else []), progress=progress)

    return work


def _refining(library: Library) -> Callable[[Job], Report]:
    def work(job: Job) -> Report:
        def progress(done: int, total: int) -> None:
            job.done, job.total, job.passages = done, total, done
            if job.stopping:
                raise _Stopped

        return library.refine(progress=progress)

    return work


def _run(job: Job, work: Callable[[Job], Report]) -> None:
    state = "failed"
    try:
        job.report = work(job).to_json()
        state = "done"
    except _Stopped:
        state = "stopped"
    except (NestlingError, OSError) as error:
        job.error = str(error)
    except BaseException:
        job.error = SENTENCE
        raise
    finally:
        job.ended = time.monotonic()
        job.at = ""
        job.state = state  # last: whoever sees it sees the rest
