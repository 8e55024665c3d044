"""`/api/documents`: read, add and remove documents of a library."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...document import Document
from ...library.search.lexical import MAX_CHARS
from ...library.search.marking import marked
from .. import asked
from ..asked import Refused
from ..shelf import Shelf

MOST_DOCUMENTS = 1000
_FIELDS = tuple(field.name for field in fields(Document))


def routes(shelf: Shelf) -> list[Route]:
    """The routes of this file."""

    async def read(request: Request) -> Response:
        given = request.query_params
        library, id = shelf.library(asked.text(given, "library", "")), asked.text(given, "id")
        document = await shelf.searched(lambda: library.get(id))
        if document is None:
            raise Refused(404, f"there is no document {id[:80]!r} in the library")
        query = asked.text(given, "q", "")
        marks = await shelf.searched(lambda: marked(document.text, query[:MAX_CHARS])) if query else ()
        return JSONResponse({**asdict(document), **({"marks": marks} if query else {})})

    async def add(request: Request) -> Response:
        given = await asked.body(request)
        library, documents = shelf.library(asked.text(given, "library", "")), _documents(given.get("documents"))
        return JSONResponse((await shelf.changed(lambda: library.add(documents))).to_json())

    async def remove(request: Request) -> Response:
        given = request.query_params
        library = shelf.library(asked.text(given, "library", ""))
        ids = asked.texts({"id": given.getlist("id")}, "id", MOST_DOCUMENTS)
        missing = await shelf.searched(lambda: [id for id in ids if id not in library])
        if missing:
            raise Refused(404, f"there is no document {missing[0][:80]!r} in the library; nothing was removed")
        return JSONResponse((await shelf.changed(lambda: library.remove(ids))).to_json())

    async def documents(request: Request) -> Response:
        return await {"GET": read, "HEAD": read, "POST": add, "DELETE": remove}[request.method](request)

    return [Route("/api/documents", documents, methods=["GET", "POST", "DELETE"])]


def _documents(given: Any) -> list[Document]:
    """The documents that a request brings; raises Refused where they are not as `Document` describes them."""
    if not isinstance(given, list) or not given:
        raise Refused(400, "documents is missing, expected a list of objects with id and text")
    if len(given) > MOST_DOCUMENTS:
        raise Refused(400, f"documents has {len(given)}, at most {MOST_DOCUMENTS} are taken at once; send fewer")
    found = []
    for number, one in enumerate(given):
        if not isinstance(one, dict) or not {"id", "text"} <= one.keys() <= set(_FIELDS):
            raise Refused(400, f"document {number} is no object with id, text, and nothing but {', '.join(_FIELDS)}")
        try:
            found.append(Document(**one))
        except (TypeError, ValueError) as error:
            raise Refused(400, f"document {number}: {error}") from error
    return found
