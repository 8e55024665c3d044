"""Commands that change a library: documents come in, are encoded better later, and go."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import NestlingError
from . import options, show
from .opening import open_library

if TYPE_CHECKING:
    from ..document import Report, Skip


@click.command(
    epilog=options.examples(
        "nestling add notes.nest ~/Documents",
        "nestling add notes.nest ~/Documents --ignore '*.log' --ignore 'old/' --max-size 20MB",
        "nestling add notes.nest cases.jsonl mail.mbox",
        "nestling add notes.nest ~/Documents --fast",
    )
)
@options.library
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.sync
def add(library: Path, paths: tuple[Path, ...], **given: Any) -> None:
    """Add files and folders to LIBRARY.

    LIBRARY is a file, and is made where there is none. What was added is followed: the next `add` or `sync` reads the
    files that are new or changed, and removes the documents of files that are gone. Hidden files are passed over, and
    what a file named .nestlingignore says, in the syntax of .gitignore.
    """
    from ..library.intake.folders import existing

    for path in paths:
        existing(path)  # before a library is made for nothing
    _sync(library, paths, create=True, **given)


@click.command(
    epilog=options.examples(
        "nestling sync notes.nest", "nestling sync notes.nest ~/Documents/letters", "nestling sync notes.nest --watch"
    )
)
@options.library
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--watch", is_flag=True, help="Go on: take in what changes until it is stopped with Ctrl-C.")
@options.sync
def sync(library: Path, paths: tuple[Path, ...], watch: bool, **given: Any) -> None:
    """Bring LIBRARY up to date with its files.

    These are all files and folders that were ever added to it, or PATHS alone. Only what is new or changed is read;
    documents of files that are gone are removed.
    """
    _sync(library, paths, create=False, **given)
    if watch:
        _watch(library, given["bundle"], given["as_json"])


def _watch(library: Path, bundle: str | None, as_json: bool) -> None:
    from ..library.watching import watch

    skipped: tuple[Skip, ...] = ()

    def told(report: Report) -> None:
        nonlocal skipped
        if report.added or report.changed or report.removed or tuple(report.skipped) != skipped:
            show.report(report, as_json)
        skipped = tuple(report.skipped)

    def failed(why: str) -> None:
        if why:
            show.say(f"cannot take in changes now: {why}")

    with open_library(library, bundle) as opened:
        show.say("watching; stop with Ctrl-C")
        watch(opened, threading.Event(), told, failed=failed)


def _sync(
    library: Path, paths: tuple[Path, ...], *, create: bool, ignore: tuple[str, ...], max_size: int | None, fast: bool,
    width: str | None, bundle: str | None, as_json: bool,
) -> None:  # fmt: skip
    from ..bundle.manifest import STATIC

    encode_at = STATIC if fast else None
    with (
        open_library(library, bundle, create=create, width=width, encode_at=encode_at) as opened,
        show.synced() as progress,
    ):
        report = opened.sync(
            *paths, ignore=list(ignore) or None, max_bytes=max_size, width=encode_at, progress=progress
        )
    show.report(report, as_json)
    if report.skipped and not report.added + report.changed + report.unchanged + report.removed:
        first = report.skipped[0]
        raise NestlingError(f"nothing could be taken in; first: {first.source}: {first.reason}")


@click.command(epilog=options.examples("nestling refine notes.nest", "nestling refine notes.nest --limit 1000"))
@options.library
@click.option("--limit", type=int, help="Stop after so many passages.")
@options.width
@options.bundle
@options.json
def refine(library: Path, limit: int | None, width: str | None, bundle: str | None, as_json: bool) -> None:
    """Encode again what `add --fast` took in.

    Afterwards LIBRARY answers as if it had been filled without --fast. The newest documents come first; LIBRARY can be
    searched and changed meanwhile, and where this is stopped, what is done is kept.
    """
    with open_library(library, bundle, width=width) as opened:
        report = opened.refine(limit=limit, progress=show.counted("passages refined"))
        left = sum(opened.unrefined.values())
    if as_json:
        click.echo(json.dumps({"refined": report.refined, "left": left}))
    show.say(f"{report.refined} passages refined, {left} left")


@click.command(epilog=options.examples("nestling remove notes.nest note-12 note-13"))
@options.library
@click.argument("ids", nargs=-1, required=True)
@options.bundle
def remove(library: Path, ids: tuple[str, ...], bundle: str | None) -> None:
    """Remove documents by their ids.

    `search` shows an id in brackets. Where LIBRARY lacks one of them, none is removed.
    """
    with open_library(library, bundle) as opened:
        report = opened.remove(ids)
    show.say(f"{report.removed} removed")


@click.command(epilog=options.examples("nestling forget notes.nest ~/Documents/old"))
@options.library
@click.argument("path", type=click.Path(path_type=Path))
@options.bundle
def forget(library: Path, path: Path, bundle: str | None) -> None:
    """Stop following a file or folder.

    The documents of all files at or below PATH are removed from LIBRARY.
    """
    with open_library(library, bundle) as opened:
        report = opened.forget(path)
    show.say(f"{report.removed} removed")
