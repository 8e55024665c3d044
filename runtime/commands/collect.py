"""`nestling`: each command is one library call with printing, see `show`.

Answers go to stdout, messages and progress to stderr. Exit codes: 0 fine, 1 a known error in one line, 2 wrong usage,
130 stopped with Ctrl-C.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..document import clean
from ..errors import NestlingError
from . import options, show
from .measuring import evaluate_command, tune

if TYPE_CHECKING:
    from ..bundle.manifest import Bundle
    from ..encoding.encoder import Encoder
    from ..library.library import Library

_STOPPED = 130


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=options.examples(
        "nestling demo", "nestling add notes.nest ~/Documents", 'nestling search notes.nest "burns"'
    ),
)
@click.version_option(package_name="nestling")
def commands() -> None:
    """Search your documents on this machine: no network, no GPU."""


commands.add_command(tune)
commands.add_command(evaluate_command)


@commands.command()
def demo() -> None:
    """Index a small bundled collection and answer a few questions."""
    from ..demo import demo_documents, demo_questions
    from ..library.library import Library

    documents, questions = demo_documents(), demo_questions()
    with tempfile.TemporaryDirectory() as folder, Library(Path(folder, "demo.nest")) as library:
        begin = time.perf_counter()
        library.add(documents)
        show.say(f"{len(documents)} documents indexed in {time.perf_counter() - begin:.1f} s")
        for question in questions:
            begin = time.perf_counter()
            hits = library.search(question.text, k=3)
            took_ms = 1000 * (time.perf_counter() - begin)
            click.echo(f"\n? {question.text}  ({took_ms:.0f} ms)\n   meaning  words")
            for hit in hits:
                mark = "*" if hit.id == question.answer else " "
                click.echo(f" {mark} {show.rank(hit.dense_rank):>7}  {show.rank(hit.lexical_rank):>5}  {hit.title}")
    click.echo("\nmeaning, words: a document's place by dense and by lexical search alone; * answers the question")


@commands.command(
    epilog=options.examples(
        "nestling add notes.nest ~/Documents",
        "nestling add notes.nest ~/Documents --ignore '*.log' --ignore 'old/' --max-size 20MB",
        "nestling add notes.nest cases.jsonl mail.mbox",
        "nestling add notes.nest ~/Documents --fast",
    )
)
@click.argument("library", type=click.Path(path_type=Path))
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.sync
def add(
    library: Path, paths: tuple[Path, ...], ignore: tuple[str, ...], max_size: int | None, fast: bool,
    width: str | None, bundle: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Bring LIBRARY up to date with files and folders; it is made where there is none.

    Only what changed is read again; documents of files that are gone are removed. Hidden files and what a file named
    .nestlingignore says, in the syntax of .gitignore, are passed over.
    """
    from ..library.intake.folders import existing

    for path in paths:
        existing(path)  # before a library is made for nothing
    _sync(library, paths, ignore, max_size, fast, width, bundle, as_json, create=True)


@commands.command(epilog=options.examples("nestling sync notes.nest", "nestling sync notes.nest ~/Documents/letters"))
@click.argument("library", type=click.Path(path_type=Path))
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@options.sync
def sync(
    library: Path, paths: tuple[Path, ...], ignore: tuple[str, ...], max_size: int | None, fast: bool,
    width: str | None, bundle: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Bring LIBRARY up to date with all that was ever added to it, or with PATHS alone."""
    _sync(library, paths, ignore, max_size, fast, width, bundle, as_json, create=False)


@commands.command(epilog=options.examples("nestling refine notes.nest", "nestling refine notes.nest --limit 1000"))
@click.argument("library", type=click.Path(path_type=Path))
@click.option("--limit", type=int, help="So many passages at the most.")
@options.width
@options.bundle
@options.json
def refine(library: Path, limit: int | None, width: str | None, bundle: Path | None, as_json: bool) -> None:
    """Encode again, at the document width of LIBRARY, what `add --fast` took in; the newest first.

    LIBRARY can be searched and changed meanwhile. Where this is stopped, what is done is kept.
    """
    with _open(library, bundle, create=False, width=width) as opened:
        report = opened.refine(limit=limit, progress=show.counted("passages refined"))
        left = sum(opened.unrefined.values())
    if as_json:
        click.echo(json.dumps({"refined": report.refined, "left": left}))
    show.say(f"{report.refined} passages refined, {left} left")


@commands.command(epilog=options.examples("nestling forget notes.nest ~/Documents/old"))
@click.argument("library", type=click.Path(path_type=Path))
@click.argument("path", type=click.Path(path_type=Path))
@options.bundle
def forget(library: Path, path: Path, bundle: Path | None) -> None:
    """Stop following PATH, and remove the documents of all files at or below it."""
    with _open(library, bundle, create=False) as opened:
        report = opened.forget(path)
    show.say(f"{report.removed} removed")


@commands.command(
    epilog=options.examples(
        'nestling search notes.nest "how long do I cool a burn?"',
        "nestling search notes.nest CR-7891234 --mode lexical",
        "nestling search notes.nest insulin -k 3 --where 'year>=2020' --where 'lang in en,de'",
        "nestling search notes.nest insulin --where 'modified>=2026-01-01' --json",
    )
)
@click.argument("library", type=click.Path(path_type=Path))
@click.argument("query")
@click.option("-k", "k", type=int, default=10, show_default=True, help="How many answers.")
@options.mode
@click.option("--where", multiple=True, help="A condition on metadata, as year>=2020; all given must hold.")
@click.option("--by", type=click.Choice(["document", "passage"]), default="document", show_default=True,
              help="One answer a document, or one a passage.")  # fmt: skip
@options.query_width
@options.bundle
@options.json
def search(
    library: Path, query: str, k: int, mode: Any, where: tuple[str, ...], by: Any, query_width: str | None,
    bundle: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Answer QUERY from LIBRARY, best first."""
    from ..library.store.filters import parse

    with _open(library, bundle, create=False, query_width=query_width) as opened:
        hits = opened.search(query, k, mode=mode, where=parse(where), by=by)
    for number, hit in enumerate(hits, start=1):
        click.echo(json.dumps(asdict(hit), ensure_ascii=False) if as_json else show.hit(number, hit))
    if not hits:
        show.say("nothing found")


@commands.command(epilog=options.examples("nestling remove notes.nest note-12 note-13"))
@click.argument("library", type=click.Path(path_type=Path))
@click.argument("ids", nargs=-1, required=True)
@options.bundle
def remove(library: Path, ids: tuple[str, ...], bundle: Path | None) -> None:
    """Remove documents from LIBRARY by their ids, all or none."""
    with _open(library, bundle, create=False) as opened:
        report = opened.remove(ids)
    show.say(f"{report.removed} removed")


@commands.command(epilog=options.examples("nestling info notes.nest", "nestling info notes.nest --json"))
@click.argument("path", type=click.Path(path_type=Path))
@options.bundle
@options.json
def info(path: Path, bundle: Path | None, as_json: bool) -> None:
    """Say what a library, an index or a bundle holds."""
    from ..vectors.files import is_index

    if path.is_dir():
        from ..bundle.manifest import read_bundle

        found = read_bundle(path)
        values: dict[str, Any] = {
            "name": found.name,
            "space": found.space,
            "dim": found.dim,
            "max_tokens": found.max_tokens,
            "variants": [variant.name for variant in found.variants],
            "bytes": sum(file.bytes for file in found.files.values()),
            **{f"bytes of {variant.name}": found.bytes_of(variant) for variant in found.variants},
        }
    elif is_index(path):
        from ..vectors.index import Index

        index = Index.open(path)
        values = {"vectors": len(index), "dim": index.dim, "fine": index.fine, "bytes": path.stat().st_size}
    else:
        with _open(path, bundle, create=False) as opened:
            values = opened.info()
            for skip in opened.failures():
                show.say(f"not taken in: {skip.source}: {skip.reason}")
    show.values(values, as_json)


@commands.command(epilog=options.examples("nestling check notes.nest --full", "nestling check notes.nest --repair"))
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--full", is_flag=True, help="Of a library: compare the codes of every passage with its text.")
@click.option("--repair", is_flag=True, help="Of a library: make what is damaged again from the documents.")
@options.bundle
def check(path: Path, full: bool, repair: bool, bundle: Path | None) -> None:
    """Check a library, an index or a bundle for damage; exit 1 where there is any.

    A bundle's files are compared with their hashes, then each of its precisions is tried on golden texts and compared
    with what it gave where the bundle was built, in bundles of format 1 with the float32 weights.
    """
    from ..vectors.files import is_index

    is_library = not path.is_dir() and not is_index(path)
    if (full or repair) and not is_library:
        raise NestlingError(f"{path}: is no library; --full and --repair are for libraries")
    if path.is_dir():
        from ..encoding.conformance import conformance

        for measured in conformance(path):
            click.echo(
                f"{path}: {measured.variant}: sound; cosine {measured.cosine_mean:.4f} mean, {measured.cosine_min:.4f} "
                f"worst to {measured.against} ({measured.reference_mean:.4f}, {measured.reference_min:.4f} to "
                f"float32), {measured.agreement:.0%} of nearest texts the same over {measured.texts} texts, "
                f"{measured.tokens_per_second:.0f} tokens a second"
            )
        return
    if is_library:
        with _open(path, bundle, create=False) as opened:
            problems = opened.problems(full=full or repair)
            if problems and repair:
                for problem in problems:
                    show.say(f"{path}: {problem}")
                problems = opened.repair()
        remedy = "restore it from a copy, or add its files to a new library"
        remedy = remedy if repair else f"mend it with: nestling check {path} --repair"
    else:
        from ..vectors.index import Index

        problems, remedy = Index.problems(path), "restore it from a copy or build it again"
    if problems:
        raise NestlingError(f"{path}: {'; '.join(problems)}; {remedy}")
    click.echo(f"{path}: sound")


@commands.command(
    epilog=options.examples("nestling dump notes.nest notes.jsonl", "nestling dump notes.nest notes.parquet")
)
@click.argument("library", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@options.bundle
def dump(library: Path, output: Path, bundle: Path | None) -> None:
    """Write every passage of LIBRARY with its text, metadata and vector to OUTPUT, .jsonl or .parquet."""
    with _open(library, bundle, create=False) as opened:
        count = opened.dump(output, progress=show.counted("passages"))
    show.say(f"{count} passages written to {output}")


@commands.command(
    epilog=options.examples(
        'eval "$(nestling completion bash)"', "nestling completion fish > ~/.config/fish/completions/nestling.fish"
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete the commands and options of nestling."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(commands, {}, "nestling", "_NESTLING_COMPLETE").source())


def main() -> None:
    """Run a command; a known error is one line on stderr and exit code 1."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    code = 1
    try:
        for argument in sys.argv[1:]:
            if clean(argument) != argument:
                raise NestlingError(f"the argument {clean(argument)!r} is not text; rename the file or type it anew")
        code = commands.main(standalone_mode=False) or 0
    except click.ClickException as error:  # wrong usage
        error.show()
        code = error.exit_code
    except click.Abort:  # what click makes of Ctrl-C
        show.say("stopped; what was done is kept, and the same command goes on from there")
        code = _STOPPED
    except ValueError as error:  # ours, or an option's that the library does not take
        show.say(f"error: {error}")
    except OSError as error:
        show.say(f"error: {error.filename or 'the system'}: {error.strerror or error}")
    sys.exit(code)


@contextmanager
def _open(
    path: Path,
    bundle: Path | None,
    create: bool,
    *,
    width: str | None = None,
    query_width: str | None = None,
    once: str | None = None,
) -> Iterator[Library]:
    """A library, with what is not said as the plan of `tune` has it; one that is there keeps its document width.

    Args:
        once: what documents are encoded at this time, if not at the document width.
    """
    from ..bundle.manifest import read_bundle
    from ..library.library import Library
    from ..tuning.width_plan import read_plan

    found, new = read_bundle(bundle), create and not path.exists()
    plan = read_plan(found)
    if plan is not None:
        width = width or (plan.document_width if new else None)
        query_width = query_width or plan.query_width
    precision = None if plan is None else plan.precision
    # An encoder that does not work is found before a library is made for nothing; what it loads is shared.
    with _encoder(found, once or width, precision) if new else nullcontext():
        library = Library(
            path, encoder=found, document_width=width, query_width=query_width, precision=precision, create=create
        )
        with library:
            yield library


def _encoder(bundle: Bundle, width: str | None, precision: str | None) -> Encoder:
    """The encoder of a width, of the precision where the width has it."""
    from ..encoding.encoder import Encoder

    has_it = precision in bundle.precisions(width or bundle.widths[0])
    return Encoder(bundle, width=width, precision=precision if has_it else None)


def _sync(
    library: Path, paths: tuple[Path, ...], ignore: tuple[str, ...], max_size: int | None, fast: bool,
    width: str | None, bundle: Path | None, as_json: bool, create: bool,
) -> None:  # fmt: skip
    from ..bundle.manifest import STATIC

    once = STATIC if fast else None
    with _open(library, bundle, create, width=width, once=once) as opened, show.synced() as progress:
        report = opened.sync(*paths, ignore=list(ignore) or None, max_bytes=max_size, width=once, progress=progress)
    show.report(report, as_json)
    if report.skipped and not report.added + report.changed + report.unchanged + report.removed:
        first = report.skipped[0]
        raise NestlingError(f"nothing could be taken in; first: {first.source}: {first.reason}")
