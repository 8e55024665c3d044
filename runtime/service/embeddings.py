"""Embeddings as clients of OpenAI's, Ollama's and text-embeddings-inference's APIs ask for them.

The vectors are those of `Encoder.encode`. Texts are documents unless a request says that they are queries: by
`prompt_name`, `input_type` or `task`, as the APIs that know such a thing call it.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..arrays import Floats
from ..bundle.manifest import Role
from ..encoding.encoder import Encoder, truncate
from . import asked
from .asked import Refused
from .shelf import Shelf

MOST_TEXTS = 2048
_ROLES: dict[str, Role] = {
    "query": "query", "search_query": "query", "document": "document", "search_document": "document",
    "passage": "document",
}  # fmt: skip
_ROLE_NAMES = ("input_type", "prompt_name", "task")
_LATEST = ":latest"  # which Ollama's clients write behind a model's name


def routes(shelf: Shelf) -> list[Route]:
    """The routes of this file."""
    encoder = shelf.encoder
    name = encoder.bundle.name

    async def openai(request: Request) -> Response:
        given = await asked.body(request)
        _require_model(given, name)
        kind = asked.one_of(given, "encoding_format", ("float", "base64"), "float")
        dim, role = _dim(given, encoder), _role(given)
        if _is_ids(given.get("input")):
            ids = _token_ids(given["input"], encoder)
            vectors = await shelf.worked(lambda: np.stack([encoder.engine.vector(one) for one in ids]))
            used = sum(map(len, ids))
        else:
            texts = asked.texts(given, "input", MOST_TEXTS)

            def encoded() -> tuple[Floats, int]:
                _require_fitting({}, encoder, texts, role, default=False, status=400)
                return _encoded(encoder, texts, role), _used(encoder, texts)

            vectors, used = await shelf.worked(encoded)

        def answer() -> Response:
            data = [
                {"object": "embedding", "index": row, "embedding": _written(vector, kind)}
                for row, vector in enumerate(truncate(vectors, dim))
            ]
            usage = {"prompt_tokens": used, "total_tokens": used}
            return JSONResponse({"object": "list", "data": data, "model": name, "usage": usage})

        return await shelf.worked(answer)

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_model(name)]})

    async def model(request: Request) -> Response:
        _require_model({"model": request.path_params["name"]}, name)
        return JSONResponse(_model(name))

    async def ollama(request: Request) -> Response:
        given, begin = await asked.body(request), time.perf_counter_ns()
        _require_model(given, name)
        texts, dim, role = asked.texts(given, "input", MOST_TEXTS), _dim(given, encoder), _role(given)

        def answer() -> Response:
            _require_fitting(given, encoder, texts, role, default=True)
            vectors = truncate(_encoded(encoder, texts, role), dim).tolist()
            told = {"model": given["model"], "embeddings": vectors, "prompt_eval_count": _used(encoder, texts)}
            return JSONResponse({**told, "total_duration": time.perf_counter_ns() - begin, "load_duration": 0})

        return await shelf.worked(answer)

    async def tei(request: Request) -> Response:
        given = await asked.body(request)
        texts, dim, role = asked.texts(given, "inputs", MOST_TEXTS), _dim(given, encoder), _role(given)
        if given.get("normalize") is False:
            raise Refused(400, "normalize is false, but vectors are unit here; leave it out")

        def answer() -> Response:
            _require_fitting(given, encoder, texts, role, default=False)
            return JSONResponse(truncate(_encoded(encoder, texts, role), dim).tolist())

        return await shelf.worked(answer)

    async def rerank(request: Request) -> Response:
        given = await asked.body(request)
        query, texts = asked.text(given, "query"), asked.texts(given, "texts", MOST_TEXTS)

        def scored() -> Floats:
            _require_fitting(given, encoder, texts, "document", default=False)
            _require_fitting(given, encoder, [query], "query", default=False)
            return np.asarray(_encoded(encoder, texts, "document") @ _encoded(encoder, [query], "query")[0])

        scores = await shelf.worked(scored)
        order = np.argsort(-scores, kind="stable").tolist()
        shown = [{"text": texts[row]} if given.get("return_text") is True else {} for row in order]
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
        Route("/v1/embeddings", openai, methods=["POST"]),
        Route("/v1/models", models),
        Route("/v1/models/{name:path}", model),
        Route("/api/embed", ollama, methods=["POST"]),
        Route("/embed", tei, methods=["POST"]),
        Route("/", tei, methods=["POST"]),
        Route("/rerank", rerank, methods=["POST"]),
        Route("/info", info),
        Route("/health", health),
    ]


def _encoded(encoder: Encoder, texts: Sequence[str], role: Role) -> Floats:
    """(n, dim) float32, unit rows."""
    try:
        return encoder.encode(texts, role=role)
    except ValueError as error:
        raise Refused(400, str(error)) from error


def _used(encoder: Encoder, texts: Sequence[str]) -> int:
    return sum(encoder.tokens.count(text) for text in texts)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "nestling"}


def _require_model(given: Mapping[str, Any], name: str) -> None:
    """Raise Refused where a request names another model than the one that answers."""
    found = asked.text(given, "model").removesuffix(_LATEST)
    if found != name:
        raise Refused(404, f"there is no model {found[:80]!r} here, expected {name}")


def _role(given: Mapping[str, Any]) -> Role:
    """The role that a request says its texts have."""
    for key in _ROLE_NAMES:
        if given.get(key) is not None:
            return _ROLES[asked.one_of(given, key, tuple(_ROLES), "document")]
    return "document"


def _dim(given: Mapping[str, Any], encoder: Encoder) -> int:
    """How many dimensions a request wants."""
    if given.get("dimensions") is None:
        return encoder.dim
    return asked.whole(given, "dimensions", encoder.dim, 1, encoder.dim)


def _require_fitting(
    given: Mapping[str, Any], encoder: Encoder, texts: Sequence[str], role: Role, default: bool, status: int = 413
) -> None:
    """Raise Refused where a text is longer than the encoder reads, and a request does not want its end cut off."""
    cut = given.get("truncate")
    if str(given.get("truncation_direction", "right")).lower() != "right":
        raise Refused(400, "truncation_direction is not right, expected right: a text is read from its beginning")
    if default if cut is None else cut is True:
        return
    for number, text in enumerate(texts):
        if encoder.tokens.ids(text, role)[1]:
            limit = encoder.tokens.max_tokens
            todo = "send truncate = true" if status == 413 else "send less of it"
            raise Refused(status, f"text {number} is longer than the {limit} tokens that are read; {todo}")


def _is_ids(given: Any) -> bool:
    """Whether an input is token ids, or a list of such lists."""
    first = given[0] if isinstance(given, list) and given else None
    return type(first) is int or (isinstance(first, list) and bool(first) and type(first[0]) is int)


def _token_ids(given: list[Any], encoder: Encoder) -> list[Any]:
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
