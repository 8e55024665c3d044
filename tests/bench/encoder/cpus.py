"""Answers of an old processor beside this machine's: the same library asked the same queries under an emulator.

    python -m tests.bench.encoder.cpus COLLECTION_FOLDER [--cpu Nehalem SandyBridge] [-o tests/bench/results/cpus.json]

Needs qemu's user mode emulation on Linux for x86-64 (`apt-get install qemu-user`). Nehalem, of 2008, has SSE4.2 and no
AVX; Sandy Bridge, of 2011, has AVX and no AVX2. Seconds under an emulator say nothing of the processor's own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from nestling import Encoder, Library
from nestling.bundle.manifest import read_bundle
from nestling.evaluate import Collection, read_collection
from nestling.library.search.query import Mode

from ..machine import described, finished

DOCUMENTS = 300
QUERIES = 100
DEPTH = 10
VECTORS = 30
MODES: tuple[Mode, ...] = ("dense", "hybrid")
THREADS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path, nargs="?")
    parser.add_argument("--cpu", nargs="+", default=["Nehalem", "SandyBridge"])
    parser.add_argument("--answer", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "results" / "cpus.json")
    arguments = parser.parse_args()
    if arguments.answer:
        answer(Path(arguments.answer[0]), arguments.answer[1])
        return
    collection = read_collection(arguments.collection)
    queries = dict(itertools.islice(collection.queries.items(), QUERIES))
    results: dict[str, Any] = {}
    bundle = read_bundle()
    with tempfile.TemporaryDirectory() as folder:
        for precision in bundle.precisions(bundle.widths[0]):
            path = Path(folder, f"{precision}.nest")
            with Library(path, encoder=Encoder(precision=precision, threads=THREADS)) as library:
                library.add(chosen(collection, list(queries)))
            path.with_suffix(".json").write_text(json.dumps(list(queries.values())))
            here = asked(path, precision)
            results[precision] = {}
            for cpu in arguments.cpu:
                results[precision][cpu] = compared(here, asked(path, precision, "qemu-x86_64", "-cpu", cpu))
                print(precision, cpu, results[precision][cpu], flush=True)
    command = f"python -m tests.bench.encoder.cpus {arguments.collection} --cpu {' '.join(arguments.cpu)}"
    finished(
        arguments.output,
        {
            **described(command, THREADS),
            "emulator": subprocess.run(["qemu-x86_64", "--version"], capture_output=True, text=True).stdout.split("\n")[
                0
            ],
            "documents": DOCUMENTS,
            "queries": len(queries),
            "precisions": results,
        },
    )


def chosen(collection: Collection, queries: list[str]) -> list[Any]:
    """The documents that the queries are judged with, filled up with others."""
    judged = {id for query in queries for id in collection.judgements[query]}
    documents = sorted(collection.documents, key=lambda document: document.id not in judged)
    return documents[:DOCUMENTS]


def asked(path: Path, precision: str, *emulator: str) -> dict[str, Any]:
    """What a process of its own answers."""
    command = [*emulator, sys.executable, "-m", __spec__.name, "--answer", str(path), precision]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, stderr=subprocess.DEVNULL)
    return dict(json.loads(run.stdout.splitlines()[-1]))


def answer(path: Path, precision: str) -> None:
    """Print the best documents of every query, and the vectors of some."""
    warnings.simplefilter("ignore")
    queries = json.loads(path.with_suffix(".json").read_text())
    encoder = Encoder(precision=precision, threads=1)
    found: dict[str, Any] = {}
    with Library(path, encoder=encoder, create=False) as library:
        for mode in MODES:
            hits = [library.search(query, k=2 * DEPTH, mode=mode) for query in queries]
            found[mode] = [[(hit.id, hit.score) for hit in row] for row in hits]
    vectors = encoder.encode(queries[:VECTORS], role="query")
    print(json.dumps({**found, "vectors": vectors.astype(float).tolist()}))


def compared(here: dict[str, Any], there: dict[str, Any]) -> dict[str, Any]:
    """How near the vectors are, and how many queries have the same ten documents.

    Where they differ, `widest_gap` is how far apart, here, the scores are of a document that went and of the last of
    the ten: nothing but documents in a near tie should have changed places.
    """
    cosines = (np.array(here["vectors"]) * np.array(there["vectors"])).sum(axis=1)
    figures: dict[str, Any] = {
        "cosine_mean": round(float(cosines.mean()), 6),
        "cosine_min": round(float(cosines.min()), 6),
    }
    for mode in MODES:
        pairs = list(zip(here[mode], there[mode], strict=True))
        tens = [([id for id, _ in a[:DEPTH]], [id for id, _ in b[:DEPTH]]) for a, b in pairs]
        gaps = [
            abs(score - scores[DEPTH - 1][1])
            for (scores, _), (a, b) in zip(pairs, tens, strict=True)
            for id, score in scores
            if id in set(a) ^ set(b)
        ]
        figures[mode] = {
            "same_first": sum(a[0] == b[0] for a, b in tens),
            "same_ten": sum(set(a) == set(b) for a, b in tens),
            "same_order": sum(a == b for a, b in tens),
            "overlap": round(sum(len(set(a) & set(b)) for a, b in tens) / sum(len(a) for a, _ in tens), 4),
            "widest_gap": round(max(gaps, default=0.0), 4),
        }
    return figures


if __name__ == "__main__":
    main()
