"""`/api/search` and `/api/libraries`: what Nestling's own page and programs ask of the libraries."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..library.search.query import GROUPINGS, MODES, By, Mode
from ..library.store.expressions import parse
from . import asked
from .shelf import Shelf

MOST_HITS = 1000


def routes(shelf: Shelf) -> list[Route]:
    """The routes of this file."""

    async def libraries(request: Request) -> Response:
        found = {
            name: await shelf.searched(lambda library=library: library.info().to_json())  # type: ignore[misc]
            for name, library in shelf.libraries.items()
        }
        return JSONResponse({"libraries": [{"name": name, **info} for name, info in found.items()]})

    async def search(request: Request) -> Response:
        given = request.query_params
        library = shelf.library(asked.text(given, "library", ""))
        k = asked.whole(given, "k", 10, 1, MOST_HITS)
        mode = cast(Mode, asked.one_of(given, "mode", MODES, "hybrid"))
        by = cast(By, asked.one_of(given, "by", GROUPINGS, "document"))
        query, where = asked.text(given, "q"), tuple(given.getlist("where"))
        begin = time.perf_counter()
        hits = await shelf.searched(lambda: library.search(query, k, mode=mode, where=parse(where), by=by))
        took_ms = 1000 * (time.perf_counter() - begin)
        return JSONResponse({"hits": [asdict(hit) for hit in hits], "took_ms": round(took_ms, 1)})

    return [Route("/api/libraries", libraries), Route("/api/search", search)]


def report_of(report: Any) -> dict[str, Any]:
    """What a change to a library did, as JSON has it."""
    values = asdict(report)
    values["skipped"] = [skip.to_json() for skip in report.skipped]
    values["passed_over"] = dict(report.passed_over)
    return values
