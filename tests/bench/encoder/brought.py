"""What an encoder that is no part of Nestling costs to bring, and what its precisions keep of its ranking quality.

    python -m tests.bench.encoder.brought RECIPE WORK_FOLDER COLLECTION_FOLDER... [-o tests/bench/results/brought.json]

Builds float32, int8 and int4, each by `nestling-export` in a process of its own whose time and largest resident set are
taken, and ranks whole collections with each: a document is title and text up to what the encoder reads, one vector. The
first build fetches the weights, exports them and asks sentence-transformers for what its own vectors are; the others go
on from there. A work folder that is there already makes the times too short. Needs the extras eval and export.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nestling import Encoder
from nestling.bundle.quality import REPORT
from nestling.evaluate import Collection, read_collection

from ..family.vectors import by_query, vectors
from ..machine import described, finished

PRECISIONS = ("float32", "int8", "int4")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "results" / "brought.json")
    arguments = parser.parse_args()
    collections = [read_collection(folder) for folder in arguments.collections]
    rows = {precision: measured(arguments.recipe, precision, arguments.work, collections) for precision in PRECISIONS}
    given = " ".join(map(str, arguments.collections))
    command = f"python -m tests.bench.encoder.brought {arguments.recipe} WORK_FOLDER {given}"
    finished(arguments.output, {**described(command, 2), "model": arguments.recipe.stem, "precisions": rows})


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
