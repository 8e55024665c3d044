"""Searchable at once, better by itself: `add --fast` on 10,000 documents, then `refine`, beside `add` at full width.

    python -m tests.bench.library.fast ../shared/data/scifact ../shared/data/medquad [-o tests/bench/results/fast.json]

The first collection is taken whole, of the second what is missing to 10,000, shuffled. Each step is a command, timed as
a whole process; `add --fast`, which is short, is done five times and the median counts. Asked are the queries of the
first: how good the answers from its own documents are at once, after each quarter of the passages has been refined,
and whether they are in the end, from all documents, those of the library that `add` made at full width: the same
passages with the same scores. Needs the extra eval.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

from nestling import Library
from nestling.evaluate import DEPTH, Collection, means, ranking_measures, read_collection, scored_by_rank

from ..machine import described, finished

DOCUMENTS, PARTS, FAST_RUNS = 10_000, 4, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", type=Path, nargs=2)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "results" / "fast.json")
    arguments = parser.parse_args()
    first, second = (read_collection(folder) for folder in arguments.collections)
    with tempfile.TemporaryDirectory() as folder:
        given, fast, full = (Path(folder, name) for name in ("documents.jsonl", "fast.nest", "full.nest"))
        count = write(given, [first, second])
        again = [
            run("add", str(Path(folder, f"{number}.nest")), str(given), "--fast") for number in range(1, FAST_RUNS)
        ]
        stages = [stage(fast, first, "add --fast", ["add", str(fast), str(given), "--fast"])]
        again.append(stages[0]["seconds"])
        stages[0]["seconds"] = round(statistics.median(again), 1)
        passages = count_passages(fast)
        for part in range(1, PARTS + 1):
            command = ["refine", str(fast), "--limit", str(-(-passages // PARTS))]
            stages.append(stage(fast, first, f"refine, {part} of {PARTS}", command))
        stages.append(stage(full, first, "add", ["add", str(full), str(given)]))
        queries = list(first.queries.values())
        both = zip(answers(fast, queries), answers(full, queries), strict=True)
        same = sum(one == other for one, other in both)
    result = {
        **described(f"python -m tests.bench.library.fast {' '.join(map(str, arguments.collections))}", 2),
        "collections": [first.name, second.name],
        "documents": count,
        "passages": passages,
        "stages": stages,
        "queries": len(queries),
        "same_answers": same,
    }
    finished(arguments.output, result)


def write(path: Path, collections: list[Collection]) -> int:
    """Write the first documents of all collections, named by their collection, as JSON lines; returns how many."""
    lines = [
        json.dumps(
            {
                "id": f"{collection.name}/{document.id}",
                "title": document.title,
                "text": document.text,
                "metadata": {"collection": collection.name},
            }
        )
        for collection in collections
        for document in collection.documents
    ][:DOCUMENTS]
    Random(0).shuffle(lines)
    path.write_text("\n".join(lines) + "\n")
    return len(lines)


def run(*command: str) -> float:
    """Run a command; its seconds."""
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "nestling.cli", *command], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise SystemExit(done.stderr)
    return seconds


def count_passages(path: Path) -> int:
    """How many passages a library holds."""
    command = [sys.executable, "-m", "nestling.cli", "info", str(path), "--json"]
    return int(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)["passages"])


def stage(path: Path, collection: Collection, name: str, command: list[str]) -> dict[str, Any]:
    """Run a command on a library; its seconds, and what the library then answers on a collection."""
    seconds = run(*command)
    found: dict[str, Any] = {}
    with Library(path) as library:
        for mode in ("hybrid", "dense"):
            run_of = {
                id: scored_by_rank(
                    [
                        hit.id.removeprefix(f"{collection.name}/")
                        for hit in library.search(text, k=DEPTH, mode=mode, where={"collection": collection.name})
                    ]
                )
                for id, text in collection.queries.items()
            }
            values = means(ranking_measures(collection.judgements, run_of))
            found[mode] = {key: round(value, 4) for key, value in values.items()}
    print(name, round(seconds, 1), found, flush=True)
    return {"name": name, "seconds": round(seconds, 1), **found}


def answers(path: Path, queries: list[str]) -> list[list[tuple[str, str, float]]]:
    """The document, text and score of each passage that a query finds."""
    with Library(path) as library:
        return [
            [(hit.id, hit.text, hit.score) for hit in library.search(text, DEPTH, by="passage")] for text in queries
        ]


if __name__ == "__main__":
    main()
