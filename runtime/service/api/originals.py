"""`/api/file`: the file that a document was made of, for the browser to show; only what the library follows."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from ...library.browse import followed, knows_file
from ...library.library import Library
from .. import asked
from ..asked import Refused
from ..shelf import Shelf

# What a browser shows without running anything in it; all else is saved.
_SHOWN = {
    ".pdf": "application/pdf", ".txt": "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8",
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg",
}  # fmt: skip
# A PDF is shown by a part of the browser that a sandbox would keep out.
_NOTHING = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'none'"


def routes(shelf: Shelf) -> list[Route]:
    """The routes of this file."""

    async def file(request: Request) -> Response:
        given = request.query_params
        library, id = shelf.library(asked.text(given, "library", "")), asked.text(given, "id")
        path = await shelf.searched(lambda: original(library, id))
        if path is None:
            raise Refused(404, "the library follows no file of this document, or it is gone")
        kind = _SHOWN.get(path.suffix.lower())
        headers = {"content-security-policy": _NOTHING if kind == "application/pdf" else f"sandbox; {_NOTHING}"}
        how = "inline" if kind else "attachment"
        media = kind or "application/octet-stream"
        return FileResponse(path, media_type=media, filename=path.name, content_disposition_type=how, headers=headers)

    return [Route("/api/file", file)]


def original(library: Library, id: str) -> Path | None:
    """The file that a sync made a document of; None where there is none below the folders that the library follows.

    What a document says of its source may be anything, so the file must lie where the library reads, links followed.
    """
    document = library.get(id)
    if document is None or document.metadata.get("path") != document.source or not document.source:
        return None
    try:
        path = Path(document.source).resolve(strict=True)
        roots = [Path(folder).resolve() for folder in followed(library)]
        within = path.is_file() and any(root == path or root in path.parents for root in roots)
        if not within or not knows_file(library, document.source):
            return None
        with path.open("rb"):  # before anything is answered
            return path
    except (OSError, RuntimeError, ValueError):
        return None
