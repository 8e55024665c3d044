"""`/openapi.json`: what the service answers, in the form that tools for HTTP read (OpenAPI 3.1)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..library.search.query import GROUPINGS, MODES
from .api.documents import MOST_DOCUMENTS
from .api.jobs import KINDS
from .api.search import MOST_HITS
from .models.embed import MOST_TEXTS, ROLE_NAMES
from .shelf import Shelf

Schema = dict[str, Any]

# No text holds NUL, see `asked.text`.
_TEXT: Schema = {"type": "string", "pattern": r"^[^\u0000]*$"}
_SOME: Schema = {**_TEXT, "minLength": 1}
_LEFT_OUT: Schema = {**_TEXT, "type": ["string", "null"]}
_FLAG: Schema = {"type": ["boolean", "null"]}
_TEXTS: Schema = {"oneOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": MOST_TEXTS}]}
# Something other than white space.
_ASKED: Schema = {"type": "string", "pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}
_ROLE: Schema = {"enum": [*ROLE_NAMES, None]}
_LIBRARY = ("library", _TEXT, "Which library; the first one where it is left out.")
_WHERE = ("where", {"type": "array", "items": _TEXT}, "Conditions on metadata, as year>=2020; all must hold.")
_DOCUMENT: Schema = {
    "type": "object",
    "required": ["id", "text"],
    "additionalProperties": False,
    "properties": {"id": _SOME, "text": _TEXT, "title": _TEXT, "source": _TEXT, "metadata": {"type": "object"}},
}
_REFUSALS = {
    "400": "What was asked for is not as described.",
    "401": "The token is missing.",
    "403": "The request comes from another page, or names another host.",
    "404": "There is no such thing.",
    "409": "It cannot be done now.",
    "413": "There is too much of it.",
    "500": "A library is damaged, or Nestling has a defect.",
    "503": "A library is in use by another program.",
}


def routes(shelf: Shelf) -> list[Route]:
    """The routes of this file."""

    async def described(request: Request) -> Response:
        return JSONResponse(description(shelf.encoder.dim))

    return [Route("/openapi.json", described)]


def description(dim: int) -> Schema:
    """The whole description of a service whose vectors have `dim` numbers."""
    dims = {**_whole(1, dim), "type": ["integer", "null"]}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Nestling", "version": "1", "description": "Search of one's own documents, on this machine."},
        "security": [{"token": []}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/api/search": {"get": _get("Hits of a question, best first.", ("q", _ASKED, "A question or a few words."),
                _LIBRARY, ("k", _whole(1, MOST_HITS), "How many."),
                ("mode", _one_of(MODES), "By meaning, by words, or by both."),
                ("by", _one_of(GROUPINGS), "One hit a document, or one a passage."), _WHERE, required=("q",))},
            "/api/libraries": {"get": _get("What each library holds.")},
            "/api/documents": {
                "get": _get("A document.", ("id", _SOME, "Its id."), _LIBRARY,
                            ("q", _TEXT, "Words to be marked in it."), required=("id",)),
                "post": _post("Add documents, or replace those of the same ids.", {
                    "library": _LEFT_OUT,
                    "documents": {"type": "array", "items": _DOCUMENT, "minItems": 1, "maxItems": MOST_DOCUMENTS},
                }, "documents"),
                "delete": _get("Remove documents: all, or none where one is not there.",
                               ("id", {"type": "array", "items": _SOME, "minItems": 1}, "Their ids."), _LIBRARY,
                               required=("id",)),
            },
            "/api/file": {"get": _get("The file that a document was made of.", ("id", _SOME, "Its id."), _LIBRARY,
                                      required=("id",), kind="application/octet-stream")},
            "/api/failures": {"get": _get("What could not be read, and why.", _LIBRARY)},
            "/api/jobs": {
                "get": _get("What is at work, or was last."),
                "post": _post("Begin a sync or a refinement.", {
                    "library": _LEFT_OUT, "kind": {"enum": [*KINDS, None]}, "path": _LEFT_OUT,
                }, status="202"),
                "delete": _get("Stop what is at work; what is done stays.", _LIBRARY),
            },
            "/v1/models": {"get": _get("The model, as OpenAI's clients expect.")},
            "/v1/embeddings": {"post": _post("Embeddings, as OpenAI's clients expect.", {
                "model": _TEXT, "input": {}, "dimensions": dims, "input_type": _ROLE,
                "encoding_format": {"enum": ["float", "base64", None]},
            }, "model", "input")},
            "/api/embed": {"post": _post("Embeddings, as Ollama's clients expect.", {
                "model": _TEXT, "input": _TEXTS, "truncate": _FLAG, "dimensions": dims,
            }, "model", "input")},
            "/embed": {"post": _post("Embeddings, as those of text-embeddings-inference expect.", {
                "inputs": _TEXTS, "truncate": _FLAG, "prompt_name": _ROLE, "dimensions": dims,
            }, "inputs")},
            "/rerank": {"post": _post("Cosines of a query with texts, the highest first.", {
                "query": _TEXT, "texts": _TEXTS, "truncate": _FLAG, "return_text": _FLAG,
            }, "query", "texts")},
            "/info": {"get": _get("What encodes.")},
            "/health": {"get": {"summary": "Whether the service is there.", "security": [],
                                "responses": {"200": {"description": "It is."}}}},
        },
    }  # fmt: skip


def _whole(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _one_of(values: tuple[str, ...]) -> Schema:
    return {"type": "string", "enum": list(values)}


def _get(
    summary: str, *parameters: tuple[str, Schema, str], required: tuple[str, ...] = (), kind: str = "application/json"
) -> Schema:
    """What is asked with parameters in the address."""
    listed = [
        {"name": name, "in": "query", "required": name in required, "schema": schema, "description": said}
        for name, schema, said in parameters
    ]
    return {"summary": summary, "parameters": listed, "responses": _responses("200", kind)}


def _post(summary: str, properties: dict[str, Schema], *required: str, status: str = "200") -> Schema:
    """What is asked with an object as its body."""
    schema = {"type": "object", "properties": properties, "required": list(required)}
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {"summary": summary, "requestBody": body, "responses": _responses(status, "application/json")}


def _responses(status: str, kind: str) -> Schema:
    refusals = {code: {"description": said, "content": {"application/json": {}}} for code, said in _REFUSALS.items()}
    return {status: {"description": "The answer.", "content": {kind: {}}}, **refusals}
