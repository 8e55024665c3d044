"""`/api/embed`, as Ollama's clients ask."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import asked
from ..shelf import Shelf
from .embed import MOST_TEXTS, TOO_LONG, cuts, dim_of, require_model, role_of, tokens, vectors


def routes(shelf: Shelf) -> list[Route]:
    """The route of this file."""
    encoder = shelf.encoder

    async def embed(request: Request) -> Response:
        given, begin = await asked.body(request), time.perf_counter_ns()
        require_model(given, encoder.bundle.name)
        texts, dim, role = asked.texts(given, "input", MOST_TEXTS), dim_of(given, encoder), role_of(given)
        cut = cuts(given, default=True)

        def answer() -> Response:
            used = tokens(encoder, texts, role, None if cut else TOO_LONG)
            rows = vectors(encoder, texts, role, dim).tolist()
            told = {"model": given["model"], "embeddings": rows, "prompt_eval_count": used}
            return JSONResponse({**told, "total_duration": time.perf_counter_ns() - begin, "load_duration": 0})

        return await shelf.worked(answer)

    return [Route("/api/embed", embed, methods=["POST"])]
