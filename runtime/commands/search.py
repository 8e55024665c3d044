"""Commands that ask: a library, or the demo's own small collection."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from . import options, show
from .opening import open_library


@click.command(
    epilog=options.examples(
        'nestling search notes.nest "how long do I cool a burn?"',
        "nestling search notes.nest CR-7891234 --mode lexical",
        "nestling search notes.nest insulin -k 3 --where 'year>=2020' --where 'lang in en,de'",
        "nestling search notes.nest insulin --where 'tags contains dose and not (draft exists or year<2020)'",
        "nestling search notes.nest insulin --where 'modified>=2026-01-01' --json",
    )
)
@options.library
@click.argument("query")
@click.option("-k", "k", type=int, default=10, show_default=True, help="How many answers.")
@options.mode
@click.option(
    "--where",
    multiple=True,
    help="Conditions on metadata, as year>=2020: = != < <= > >= in, not in, contains, exists, joined by and, or, not "
    "and brackets; all that are given must hold.",
)
@click.option("--by", type=click.Choice(["document", "passage"]), default="document", show_default=True,
              help="One answer for each document, or one for each passage.")  # fmt: skip
@options.query_width
@options.bundle
@options.json
def search(
    library: Path, query: str, k: int, mode: Any, where: tuple[str, ...], by: Any, query_width: str | None,
    bundle: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Print what answers QUERY, the best first.

    QUERY is a question or a few words. Each answer comes with its score, its rank by meaning and by words alone, and
    the text that answers.
    """
    from ..library.store.expressions import parse

    with open_library(library, bundle, query_width=query_width) as opened:
        hits = opened.search(query, k, mode=mode, where=parse(where), by=by)
    if hits and not any(hit.fits for hit in hits):
        show.say("nothing fits well; the nearest are:")
    for number, hit in enumerate(hits, start=1):
        click.echo(json.dumps(asdict(hit), ensure_ascii=False) if as_json else show.hit(number, hit))
    if not hits:
        show.say("nothing found")


@click.command()
def demo() -> None:
    """Index a small collection and search it."""
    import tempfile

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
    click.echo("\nmeaning, words: the document's rank by meaning alone and by words alone; * answers the question")
