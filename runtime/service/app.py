"""The service as one ASGI application."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import BusyError, NestlingError
from . import documents, embeddings, jobs, originals, page, search
from .asked import Refused
from .guard import Access, Guard
from .limits import Limits
from .shelf import Shelf
from .watcher import Watcher


def application(shelf: Shelf, access: Access, watchers: Mapping[str, Watcher] | None = None) -> Starlette:
    """What answers requests.

    Args:
        shelf: the libraries and the encoder that it answers from; they stay open as long as it is in use.
        access: who may ask.
        watchers: of the libraries that are kept in step with their folders, by name.
    """
    routes = [
        *page.routes(),
        *search.routes(shelf),
        *documents.routes(shelf),
        *originals.routes(shelf),
        *jobs.routes(shelf, jobs.Jobs(), watchers or {}),
        *embeddings.routes(shelf),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, access=access), Middleware(Limits)],
        exception_handlers={
            Refused: _refused,  # type: ignore[dict-item]
            NestlingError: _known,  # type: ignore[dict-item]
            HTTPException: _of_http,  # type: ignore[dict-item]
        },
    )


async def _refused(request: Request, error: Refused) -> Response:
    return _answer(request, error.status, error.sentence)


async def _known(request: Request, error: NestlingError) -> Response:
    return _answer(request, 503 if isinstance(error, BusyError) else 400, str(error))


async def _of_http(request: Request, error: HTTPException) -> Response:
    sentences = {404: f"there is nothing at {request.url.path}", 405: f"{request.method} is not for this address"}
    answer = _answer(request, error.status_code, sentences.get(error.status_code, error.detail))
    answer.headers.update(error.headers or {})
    return answer


def _answer(request: Request, status: int, sentence: str) -> Response:
    """An error as the API that was asked has it."""
    if request.url.path.startswith("/v1/"):
        kind = "invalid_request_error" if status < 500 else "server_error"
        return JSONResponse({"error": {"message": sentence, "type": kind, "param": None, "code": None}}, status)
    return JSONResponse({"error": sentence}, status)
