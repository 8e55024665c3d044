"""The command that serves libraries to the browser and to programs on this machine."""

from __future__ import annotations

import re
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import click

from ..errors import NestlingError
from . import options, show
from .opening import open_libraries

_TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,}")


@click.command(
    epilog=options.examples("nestling serve notes.nest", "nestling serve notes.nest letters.nest --port 8800 --open")
)
@click.argument("libraries", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(1, 65535), help="To listen on; a free one where the usual one is taken.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Another address of this machine to listen on.")
@click.option("--token", help="What whoever asks must send; by default a new one each time.")
@click.option("--open", "opens", is_flag=True, help="Open the address in the browser.")
@options.query_width
@options.bundle
def serve(
    libraries: tuple[Path, ...], port: int | None, host: str, token: str | None, opens: bool, query_width: str | None,
    bundle: str | None,
) -> None:  # fmt: skip
    """Search LIBRARIES in the browser, and answer programs on this machine from them.

    The address that is printed is the page's; it holds the token that lets a browser or a program in. Embeddings are
    served as OpenAI's, Ollama's and text-embeddings-inference's clients ask for them, and searches at /api/search.
    """
    if find_spec("uvicorn") is None or find_spec("starlette") is None:
        raise NestlingError('serve needs starlette and uvicorn; install them with: pip install "nestling[serve]"')
    from ..service import server
    from ..service.api.jobs import Jobs
    from ..service.api.watcher import watched
    from ..service.app import application
    from ..service.protection.guard import Access
    from ..service.shelf import Shelf

    if token is not None and not _TOKEN.fullmatch(token):
        raise NestlingError("the token is not 16 or more letters, digits, '-', '.', '_' or '~'; give another")
    if not server.is_loopback(host) and token is None:
        raise NestlingError(f"{host} can be reached by other machines; give a token that they must send, with --token")
    with ExitStack() as stack:
        opened = stack.enter_context(open_libraries(libraries, bundle, query_width=query_width))
        bound = stack.enter_context(server.listening(host, port))
        chosen = bound.getsockname()[1]
        hosts = server.hosts_of(host, chosen)
        access = Access(hosts) if token is None else Access(hosts, token)
        encoder = next(iter(opened.values())).encoder
        jobs, watchers = Jobs(), stack.enter_context(watched(opened))
        app = application(Shelf(opened, encoder), access, jobs, watchers)
        if not server.is_loopback(host):
            show.say(f"{host} can be reached by other machines, and what they send and get can be read on the way")
        page = f"http://{host if ':' not in host else f'[{host}]'}:{chosen}/"
        click.echo(f"{page}?token={access.token}")
        if opens:
            click.launch(f"{page}?ticket={access.ticket}")
        try:
            server.run(app, bound)
        finally:
            jobs.stop()
