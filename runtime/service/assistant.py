"""An MCP server for assistants: search libraries and read their documents; change them only where that was allowed.

Speaks JSON-RPC over stdin and stdout (Model Context Protocol) and nothing else there. Answers are JSON in UTF-8 of at
most as many bytes as a call wants, since what an assistant reads is dear: snippets first, whole texts by ranges.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from mcp.server.mcpserver.resources.templates import ResourceSecurity
from mcp.types import ToolAnnotations
from pydantic import Field

from ..document import Document
from ..errors import NestlingError
from ..library.browse import listed
from ..library.library import Library
from ..library.search.query import Mode
from ..library.store.expressions import parse

Answer = TypeVar("Answer")
Bytes = Annotated[int, Field(ge=1_000, le=200_000, description="The answer has at most so many bytes.")]
Name = Annotated[str, Field(description="Which library; the first one where it is empty.")]
BYTES = 20_000
_RESOURCE_CHARS = 50_000
_SHOWN = 80
_LONGEST_ERROR = 800
_MOST_KINDS = 20
_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_SYNCS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)


def server(libraries: Mapping[str, Library], writable: bool, version: str) -> MCPServer[Any]:
    """The server of some libraries, by name, the default first.

    Args:
        writable: whether documents may be added and folders looked at anew.
    """
    made: MCPServer[Any] = MCPServer(
        "nestling",
        version=version,
        log_level="ERROR",
        instructions="Search the user's own documents on this machine. Search first; read more of a hit with get. "
        f"Libraries: {', '.join(libraries)}.",
    )
    library = partial(_library, libraries)

    @made.tool(annotations=_READS, structured_output=False)
    async def search(
        query: Annotated[str, Field(description="A question or a few words.")],
        k: Annotated[int, Field(ge=1, le=50, description="How many documents.")] = 5,
        where: Annotated[list[str], Field(description="Conditions on metadata, as year>=2020; all must hold.")] = [],  # noqa: B006
        mode: Annotated[Mode, Field(description="By meaning (dense), by words (lexical), or both.")] = "hybrid",
        library_name: Name = "",
        max_bytes: Bytes = BYTES,
    ) -> str:
        """Find passages that answer a question, best first, with the document's id, title, place and a snippet."""
        found = library(library_name)
        hits = await _done(lambda: found.search(query, k, mode=mode, where=parse(tuple(where))))
        rows = [
            {"id": hit.id, "title": hit.title, "place": hit.place, "source": hit.source, "snippet": hit.snippet,
             "metadata": hit.metadata, "relevance": hit.relevance, "fits": hit.fits}
            for hit in hits
        ]  # fmt: skip
        note = {} if not hits or any(hit.fits for hit in hits) else {"note": "nothing fits well"}
        return _capped("hits", rows, max_bytes, note)

    @made.tool(annotations=_READS, structured_output=False)
    async def get(
        id: Annotated[str, Field(description="A document's id, as search gives it.")],
        start: Annotated[int, Field(ge=0, description="The first character.")] = 0,
        stop: Annotated[int | None, Field(ge=0, description="One past the last; None for the end.")] = None,
        library_name: Name = "",
        max_bytes: Bytes = BYTES,
    ) -> str:
        """Read a document, or a range of its characters."""
        document = await _done(lambda: library(library_name).get(id))
        if document is None:
            raise ToolError(f"there is no document {id[:_SHOWN]!r}; search gives the ids that there are")
        about = {"id": id, "title": document.title, "source": document.source, "metadata": dict(document.metadata),
                 "characters": len(document.text)}  # fmt: skip
        return _text_within(about, document.text, start, stop, max_bytes)

    @made.tool(name="list", annotations=_READS, structured_output=False)
    async def list_documents(
        after: Annotated[str, Field(description="The id that the last answer ended with; empty to begin.")] = "",
        library_name: Name = "",
        max_bytes: Bytes = BYTES,
    ) -> str:
        """List documents by id, with their titles and sources."""
        rows = await _done(lambda: listed(library(library_name), after, 1000))
        return _capped("documents", [vars(row) for row in rows], max_bytes, {})

    @made.tool(annotations=_READS, structured_output=False)
    async def status(library_name: Name = "", max_bytes: Bytes = BYTES) -> str:
        """What a library holds, and which files could not be read and why."""
        found = library(library_name)
        info = await _done(lambda: found.info().to_json())
        skips = await _done(lambda: [skip.to_json() for skip in found.failures()])
        return _capped("could not be read", skips, max_bytes, {"libraries": [*libraries], **info})

    if writable:

        @made.tool(annotations=_ADDS, structured_output=False)
        async def add(
            id: Annotated[str, Field(description="The caller's name for the document; one that is there is replaced.")],
            text: str,
            title: str = "",
            metadata: dict[str, Any] = {},  # noqa: B006
            library_name: Name = "",
        ) -> str:
            """Add a document, or replace the one of this id."""
            found = library(library_name)
            return json.dumps((await _done(lambda: found.add([Document(id, text, title, metadata)]))).to_json())

        @made.tool(annotations=_SYNCS, structured_output=False)
        async def sync(
            path: Annotated[str, Field(description="A file or folder to follow; empty for all that are.")] = "",
            library_name: Name = "",
            max_bytes: Bytes = BYTES,
        ) -> str:
            """Bring a library up to date with its files and folders."""
            found = library(library_name)
            report = (await _done(lambda: found.sync(*([path] if path else [])))).to_json()
            report["passed_over"] = dict(list(report["passed_over"].items())[:_MOST_KINDS])
            return _capped("skipped", report.pop("skipped"), max_bytes, report)

    # An id may look like a path; it is never one here, but a key of the library's file.
    own_ids = ResourceSecurity(exempt_params={"id"})

    @made.resource("nestling://document/{id}", mime_type="text/plain", security=own_ids)
    async def document(id: str) -> str:
        """The text of a document of any of the libraries; of a long one the beginning."""
        for found in libraries.values():
            if (kept := await anyio.to_thread.run_sync(_quiet(found.get, id))) is not None:
                more = len(kept.text) - _RESOURCE_CHARS
                return kept.text[:_RESOURCE_CHARS] + (f"\n[{more} characters more: use get]" if more > 0 else "")
        raise ResourceNotFoundError(f"there is no document {id[:_SHOWN]!r}")

    return made


def uri_of(id: str) -> str:
    """The address of a document as a resource."""
    return f"nestling://document/{quote(id, safe='')}"


def _library(libraries: Mapping[str, Library], name: str) -> Library:
    if name and name not in libraries:
        raise ToolError(f"there is no library {name[:_SHOWN]!r}, expected one of {', '.join(libraries)}")
    return libraries[name] if name else next(iter(libraries.values()))


async def _done(work: Callable[[], Answer]) -> Answer:
    """What some work gives, done in a thread; a known error is told to the assistant."""
    try:
        return await anyio.to_thread.run_sync(work)
    except (NestlingError, TypeError, ValueError, OSError) as error:
        raise ToolError(str(error)[:_LONGEST_ERROR]) from error


def _quiet(get: Callable[[str], Document | None], id: str) -> Callable[[], Document | None]:
    """`get` that finds nothing for what can be the id of none."""

    def found() -> Document | None:
        try:
            return get(id)
        except (TypeError, ValueError):
            return None

    return found


def _capped(name: str, rows: list[Any], max_bytes: int, about: Mapping[str, Any]) -> str:
    """JSON with as many of the rows as fit into so many bytes, and how many did not."""
    kept = len(rows)
    while True:
        left = {"left out": len(rows) - kept} if kept < len(rows) else {}
        text = _json({**about, name: rows[:kept], **left})
        if (size := len(text.encode())) <= max_bytes or not kept:
            break
        kept = min(kept - 1, kept * max_bytes // size)
    if len(text.encode()) > max_bytes:
        raise ToolError(f"the answer alone has over {max_bytes} bytes; ask with a larger max_bytes")
    return text


def _text_within(about: Mapping[str, Any], text: str, start: int, stop: int | None, max_bytes: int) -> str:
    """JSON with as much of a range of a text as fits into so many bytes, and where it ends."""
    begin, end = start, len(text) if stop is None else min(stop, len(text))
    if begin > end:
        raise ToolError(f"start is {start}, expected at most {end}")
    end = min(end, begin + max_bytes)
    while True:
        found = _json({**about, "start": begin, "stop": end, "text": text[begin:end]})
        if (size := len(found.encode())) <= max_bytes:
            return found
        if end == begin:
            raise ToolError(f"what is known of the document has over {max_bytes} bytes; ask with a larger max_bytes")
        end = begin + max(0, min(end - begin - 1, (end - begin) - (size - max_bytes) // 6))


def _json(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False)
