"""Nestling's own page: a file of HTML, one of style, one of script and one of texts a language, from `static`."""

from __future__ import annotations

from importlib.resources import files
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_KINDS = {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "nestling.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "texts.en.json": "application/json",
}
_OPEN_SEARCH = """<?xml version="1.0" encoding="UTF-8"?>
<OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/">
<ShortName>Nestling</ShortName>
<Description>Search your own documents on this machine</Description>
<InputEncoding>UTF-8</InputEncoding>
<Url type="text/html" template="{address}/?q={{searchTerms}}"/>
</OpenSearchDescription>
"""


def routes() -> list[Route]:
    """The routes of this file."""
    held = {name: (files(__package__) / "static" / name).read_bytes() for name in _KINDS}

    async def index(request: Request) -> Response:
        return Response(held["index.html"], media_type=_KINDS["index.html"])

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in held:
            return Response(status_code=404)
        return Response(held[name], media_type=_KINDS[name])

    async def open_search(request: Request) -> Response:
        text = _OPEN_SEARCH.format(address=escape(f"http://{request.headers['host']}"))
        return Response(text, media_type="application/opensearchdescription+xml")

    return [
        Route("/", index, methods=["GET"]),
        Route("/static/{name}", static),
        Route("/opensearch.xml", open_search),
    ]
