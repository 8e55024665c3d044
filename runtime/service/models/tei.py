"""`/embed`, `/rerank`, `/info` and `/health`, as clients of text-embeddings-inference ask."""

from __future__ import annotations

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...arrays import Floats
from .. import asked
from ..asked import Refused
from ..shelf import Shelf
from .embed import MOST_TEXTS, TOO_LONG, cuts, dim_of, role_of, tokens, vectors


def routes(shelf: Shelf) -> list[Route]:
    """The routes of this file."""
    encoder = shelf.encoder
    name = encoder.bundle.name

    async def embed(request: Request) -> Response:
        given = await asked.body(request)
        texts, dim, role = asked.texts(given, "inputs", MOST_TEXTS), dim_of(given, encoder), role_of(given)
        if not asked.flag(given, "normalize", True):
            raise Refused(400, "normalize is false, but vectors are unit here; leave it out")
        cut = cuts(given, default=False)

        def answer() -> Response:
            if not cut:
                tokens(encoder, texts, role, TOO_LONG)
            return JSONResponse(vectors(encoder, texts, role, dim).tolist())

        return await shelf.worked(answer)

    async def rerank(request: Request) -> Response:
        given = await asked.body(request)
        query, texts = asked.text(given, "query"), asked.texts(given, "texts", MOST_TEXTS)
        cut, told = cuts(given, default=False), asked.flag(given, "return_text", False)

        def scored() -> Floats:
            if not cut:
                tokens(encoder, texts, "document", TOO_LONG)
                tokens(encoder, [query], "query", TOO_LONG)
            return np.asarray(vectors(encoder, texts, "document") @ vectors(encoder, [query], "query")[0])

        scores = await shelf.worked(scored)
        order = np.argsort(-scores, kind="stable").tolist()
        shown = [{"text": texts[row]} if told else {} for row in order]
        rows = [{"index": row, "score": float(scores[row])} | text for row, text in zip(order, shown, strict=True)]
        return JSONResponse(rows)

    async def info(request: Request) -> Response:
        return JSONResponse(
            {
                "model_id": name,
                "model_sha": encoder.bundle.space,
                "model_dtype": encoder.precision,
                "model_type": {"embedding": {"width": encoder.width, "dim": encoder.dim}},
                "max_input_length": encoder.tokens.max_tokens,
                "max_client_batch_size": MOST_TEXTS,
                "auto_truncate": False,
            }
        )

    async def health(request: Request) -> Response:
        return Response(status_code=200)

    return [
        Route("/embed", embed, methods=["POST"]),
        Route("/", embed, methods=["POST"]),
        Route("/rerank", rerank, methods=["POST"]),
        Route("/info", info),
        Route("/health", health),
    ]
