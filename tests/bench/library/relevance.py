"""How likely a hit is relevant by its scores: fitted on judged collections, tested on the one left out.

    python -m tests.bench.library.relevance WORK_FOLDER COLLECTION_FOLDER... [-o tests/bench/results/relevance.json]

Each collection is indexed once, into the work folder, and asked its own questions and those of the others, which have
no answer there. A logistic regression (Platt 1999) of the cosine, of words alone of their share, is fitted to the first
hits, each collection counting alike. `calibration error` is that of ten bins (Guo et al., arXiv 1706.04599) over the
hits of the collection's own questions, `auroc` how well the best hit tells its own questions from the others. The last
fit is of all collections, and is what `nestling-export rate` writes into a bundle. Needs the extra eval.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nestling import Encoder, Library
from nestling.arrays import Doubles
from nestling.evaluate import Collection, read_collection
from nestling.library.search import bit_cache, ranking
from nestling.library.search.fuse import best_of_groups, fuse
from nestling.library.search.query import Mode, question
from nestling.library.store import passages
from nestling.library.store.database import Database

from .. import machine

SHOWN, DEPTH, BINS, STEPS = 10, 400, 10, 50
RIDGE = 1e-6
QUESTIONS_OF_ANOTHER = 150
# Of hybrid too the cosine alone: with the words' share beside it, what fits two collections errs twice as much on the
# third, by .25 instead of .12 on medquad.
MODES: dict[Mode, tuple[int, ...]] = {"hybrid": (0, 1), "dense": (0, 1), "lexical": (0, 2)}
BOUND_KEEPS = 0.95  # of the questions that have an answer


@dataclass(frozen=True, eq=False)
class Hits:
    """The first hits of questions, a row a hit.

    Attributes:
        scores: (n, 3): 1, the cosine, the words' share.
        relevant: (n,) 1 where judged so.
        asked: (n,) the number of the question.
        own: (questions,) whether it is one of the collection's own.
    """

    scores: Doubles
    relevant: Doubles
    asked: Doubles
    own: Doubles


def hits_of(collection: Collection, others: Sequence[Collection], mode: Mode, path: Path, encoder: Encoder) -> Hits:
    """The first hits of a collection's own questions, and of some of each other's."""
    with Library(path, encoder=encoder) as library:
        library.add(collection.documents)
    asked = [(text, collection.judgements.get(id, {})) for id, text in collection.queries.items()]
    for other in others:
        foreign = list(other.queries.values())
        step = -(-len(foreign) // QUESTIONS_OF_ANOTHER)
        asked += [(text, None) for text in foreign[::step]]
    rows: list[list[float]] = []
    db = Database(path, create=False)
    with db.reading():
        bits = bit_cache.current(db, encoder.dim, None)
        for number, (text, judged) in enumerate(asked):
            given = question(text, SHOWN, mode, None, "document", False, lambda: encoder)
            found = ranking.candidates(db, bits, given, DEPTH)
            scores = best_of_groups(found.scores, ranking.owners(db, bits, found.scores.keys))
            order = fuse(scores, found.missing_bm25, given.dense_weight)
            names = passages.ids(db, order.keys[:SHOWN])
            for row, key in enumerate(order.keys[:SHOWN].tolist()):
                words = np.nan_to_num(order.bm25[row]) / found.most_bm25 if found.most_bm25 else 0.0
                relevant = 0 if judged is None else int(judged.get(names[key], 0) > 0)
                rows.append([1, np.nan_to_num(order.cosine[row]), words, relevant, number])
    db.close()
    table = np.array(rows)
    return Hits(table[:, :3], table[:, 3], table[:, 4], np.array([judged is not None for _, judged in asked], float))


def fitted(given: Sequence[Hits], columns: tuple[int, ...]) -> Doubles:
    """Weights of the columns, by Newton's method; each collection counts alike."""
    scores = np.concatenate([one.scores[own_rows(one)][:, columns] for one in given])
    relevant = np.concatenate([one.relevant[own_rows(one)] for one in given])
    share = np.concatenate([np.full(own_rows(one).sum(), 1 / own_rows(one).sum()) for one in given])
    weights = np.zeros(len(columns))
    for _ in range(STEPS):
        likely = 1 / (1 + np.exp(-scores @ weights))
        slope = scores.T @ (share * (likely - relevant)) + RIDGE * weights
        curve = (scores * (share * likely * (1 - likely))[:, None]).T @ scores + RIDGE * np.eye(len(columns))
        weights -= np.linalg.solve(curve, slope)
    return weights


def own_rows(hits: Hits) -> Any:
    """Which hits are of the collection's own questions."""
    return hits.own[hits.asked.astype(int)] > 0


def likely(hits: Hits, weights: Doubles, columns: tuple[int, ...]) -> Doubles:
    """The relevance of each hit."""
    return np.asarray(1 / (1 + np.exp(-hits.scores[:, columns] @ weights)))


def calibration_error(expected: Doubles, relevant: Doubles) -> float:
    """The mean distance of what is said and what is so, over bins of what is said."""
    bins = np.minimum((expected * BINS).astype(int), BINS - 1)
    apart = [abs(expected[bins == one].mean() - relevant[bins == one].mean()) * (bins == one).mean()
             for one in np.unique(bins)]  # fmt: skip
    return float(sum(apart))


def best_of_questions(hits: Hits, expected: Doubles) -> Doubles:
    """The highest relevance among the hits of each question, 0 where it has none."""
    best = np.zeros(len(hits.own))
    np.maximum.at(best, hits.asked.astype(int), expected)
    return best


def auroc(scores: Doubles, positive: Doubles) -> float:
    """How often one that is positive stands above one that is not."""
    one, other = scores[positive > 0], scores[positive == 0]
    ranked = np.sort(other)
    below, upto = (np.searchsorted(ranked, one, side=side) for side in ("left", "right"))
    return float(((below + upto) / 2).mean() / len(other))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, default=machine.ROOT / "tests/bench/results/relevance.json")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    encoder = Encoder()
    collections = [read_collection(folder) for folder in arguments.collections]
    result: dict[str, Any] = {"left out": {}, "relevance": {}}
    for mode, columns in MODES.items():
        found = {}
        for collection in collections:
            others = [one for one in collections if one is not collection]
            path = arguments.work / f"{collection.name}.nest"
            found[collection.name] = hits_of(collection, others, mode, path, encoder)
        for name, hits in found.items():
            weights = fitted([one for other, one in found.items() if other != name], columns)
            said, own = likely(hits, weights, columns), own_rows(hits)
            result["left out"].setdefault(mode, {})[name] = {
                "calibration error": round(calibration_error(said[own], hits.relevant[own]), 4),
                "auroc": round(auroc(best_of_questions(hits, said), hits.own), 4),
                "said": round(float(said[own].mean()), 4),
                "relevant": round(float(hits.relevant[own].mean()), 4),
            }
            print(mode, name, result["left out"][mode][name], flush=True)
        weights = fitted(list(found.values()), columns)
        result["relevance"][mode] = [round(float(one), 4) for one in weights] + [0.0] * (mode == "hybrid")
        if mode == "hybrid":
            best = [best_of_questions(one, likely(one, weights, columns))[one.own > 0] for one in found.values()]
            bound = float(np.quantile(np.concatenate(best), 1 - BOUND_KEEPS))
            told = [best_of_questions(one, likely(one, weights, columns)) for one in found.values()]
            pairs = list(zip(told, found.values(), strict=True))
            result["below the bound"] = {
                "questions with an answer": round(float(np.mean([(t[h.own > 0] < bound).mean() for t, h in pairs])), 4),
                "without": round(float(np.mean([(t[h.own == 0] < bound).mean() for t, h in pairs])), 4),
            }
            result["relevance"]["bound"] = round(bound, 3)
    command = f"python -m tests.bench.library.relevance WORK_FOLDER {' '.join(map(str, arguments.collections))}"
    machine.finished(arguments.output, {**machine.described(command, encoder.threads), **result})


if __name__ == "__main__":
    main()
