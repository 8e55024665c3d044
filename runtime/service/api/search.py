"""`/api/search` and `/api/libraries` for programs, `/api/page` for Nestling's own page: hits of the libraries."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any, cast

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...document import Hit
from ...library.search.query import GROUPINGS, MODES, By, Mode
from ...library.store.expressions import parse
from ...library.store.filters import AND, Where
from .. import asked
from ..shelf import Shelf
from .alike import folded
from .facets import date_of, facets

MOST_HITS = 1000
LOOKED_AT = 100  # hits that are counted and folded, however few are shown
BY_DATE = 300  # the best of which the newest come first


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
        query, where = asked.text(given, "q"), _where(given)
        begin = time.perf_counter()
        hits = await shelf.answered(request, lambda: library.search(query, k, mode=mode, where=where, by=by))
        took_ms = 1000 * (time.perf_counter() - begin)
        return JSONResponse({"hits": [asdict(hit) for hit in hits], "took_ms": round(took_ms, 1)})

    async def page(request: Request) -> Response:
        given = request.query_params
        library = shelf.library(asked.text(given, "library", ""))
        first, k = asked.whole(given, "first", 0, 0, MOST_HITS - 1), asked.whole(given, "k", 20, 1, 100)
        mode = cast(Mode, asked.one_of(given, "mode", MODES, "hybrid"))
        sort = asked.one_of(given, "sort", ("relevance", "date"), "relevance")
        query, where = asked.text(given, "q"), _where(given)
        begin = time.perf_counter()

        def found() -> dict[str, Any]:
            depth = BY_DATE if sort == "date" else LOOKED_AT
            while True:
                hits = library.search(query, depth, mode=mode, where=where)
                rows = folded(hits)
                if len(rows) > first + k or len(hits) < depth or depth == MOST_HITS or sort == "date":
                    break
                depth = min(MOST_HITS, 2 * depth)
            if sort == "date":
                rows.sort(key=lambda row: date_of(row[0]), reverse=True)
            shown = [{**asdict(hit), "date": date_of(hit), "alike": [_named(one) for one in others]}
                     for hit, others in rows[first : first + k]]  # fmt: skip
            fits = not hits or any(hit.fits for hit in hits)
            return {"hits": shown, "more": len(rows) > first + k, "facets": facets(hits), "fits": fits}

        answer = await shelf.answered(request, found)
        return JSONResponse({**answer, "took_ms": round(1000 * (time.perf_counter() - begin), 1)})

    return [Route("/api/libraries", libraries), Route("/api/search", search), Route("/api/page", page)]


def _where(given: QueryParams) -> Where | None:
    """What a request narrows its hits by: `where` as on the command line, `filter` as JSON; all must hold."""
    wheres: list[Where] = [found] if (found := parse(tuple(given.getlist("where")))) else []
    for one in given.getlist("filter"):
        try:
            wheres.append(json.loads(one))
        except (ValueError, RecursionError) as error:
            raise asked.Refused(400, "filter is no JSON, expected an object as the `where` of a search") from error
    return {AND: wheres} if wheres else None


def _named(hit: Hit) -> dict[str, str]:
    return {"id": hit.id, "title": hit.title, "source": hit.source}
