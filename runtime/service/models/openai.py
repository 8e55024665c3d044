"""`/v1/embeddings` and `/v1/models`, as OpenAI's clients ask."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...arrays import Floats, Ids
from ...encoding.encoder import Encoder, truncate
from .. import asked
from ..asked import Refused
from ..shelf import Shelf
from .embed import MOST_TEXTS, dim_of, require_model, role_of, tokens, vectors


def routes(shelf: Shelf) -> list[Route]:
    """The routes of this file."""
    encoder = shelf.encoder
    name = encoder.bundle.name

    async def embeddings(request: Request) -> Response:
        given = await asked.body(request)
        require_model(given, name)
        kind = asked.one_of(given, "encoding_format", ("float", "base64"), "float")
        dim, role = dim_of(given, encoder), role_of(given)
        ids = _token_ids(given["input"], encoder) if _is_ids(given.get("input")) else None
        texts = [] if ids is not None else asked.texts(given, "input", MOST_TEXTS)

        def answer() -> Response:
            if ids is not None:
                used, found = sum(map(len, ids)), np.stack([encoder.engine.vector(one) for one in ids])
            else:
                used, found = tokens(encoder, texts, role, 400), vectors(encoder, texts, role)
            data = [
                {"object": "embedding", "index": row, "embedding": _written(vector, kind)}
                for row, vector in enumerate(truncate(found, dim))
            ]
            usage = {"prompt_tokens": used, "total_tokens": used}
            return JSONResponse({"object": "list", "data": data, "model": name, "usage": usage})

        return await shelf.worked(answer)

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_model(name)]})

    async def model(request: Request) -> Response:
        require_model({"model": request.path_params["name"]}, name)
        return JSONResponse(_model(name))

    return [
        Route("/v1/embeddings", embeddings, methods=["POST"]),
        Route("/v1/models", models),
        Route("/v1/models/{name:path}", model),
    ]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "nestling"}


def _is_ids(given: Any) -> bool:
    """Whether an input is token ids, or a list of such lists."""
    first = given[0] if isinstance(given, list) and given else None
    return type(first) is int or (isinstance(first, list) and bool(first) and type(first[0]) is int)


def _token_ids(given: list[Any], encoder: Encoder) -> list[Ids]:
    """Token ids of the bundle's own tokenizer, (n,) int64 for each text; raises Refused where they are none."""
    rows = given if isinstance(given[0], list) else [given]
    if len(rows) > MOST_TEXTS:
        raise Refused(400, f"input has {len(rows)} texts, at most {MOST_TEXTS} are taken at once; send fewer")
    highest, most = encoder.tokens.highest_id, encoder.tokens.max_tokens
    for row in rows:
        if not isinstance(row, list) or not row or not all(type(id) is int and 0 <= id <= highest for id in row):
            raise Refused(400, f"input has token ids that are not this tokenizer's, expected 0 to {highest}")
        if len(row) > most:
            raise Refused(400, f"input has a text of {len(row)} tokens, expected at most {most}")
    return [np.array(row, dtype=np.int64) for row in rows]


def _written(vector: Floats, kind: str) -> list[float] | str:
    """A vector as a list, or as base64 of little-endian float32."""
    if kind == "float":
        return [float(value) for value in vector.tolist()]
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
