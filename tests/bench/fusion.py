"""Which rule brings the lexical and the dense half together best, on several collections at once.

    python tests/bench/fusion.py WORK_FOLDER ../shared/data/cranfield ../shared/data/scifact ../shared/data/medquad

Each collection is indexed once, into the work folder. Every rule orders the same candidates.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import machine
from nestling import Encoder, Library
from nestling.evaluate import Collection, ranking_measures, read_collection
from nestling.library.search import bit_cache as resident
from nestling.library.search import fuse, lexical, ranking
from nestling.library.search.fuse import Scores, Values, best_of_groups

RESULT = machine.ROOT / "tests" / "bench" / "results" / "fusion.json"
SHOWN = 100
RRF = 60

DEPTH = 4 * SHOWN

Rule = Callable[[Scores, float], Values]


def weighted(weight: float) -> Rule:
    """The rule of `fuse.fuse`, with another weight."""

    def rule(scores: Scores, floor: float) -> Values:
        fused = fuse.fuse(scores, floor, weight)
        return fused.scores[np.argsort(fused.keys)]

    return rule


def stretched_sum(weight: float) -> Rule:
    """Both halves stretched to 0 for their worst and 1 for their best candidate."""
    return lambda scores, floor: weight * stretched(scores.cosine) + (1 - weight) * stretched(scores.bm25)


def reciprocal_ranks(scores: Scores, floor: float) -> Values:
    """Reciprocal rank fusion (Cormack et al., 2009), of what either half found."""
    halves = (np.where(scores.near, scores.cosine, np.nan), scores.bm25)
    return np.sum([np.nan_to_num(1 / (RRF + placed(half))) for half in halves], axis=0)


RULES: dict[str, Rule] = {
    "words alone": lambda scores, floor: np.nan_to_num(scores.bm25),
    "meaning alone": lambda scores, floor: scores.cosine,
    "reciprocal ranks, k = 60": reciprocal_ranks,
    **{f"min-max sums, {weight:.1f} meaning": stretched_sum(weight) for weight in (0.5, 0.7, 0.8)},
    **{
        f"cosine + BM25 / best, {weight:.2f} meaning": weighted(weight)
        for weight in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
    },
}


def stretched(values: Values) -> Values:
    """The values between 0 and 1; 0 where there is none."""
    if np.isnan(values).all():
        return np.zeros(len(values))
    low, high = np.nanmin(values), np.nanmax(values)
    return np.nan_to_num((values - low) / (high - low if high > low else 1))


def placed(values: Values) -> Values:
    """1 for the best; NaN where there is none."""
    places = np.full(len(values), np.nan)
    found = np.flatnonzero(~np.isnan(values))
    places[found[np.argsort(-values[found], kind="stable")]] = np.arange(1, len(found) + 1)
    return places


def studied(collection: Collection, path: Path, encoder: Encoder) -> dict[str, float]:
    """nDCG@10 of each rule."""
    runs: dict[str, dict[str, dict[str, float]]] = {rule: {} for rule in RULES}
    with Library(path, encoder=encoder) as library:
        library.add(collection.documents)
        store = library._store
        with store.reading():
            held = resident.current(store, library.dim, None)
            for id, text in collection.queries.items():
                question = ranking.Question(
                    library._query_vector(text), lexical.terms(text), None, SHOWN, "document", False
                )
                found = ranking.candidates(store, held, question, DEPTH)
                scores = best_of_groups(found.scores, ranking.owners(store, held, found.scores.keys))
                for rule, ordered in RULES.items():
                    order = np.lexsort((scores.keys, -ordered(scores, found.floor)))[:SHOWN]
                    names = store.ids(scores.keys[order])
                    runs[rule][id] = {names[key]: float(SHOWN - n) for n, key in enumerate(scores.keys[order].tolist())}
    return {
        rule: float(np.mean([values["nDCG@10"] for values in ranking_measures(collection.judgements, run).values()]))
        for rule, run in runs.items()
    }


def main(work: Path, folders: list[Path]) -> None:
    work.mkdir(parents=True, exist_ok=True)
    encoder = Encoder()
    result: dict[str, Any] = machine.described(
        shlex.join(["python", "tests/bench/fusion.py", "WORK_FOLDER", *map(str, folders)]), encoder.threads
    )
    result |= {"weight": fuse.DENSE_WEIGHT, "collections": {}}
    for folder in folders:
        collection = read_collection(folder)
        result["collections"][collection.name] = studied(collection, work / f"{collection.name}.nest", encoder)
        print(collection.name, result["collections"][collection.name], flush=True)
    machine.finished(RESULT, result)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(folder) for folder in sys.argv[2:]])
