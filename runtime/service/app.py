"""The service as one ASGI application."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from ..errors import BundleError, BusyError, LibraryError, NestlingError
from . import openapi, page
from .answers import refusal
from .api import documents, jobs, originals, search
from .api.jobs import Jobs
from .api.watcher import Watcher
from .asked import Refused
from .models import ollama, openai, tei
from .protection.defects import Defects
from .protection.guard import Access, Guard
from .protection.limits import Limits
from .shelf import Shelf


def application(shelf: Shelf, access: Access, running: Jobs, watchers: Mapping[str, Watcher]) -> Starlette:
    """What answers requests.

    Args:
        shelf: the libraries and the encoder that it answers from; they stay open as long as it is in use.
        access: who may ask.
        running: the jobs that requests begin.
        watchers: of the libraries that are kept in step with their folders, by name.
    """
    routes = [
        *page.routes(),
        *openapi.routes(shelf),
        *search.routes(shelf),
        *documents.routes(shelf),
        *originals.routes(shelf),
        *jobs.routes(shelf, running, watchers),
        *openai.routes(shelf),
        *ollama.routes(shelf),
        *tei.routes(shelf),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, access=access), Middleware(Limits), Middleware(Defects)],
        exception_handlers={
            Refused: _refused,  # type: ignore[dict-item]
            NestlingError: _known,  # type: ignore[dict-item]
            HTTPException: _of_http,  # type: ignore[dict-item]
        },
    )


async def _refused(request: Request, error: Refused) -> Response:
    return refusal(request.url.path, error.status, error.sentence)


async def _known(request: Request, error: NestlingError) -> Response:
    status = 503 if isinstance(error, BusyError) else 500 if isinstance(error, (BundleError, LibraryError)) else 400
    return refusal(request.url.path, status, str(error))


async def _of_http(request: Request, error: HTTPException) -> Response:
    sentences = {404: f"there is nothing at {request.url.path}", 405: f"{request.method} is not for this address"}
    sentence = sentences.get(error.status_code, error.detail)
    return refusal(request.url.path, error.status_code, sentence, error.headers)
