"""What each encoder of a bundle costs: its files, tokens a second, milliseconds of a query.

    python -m tests.bench.family.speed COLLECTION_FOLDER [--float32 FLOAT32_FOLDER] [-o tests/bench/results/speed.json]

All encoders are measured in one process, in turn; the median of the rounds counts. --float32 is the bundle of the
original weights, see `study.py`. Needs the extra eval.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

from nestling import Encoder
from nestling.bundle.manifest import read_bundle
from nestling.evaluate import read_collection

from ..machine import described, finished

DOCUMENTS, QUERIES, ROUNDS = 256, 60, 5
THREADS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path)
    parser.add_argument("--float32", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "results" / "speed.json")
    arguments = parser.parse_args()
    bundle = read_bundle()
    encoders = {}
    if arguments.float32:
        encoders["teacher float32"] = Encoder(arguments.float32, precision="float32", threads=THREADS)
    for variant in bundle.variants:
        encoders[variant.name] = Encoder(bundle, width=variant.width, precision=variant.precision, threads=THREADS)
    collection = read_collection(arguments.collection)
    documents = [f"{one.title} {one.text}".strip() for one in collection.documents[:DOCUMENTS]]
    given = " --float32 FLOAT32_FOLDER" if arguments.float32 else ""
    command = f"python -m tests.bench.family.speed {arguments.collection}{given}"
    result = {
        **described(command, THREADS),
        "collection": collection.name,
        "variants": speeds(encoders, documents, list(collection.queries.values())[:QUERIES]),
    }
    finished(arguments.output, result)
    print(result)


def speeds(encoders: dict[str, Encoder], documents: list[str], queries: list[str]) -> dict[str, dict[str, Any]]:
    """Bytes, tokens a second and milliseconds a query by encoder, measured in turn."""
    tokens = next(iter(encoders.values())).tokens
    documents = [tokens.readable(text, "document") for text in documents]
    count = sum(len(tokens.ids(text, "document")[0]) for text in documents)
    rates: dict[str, list[float]] = {name: [] for name in encoders}
    latencies: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(ROUNDS):
        for name, encoder in encoders.items():
            encoder.encode(queries[:4], role="query")
            begin = time.perf_counter()
            encoder.encode(documents, role="document")
            rates[name].append(count / (time.perf_counter() - begin))
            for query in queries:
                begin = time.perf_counter()
                encoder.encode([query], role="query")
                latencies[name].append(1000 * (time.perf_counter() - begin))
    return {
        name: {
            "file_bytes": encoder.bundle.bytes_of(encoder.bundle.variant(encoder.width, encoder.precision)),
            "tokens_per_second": round(statistics.median(rates[name])),
            "query_p50_ms": round(statistics.median(latencies[name]), 3),
        }
        for name, encoder in encoders.items()
    }


if __name__ == "__main__":
    main()
