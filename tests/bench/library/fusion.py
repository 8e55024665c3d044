"""Which rule brings the lexical and the dense half together best, on several collections at once.

    python -m tests.bench.library.fusion WORK_FOLDER COLLECTION_FOLDER...

Each collection is indexed once, into the work folder. Every rule orders the same candidates.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nestling import Encoder, Library
from nestling.arrays import Doubles
from nestling.evaluate import Collection, ranking_measures, read_collection
from nestling.library.search import bit_cache, fuse, ranking
from nestling.library.search.fuse import Scores, best_of_groups
from nestling.library.search.query import question
from nestling.library.store import passages
from nestling.library.store.database import Database

from .. import machine

RESULT = machine.ROOT / "tests" / "bench" / "results" / "fusion.json"
SHOWN = 100
RRF = 60

DEPTH = 4 * SHOWN

Rule = Callable[[Scores, float], Doubles]


def weighted(weight: float) -> Rule:
    """The rule of `fuse.fuse`, with another weight."""

    def rule(scores: Scores, missing_bm25: float) -> Doubles:
        fused = fuse.fuse(scores, missing_bm25, weight)
        return fused.scores[np.argsort(fused.keys)]

    return rule


def stretched_sum(weight: float) -> Rule:
    """Both halves stretched to 0 for their worst and 1 for their best candidate."""
    return lambda scores, missing_bm25: weight * stretched(scores.cosine) + (1 - weight) * stretched(scores.bm25)


def reciprocal_ranks(scores: Scores, missing_bm25: float) -> Doubles:
    """Reciprocal rank fusion (Cormack et al., 2009), of what either half found."""
    halves = (np.where(scores.near, scores.cosine, np.nan), scores.bm25)
    return np.sum([np.nan_to_num(1 / (RRF + ranks_of(half))) for half in halves], axis=0)


RULES: dict[str, Rule] = {
    "words alone": lambda scores, missing_bm25: np.nan_to_num(scores.bm25),
    "meaning alone": lambda scores, missing_bm25: scores.cosine,
    "reciprocal ranks, k = 60": reciprocal_ranks,
    **{f"min-max sums, {weight:.1f} meaning": stretched_sum(weight) for weight in (0.5, 0.7, 0.8)},
    **{
        f"cosine + BM25 / best, {weight:.2f} meaning": weighted(weight)
        for weight in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
    },
}


def stretched(values: Doubles) -> Doubles:
    """The values between 0 and 1; 0 where there is none."""
    if np.isnan(values).all():
        return np.zeros(len(values))
    low, high = np.nanmin(values), np.nanmax(values)
    return np.nan_to_num((values - low) / (high - low if high > low else 1))


def ranks_of(values: Doubles) -> Doubles:
    """Rank by value, 1 for the best; NaN where there is none."""
    ranks = np.full(len(values), np.nan)
    found = np.flatnonzero(~np.isnan(values))
    ranks[found[np.argsort(-values[found], kind="stable")]] = np.arange(1, len(found) + 1)
    return ranks


def studied(collection: Collection, path: Path, encoder: Encoder) -> dict[str, float]:
    """nDCG@10 of each rule."""
    runs: dict[str, dict[str, dict[str, float]]] = {rule: {} for rule in RULES}
    with Library(path, encoder=encoder) as library:
        library.add(collection.documents)
    db = Database(path, create=False)
    with db.reading():
        bits = bit_cache.current(db, encoder.dim, None)
        for id, text in collection.queries.items():
            asked = question(text, SHOWN, "hybrid", None, "document", False, lambda: encoder)
            found = ranking.candidates(db, bits, asked, DEPTH)
            scores = best_of_groups(found.scores, ranking.owners(db, bits, found.scores.keys))
            for rule, ordered in RULES.items():
                order = np.lexsort((scores.keys, -ordered(scores, found.missing_bm25)))[:SHOWN]
                names = passages.ids(db, scores.keys[order])
                runs[rule][id] = {names[key]: float(SHOWN - n) for n, key in enumerate(scores.keys[order].tolist())}
    db.close()
    return {
        rule: float(np.mean([values["nDCG@10"] for values in ranking_measures(collection.judgements, run).values()]))
        for rule, run in runs.items()
    }


def main(work: Path, folders: list[Path]) -> None:
    work.mkdir(parents=True, exist_ok=True)
    encoder = Encoder()
    result: dict[str, Any] = machine.described(
        shlex.join(["python", "-m", "tests.bench.library.fusion", "WORK_FOLDER", *map(str, folders)]), encoder.threads
    )
    result |= {"weight": fuse.DENSE_WEIGHT, "collections": {}}
    for folder in folders:
        collection = read_collection(folder)
        result["collections"][collection.name] = studied(collection, work / f"{collection.name}.nest", encoder)
        print(collection.name, result["collections"][collection.name], flush=True)
    machine.finished(RESULT, result)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(folder) for folder in sys.argv[2:]])
