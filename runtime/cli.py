"""`nestling`: each command is one library call with printing.

Answers go to stdout, messages and progress to stderr. Exit codes: 0 fine, 1 a known error in one line, 2 wrong usage.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .errors import NestlingError
from .library.document import clean

if TYPE_CHECKING:
    from .encoding.encoder import Encoder
    from .library.document import Hit, Report
    from .library.library import Library

_SNIPPET_CHARS = 240

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")
_bundle_option = click.option("--bundle", type=click.Path(path_type=Path), help="Another bundle than the default.")
_mode_option = click.option(
    "--mode", type=click.Choice(["hybrid", "dense", "lexical"]), default="hybrid", show_default=True,
    help="By meaning and words together, or by one of them.",
)  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="nestling")
def commands() -> None:
    """Search your documents on this machine: no network, no GPU."""


@commands.command()
def demo() -> None:
    """Index a small bundled collection and answer a few questions."""
    from .demo import demo_documents, demo_questions
    from .library.library import Library

    documents, questions = demo_documents(), demo_questions()
    with tempfile.TemporaryDirectory() as folder, Library(Path(folder, "demo.nest")) as library:
        begin = time.perf_counter()
        library.add(documents)
        _say(f"{len(documents)} documents indexed in {time.perf_counter() - begin:.1f} s")
        for question in questions:
            begin = time.perf_counter()
            hits = library.search(question.text, k=3)
            took_ms = 1000 * (time.perf_counter() - begin)
            click.echo(f"\n? {question.text}  ({took_ms:.0f} ms)\n   meaning  words")
            for hit in hits:
                mark = "*" if hit.id == question.answer else " "
                click.echo(f" {mark} {_place(hit.dense_rank):>7}  {_place(hit.lexical_rank):>5}  {hit.title}")
    click.echo("\nmeaning, words: a document's place by dense and by lexical search alone; * answers the question")


@commands.command()
@click.argument("library", type=click.Path(path_type=Path))
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@_bundle_option
@_json_option
def add(library: Path, paths: tuple[Path, ...], bundle: Path | None, as_json: bool) -> None:
    """Bring LIBRARY up to date with files and folders: txt, md, html, jsonl, csv.

    Only what changed is read again; documents of files that are gone from a folder are removed.
    """
    from .library.sync import existing

    for path in paths:
        existing(path)  # before a library is made for nothing
    with _open(library, bundle, create=True) as opened:
        report = opened.sync(*paths, progress=_progress("files"))
    _print_report(report, as_json)
    if report.skipped and not report.added + report.changed + report.unchanged + report.removed:
        raise NestlingError(f"nothing could be taken in; first: {report.skipped[0].source}: {report.skipped[0].reason}")


@commands.command()
@click.argument("library", type=click.Path(path_type=Path))
@click.argument("query")
@click.option("-k", "k", type=int, default=10, show_default=True, help="How many answers.")
@_mode_option
@click.option("--where", multiple=True, help="A condition on metadata, as year>=2020; all given must hold.")
@click.option("--by", type=click.Choice(["document", "passage"]), default="document", show_default=True,
              help="One answer a document, or one a passage.")  # fmt: skip
@_bundle_option
@_json_option
def search(
    library: Path, query: str, k: int, mode: Any, where: tuple[str, ...], by: Any, bundle: Path | None, as_json: bool
) -> None:
    """Answer QUERY from LIBRARY, best first."""
    from .library.filters import parse

    with _open(library, bundle, create=False) as opened:
        hits = opened.search(query, k, mode=mode, where=parse(where), by=by)
    for number, hit in enumerate(hits, start=1):
        click.echo(json.dumps(asdict(hit), ensure_ascii=False) if as_json else _described(number, hit))
    if not hits:
        _say("nothing found")


@commands.command()
@click.argument("library", type=click.Path(path_type=Path))
@click.argument("ids", nargs=-1, required=True)
@_bundle_option
def remove(library: Path, ids: tuple[str, ...], bundle: Path | None) -> None:
    """Remove documents from LIBRARY by their ids, all or none."""
    with _open(library, bundle, create=False) as opened:
        report = opened.remove(ids)
    _say(f"{report.removed} removed")


@commands.command()
@click.argument("path", type=click.Path(path_type=Path))
@_bundle_option
@_json_option
def info(path: Path, bundle: Path | None, as_json: bool) -> None:
    """Say what a library, an index or a bundle holds."""
    from .vectors.files import is_index

    if path.is_dir():
        from .encoding.bundle import read_bundle

        found = read_bundle(path)
        values: dict[str, Any] = {
            "name": found.name,
            "space": found.space,
            "dim": found.dim,
            "max_tokens": found.max_tokens,
            "variants": [f"{variant.width} {variant.precision}" for variant in found.variants],
            "bytes": sum(file.bytes for file in found.files.values()),
        }
    elif is_index(path):
        from .vectors.index import Index

        index = Index.open(path)
        values = {"vectors": len(index), "dim": index.dim, "fine": index.fine, "bytes": path.stat().st_size}
    else:
        with _open(path, bundle, create=False) as opened:
            values = opened.info()
    _print_values(values, as_json)


@commands.command()
@click.argument("path", type=click.Path(path_type=Path))
@_bundle_option
def check(path: Path, bundle: Path | None) -> None:
    """Check a library, an index or a bundle for damage; exit 1 where there is any.

    A bundle's files are compared with their hashes, and its golden texts are encoded and compared with the reference.
    """
    from .vectors.files import is_index

    if path.is_dir():
        from .encoding.conformance import conformance

        measured = conformance(path)
        click.echo(
            f"{path}: sound; cosine to the reference {measured.cosine_mean:.4f} mean, {measured.cosine_min:.4f} worst "
            f"over {measured.texts} texts, {measured.tokens_per_second:.0f} tokens a second"
        )
        return
    if is_index(path):
        from .vectors.index import Index

        problems, remedy = Index.problems(path), "restore it from a copy or build it again"
    else:
        with _open(path, bundle, create=False) as opened:
            problems, remedy = opened.problems(), "restore it from a copy, or add its files to a new library"
    if problems:
        raise NestlingError(f"{path}: {'; '.join(problems)}; {remedy}")
    click.echo(f"{path}: sound")


@commands.command(name="eval")
@click.argument("folder", type=click.Path(path_type=Path))
@_mode_option
@click.option("--exact", is_flag=True, help="Rescore every passage, not only the nearest by their bits.")
@_bundle_option
@click.option("--width", help="The encoder's width.")
@click.option("--precision", help="The weights' precision.")
@click.option("--dim", type=int, help="Length of the vectors.")
@click.option("--threads", type=int, help="Texts encoded at the same time; all processors by default.")
@_json_option
def evaluate_command(
    folder: Path,
    mode: Any,
    exact: bool,
    bundle: Path | None,
    width: str | None,
    precision: str | None,
    dim: int | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure quality and speed on a collection in BEIR layout: FOLDER/corpus.jsonl, queries.jsonl, qrels/test.tsv."""
    from .encoding.encoder import Encoder
    from .evaluate import Run, evaluate, read_collection

    collection = read_collection(folder)
    encoder = Encoder(bundle, width=width, precision=precision, dim=dim, threads=threads)
    report = _progress("")
    runs = [Run(mode, exact)]
    (result,) = evaluate(collection, encoder, runs, lambda what, done, total: report(done, total, what))
    values = {**asdict(result), **result.measures}
    del values["measures"]
    if as_json:
        click.echo(json.dumps(values))
        return
    del values["by_query"]
    _print_values({key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()}, False)


def main() -> None:
    """Run a command; a known error is one line on stderr and exit code 1."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        for argument in sys.argv[1:]:
            if clean(argument) != argument:
                raise NestlingError(f"the argument {clean(argument)!r} is not text; rename the file or type it anew")
        commands(standalone_mode=True)
    except ValueError as error:  # ours, or an option's that the library does not take
        click.echo(f"error: {error}", err=True)
    except OSError as error:
        click.echo(f"error: {error.filename or 'the system'}: {error.strerror or error}", err=True)
    else:
        return
    sys.exit(1)


def _open(path: Path, bundle: Path | None, create: bool) -> Library:
    from .library.library import Library

    return Library(path, encoder=_encoder(bundle), create=create)


def _encoder(bundle: Path | None) -> Encoder | None:
    if bundle is None:
        return None
    from .encoding.encoder import Encoder

    return Encoder(bundle)


def _progress(unit: str) -> Callable[[int, int, object], None]:
    """A line on stderr that counts up, on a terminal; silence elsewhere."""
    if not sys.stderr.isatty():
        return lambda done, total, what: None

    def show(done: int, total: int, what: object) -> None:
        end = "\n" if done == total else ""
        click.echo(f"\r\x1b[2K{done} of {total} {unit or what} {what if unit else ''}"[:200] + end, err=True, nl=False)

    return show


def _print_report(report: Report, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(report), ensure_ascii=False))
    for skip in report.skipped:
        _say(f"skipped {skip.source}: {skip.reason}")
    counts = f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged, {report.removed} removed"
    _say(f"{counts}, {len(report.skipped)} skipped")


def _described(number: int, hit: Hit) -> str:
    text = " ".join(hit.text.split())
    if len(text) > _SNIPPET_CHARS:
        text = text[:_SNIPPET_CHARS].rsplit(" ", 1)[0] + " …"
    ranks = f"meaning {_place(hit.dense_rank)}, words {_place(hit.lexical_rank)}"
    heading = f"{number:>2}. {hit.title or hit.id}  [{hit.id}]" if hit.title else f"{number:>2}. {hit.id}"
    place = f", {hit.place}" if hit.place else ""
    return f"{heading}{place}\n    {hit.score:.3f} ({ranks})\n    {text}"


def _print_values(values: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(values, ensure_ascii=False))
        return
    width = max(map(len, values))
    for key, value in values.items():
        click.echo(f"{key:<{width}}  {', '.join(map(str, value)) if isinstance(value, list) else value}")


def _place(rank: int | None) -> str:
    return "-" if rank is None else str(rank)


def _say(message: str) -> None:
    click.echo(message, err=True)


if __name__ == "__main__":
    main()
