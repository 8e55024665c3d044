"""A library is brought over to another bundle: what it finds at once, while it is refined, and in the end.

    python -m tests.bench.library.upgraded EARLIER_BUNDLE WORK_FOLDER COLLECTION_FOLDER... [--as-new NAME...]

EARLIER_BUNDLE is the folder of the bundle that the libraries are made with, as Nestling 0.1.0 ships one. WORK_FOLDER
keeps these libraries. Each is copied, brought over to the bundle that ships now, and asked the first 500 queries after
each tenth of its passages: with the earlier bundle at hand, and without. In the end each query's ten hits are compared
with those of a library that was made new. Needs the extra eval.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

from nestling import Encoder, Library
from nestling.evaluate import Collection, means, ranking_measures, read_collection, scored_by_rank

from ..machine import ROOT, described, finished

DEPTH, HITS, PARTS, QUERIES = 10, 10, 10, 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("earlier", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--as-new", nargs="*", default=[], help="names of collections that are indexed anew beside it")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "tests/bench/results/upgraded.json")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    given = " ".join(map(str, arguments.collections)) + f" --as-new {' '.join(arguments.as_new)}"
    result = {
        **described(f"python -m tests.bench.library.upgraded EARLIER_BUNDLE WORK_FOLDER {given}", Encoder().threads),
        "collections": {},
    }
    for folder in arguments.collections:
        collection = read_collection(folder)
        result["collections"][collection.name] = upgraded(
            collection, arguments.earlier, arguments.work, collection.name in arguments.as_new
        )
        finished(arguments.output, result)


def upgraded(collection: Collection, earlier: Path, work: Path, compare: bool) -> dict[str, Any]:
    """What a library of a collection finds at each step, and what it costs."""
    before, path, new = (work / f"{collection.name}-{name}.nest" for name in ("before", "upgraded", "new"))
    with Library(before, bundle=earlier) as library:
        library.add(collection.documents)
        was = quality(library, collection)
    for one in work.glob(f"{path.name}*"):
        one.unlink()
    shutil.copy(before, path)
    with Library(path, bundle=earlier) as library:
        begin = time.perf_counter()
        kept = library.upgrade()
        library.search("the first question")
        seconds = time.perf_counter() - begin
        passages, largest = library.info().passages, size(path)
        steps = [both(library, collection)]
        for _ in range(PARTS):
            library.refine(limit=-(-passages // PARTS))
            largest = max(largest, size(path))
            steps.append(both(library, collection))
            print(collection.name, was, kept, seconds, steps, flush=True)
        result = {
            "documents": len(collection.documents),
            "passages": passages,
            "queries": len(asked(collection)),
            "before": was,
            "kept": kept,
            "first_answer_s": seconds,
            "steps": steps,
            "largest_times": largest / size(before),
        }
        if compare:
            refined = answers(library, collection)
    if compare:
        with Library(new) as library:
            library.add(collection.documents)
            found = answers(library, collection)
        result["same_answers"] = sum(one == other for one, other in zip(refined, found, strict=True))
        result["times_of_new"] = size(path) / size(new)
    return result


def both(library: Library, collection: Collection) -> dict[str, float]:
    """nDCG@10 with the earlier bundle at hand, as it is for what upgraded the library, and without."""
    with Library(library.path) as other:
        return {"at hand": quality(library, collection), "mapped": quality(other, collection)}


def asked(collection: Collection) -> dict[str, str]:
    """The first queries."""
    return dict(list(collection.queries.items())[:QUERIES])


def size(path: Path) -> int:
    """Bytes of a library with its log."""
    return sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*"))


def quality(library: Library, collection: Collection) -> float:
    """nDCG@10 by meaning and words."""
    queries = asked(collection)
    runs = {id: scored_by_rank([hit.id for hit in library.search(text, DEPTH)]) for id, text in queries.items()}
    judged = {id: values for id, values in collection.judgements.items() if id in queries}
    return round(means(ranking_measures(judged, runs))["nDCG@10"], 4)


def answers(library: Library, collection: Collection) -> list[list[tuple[Any, ...]]]:
    """The first hits of each query."""
    return [
        [(hit.id, hit.passage, hit.score, hit.text) for hit in library.search(text, HITS)]
        for text in asked(collection).values()
    ]


if __name__ == "__main__":
    main()
