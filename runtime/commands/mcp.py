"""The command that lets an assistant search libraries."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import click

from ..errors import NestlingError
from . import options
from .opening import open_libraries


@click.command(epilog=options.examples("nestling mcp notes.nest", "nestling mcp notes.nest letters.nest --writable"))
@click.argument("libraries", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--writable", is_flag=True, help="Let the assistant add documents and look for changed files.")
@options.query_width
@options.bundle
def mcp(libraries: tuple[Path, ...], writable: bool, query_width: str | None, bundle: str | None) -> None:
    """Let an assistant search LIBRARIES, by MCP over stdin and stdout.

    It is started by the assistant, whose settings name this command. It ends where stdin does.
    """
    if find_spec("mcp") is None:
        raise NestlingError('this needs the package mcp; install it with: pip install "nestling[mcp]"')
    from ..service.assistant import server

    with open_libraries(libraries, bundle, query_width=query_width) as opened:
        server(opened, writable, version("nestling")).run("stdio")
