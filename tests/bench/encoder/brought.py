"""What an encoder that is no part of Nestling costs to bring, and what its precisions keep of its ranking quality.

    python -m tests.bench.encoder.brought RECIPE WORK_FOLDER COLLECTION_FOLDER... [--others N]
        [-o tests/bench/results/brought.json]

Builds float32, int8 and int4, each by `nestling-export` in a process of its own whose time and largest resident set are
taken, and ranks whole collections with each: a document is title and text up to what the encoder reads, one vector. The
first build fetches the weights, exports them and asks sentence-transformers for what its own vectors are; the others go
on from there. A work folder that is there already makes the times too short. Of a collection may be taken the documents
that some question asks for, and N others drawn at random: easier than the whole, but as hard for all precisions. Needs
the extras eval and export.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nestling import Encoder
from nestling.bundle.report import REPORT
from nestling.evaluate import Collection, read_collection

from ..family.vectors import by_query, vectors
from ..machine import described, finished

PRECISIONS = ("float32", "int8", "int4")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--others", type=int, help="documents of a collection besides those asked for; all by default")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "results" / "brought.json")
    arguments = parser.parse_args()
    collections = [cut(read_collection(folder), arguments.others) for folder in arguments.collections]
    rows = {precision: measured(arguments.recipe, precision, arguments.work, collections) for precision in PRECISIONS}
    given = " ".join(map(str, arguments.collections))
    given += "" if arguments.others is None else f" --others {arguments.others}"
    command = f"python -m tests.bench.encoder.brought {arguments.recipe} WORK_FOLDER {given}"
    sizes = {one.name: len(one.documents) for one in collections}
    found = {"model": arguments.recipe.stem, "documents": sizes, "precisions": rows}
    finished(arguments.output, {**described(command, 2), **found})


def cut(collection: Collection, others: int | None) -> Collection:
    """A collection with the documents that are asked for and so many others."""
    asked = {id for judged in collection.judgements.values() for id, grade in judged.items() if grade > 0}
    rest = [one.id for one in collection.documents if one.id not in asked]
    drawn = rest if others is None else random.Random(0).sample(rest, min(others, len(rest)))
    kept = asked | set(drawn)
    return replace(collection, documents=[one for one in collection.documents if one.id in kept])


def measured(recipe: Path, precision: str, work: Path, collections: Sequence[Collection]) -> dict[str, Any]:
    """Build one precision, and rank with it."""
    folder = work / precision
    words = ["build", recipe, "-o", folder, "--work", work / "steps", "--precision", precision]
    begin = time.perf_counter()
    child = subprocess.Popen([Path(sys.executable).with_name("nestling-export"), *map(str, words)])
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"the build of {precision} failed")
    row: dict[str, Any] = {
        "seconds": round(time.perf_counter() - begin),
        "processor_seconds": round(used.ru_utime + used.ru_stime),
        "peak_mb": round(used.ru_maxrss / 1024),
    }
    report = json.loads((folder / REPORT).read_bytes())[f"xl.{precision}"]
    with Encoder(folder, precision=precision, threads=2) as encoder:
        row["bytes"] = encoder.bundle.bytes_of(encoder.bundle.variant(encoder.width, precision))
        row |= {key: report[key] for key in ("cosine_mean", "cosine_min", "query_cosine_mean", "query_cosine_min")}
        row["ndcg"] = {one.name: ndcg(encoder, one, work) for one in collections}
    return row


def ndcg(encoder: Encoder, collection: Collection, work: Path) -> float:
    """Mean nDCG@10 of ranking all documents by cosine."""
    documents, queries = vectors(encoder, collection, work)
    return round(float(np.mean(by_query(collection, queries @ documents.T)["nDCG@10"])), 4)


if __name__ == "__main__":
    main()
