"""Encoding documents and queries: Nestling beside the ways its peers encode, in one run, with two threads each.

    python tests/bench/encoder.py COLLECTION_FOLDER SOURCE_FOLDER [-o tests/bench/results/encoder.json]

COLLECTION_FOLDER is in BEIR layout, SOURCE_FOLDER holds the float32 weights in sentence-transformers layout. Needs
the export extra and sentence-transformers. Every way is timed on the same texts, in turn, five
times; the median counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from machine import described, finished, timed
from nestling import Encoder
from nestling.encoding.bundle import default_bundle
from nestling.evaluate import read_collection

THREADS = 2
DOCUMENTS = 512
ROUNDS = 5
BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path)
    parser.add_argument("source", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results" / "encoder.json")
    arguments = parser.parse_args()
    collection = read_collection(arguments.collection)
    encoder = Encoder(threads=THREADS)
    room = encoder.tokens.room("document")
    texts = [encoder.tokens.truncated(f"{d.title} {d.text}", room) for d in collection.documents[:DOCUMENTS]]
    queries = list(collection.queries.values())[:100]
    ways = {
        "nestling int8": lambda part: encoder.encode(part, role="document"),
        "onnxruntime, same graph, padded batches of 32": padded(encoder),
        "sentence-transformers, torch": sentence_transformers(arguments.source),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for encode in ways.values():
        encode(texts[:BATCH])
    for _ in range(ROUNDS):
        for name, encode in ways.items():
            seconds[name].append(timed(lambda encode=encode: encode(texts)))
    one = {name: [1000 * timed(lambda e=encode, q=query: e([q])) for query in queries] for name, encode in ways.items()}
    tokens = sum(len(encoder.tokens.ids(text, "document")[0]) for text in texts)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    result = {
        **described(f"python tests/bench/encoder.py {arguments.collection} SOURCE_FOLDER", THREADS),
        "peers": {name: version(name) for name in ("sentence-transformers", "torch")},
        "collection": collection.name,
        "documents": len(texts),
        "tokens": tokens,
        "ways": {
            name: {
                "documents_per_second": round(len(texts) / median[name], 1),
                "tokens_per_second": round(tokens / median[name]),
                "query_p50_ms": round(statistics.median(one[name]), 2),
                "ratio": round(median[name] / median["nestling int8"], 2),
            }
            for name in ways
        },
    }
    finished(arguments.output, result)
    json.dump(result, sys.stdout, indent=2)


def padded(encoder: Encoder) -> Callable[[list[str]], Any]:
    """ONNX Runtime as it is commonly called: batches in the given order, padded to their longest text."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(str(default_bundle() / "model.int8.onnx"), options)

    def encode(texts: list[str]) -> None:
        for begin in range(0, len(texts), BATCH):
            rows = [encoder.tokens.ids(text, "document")[0] for text in texts[begin : begin + BATCH]]
            batch = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
            for place, row in zip(batch, rows, strict=True):
                place[: len(row)] = row
            session.run(None, {"input_ids": batch})

    return encode


def sentence_transformers(source: Path) -> Callable[[list[str]], Any]:
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(THREADS)
    model = SentenceTransformer(str(source), device="cpu", local_files_only=True)
    return lambda texts: model.encode(texts, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)


if __name__ == "__main__":
    main()
