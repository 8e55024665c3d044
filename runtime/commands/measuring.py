"""Commands that measure: what the widths of a bundle take on this device, and how well they find."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from . import options, show


@click.command(
    epilog=options.examples(
        "nestling tune", "nestling tune --query-ms 5", "nestling tune --memory-mb 100 --query-ms 2 --json"
    )
)
@click.option("--query-ms", type=click.FloatRange(0, min_open=True), help="Limit: milliseconds to encode a query.")
@click.option("--memory-mb", type=click.FloatRange(0, min_open=True), help="Limit: memory with the encoders loaded.")
@options.bundle
@options.json
def tune(query_ms: float | None, memory_mb: float | None, bundle: str | None, as_json: bool) -> None:
    """Find the best widths for this device.

    Each width of the bundle is an encoder of another size: a wide one finds better, a narrow one is faster. They are
    measured, and the best within the limits are remembered: your new libraries and searches take them from then on.
    Without limits it is the bundle's default. Quality is in percent of the original float32 weights.
    """
    from ..bundle.manifest import read_bundle
    from ..bundle.quality import read_quality
    from ..tuning.cost import measure_cost
    from ..tuning.width_plan import choose, write_width_plan

    found = read_bundle(bundle)
    quality = read_quality(found)
    costs, count = [], show.counted("variants measured")
    for variant in found.variants:
        costs.append(measure_cost(found, variant))
        count(len(costs), len(found.variants))
    show.costs(costs, quality, as_json)
    choice = choose(found, costs, quality, query_ms, memory_mb)
    path = write_width_plan(found, choice.plan)
    show.choice(choice, as_json)
    show.say(f"remembered in {path}")


@click.command(
    name="eval",
    epilog=options.examples(
        "nestling eval scifact --mode hybrid --json",
        "nestling eval xquad --queries-in th --documents-in en --bundle multi",
    ),
)
@click.argument("folder", type=click.Path(path_type=Path))
@options.mode
@click.option("--exact", is_flag=True, help="Compare every passage exactly: slower, for reference.")
@click.option("--documents-in", metavar="LANGUAGE", help="Of a parallel collection: en takes corpus.en.jsonl.")
@click.option("--queries-in", metavar="LANGUAGE", help="Of a parallel collection: th takes queries.th.jsonl.")
@options.bundle
@click.option("--width", help="The encoder's width for documents, as s.")
@options.query_width
@click.option("--precision", help="The weights' precision, as int4.")
@click.option("--dim", type=int, help="Length of the vectors, a multiple of 8.")
@click.option("--threads", type=int, help="Texts encoded at the same time; all processors by default.")
@options.json
def evaluate_command(
    folder: Path,
    mode: Any,
    exact: bool,
    documents_in: str | None,
    queries_in: str | None,
    bundle: str | None,
    width: str | None,
    query_width: str | None,
    precision: str | None,
    dim: int | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure quality and speed on a collection.

    FOLDER is in BEIR layout: corpus.jsonl, queries.jsonl and qrels/test.tsv. It is indexed in a temporary library, and
    all of its queries are asked. Where it has them in several languages, the queries may be in another than the
    documents.
    """
    from ..encoding.encoder import Encoder
    from ..evaluate import QueryRun, evaluate, read_collection

    collection = read_collection(folder, documents_in=documents_in, queries_in=queries_in)
    encoder = Encoder(bundle, width=width, precision=precision, dim=dim, threads=threads)
    counts = {what: show.counted(what) for what in ("documents", "queries")}

    def progress(what: str, done: int, total: int) -> None:
        counts[what](done, total)

    (result,) = evaluate(collection, encoder, [QueryRun(mode, exact)], progress, query_width=query_width)
    values = {**asdict(result), **result.measures}
    del values["measures"]
    if as_json:
        click.echo(json.dumps(values))
        return
    del values["by_query"]
    show.pairs({key: str(round(value, 4) if isinstance(value, float) else value) for key, value in values.items()})
