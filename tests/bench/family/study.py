"""What the widths of a family keep of their teacher's ranking quality.

    python -m tests.bench.family.study FLOAT32_FOLDER COLLECTION_FOLDER... [--rival NAME=FOLDER ...]
        [-o tests/bench/results/study.json]

FLOAT32_FOLDER is a bundle of the teacher's weights in float32:

    nestling-export build tests/bench/family/teacher.toml --precision float32 -o FLOAT32_FOLDER

Its vectors are turned as the family's are. A document is title and text up to what the encoder reads, one vector each;
queries are compared with all of them in float32, so that only the encoder counts. Vectors are kept in --work, so that a
run which breaks off goes on. A rival is what rivals.py or rival_peers.py left in a folder. Needs the extras eval and
export.

A share is the mean of nDCG@10 over the collections as a part of that of the teacher; beside it stands between what 95 %
of 2,000 resamplings of the queries (paired, of each collection) have it. What a width costs is in `speed.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nestling import Encoder
from nestling.bundle.manifest import read_bundle
from nestling.evaluate import Collection, read_collection

from ..machine import described, finished
from .vectors import Floats, Values, Vectors, by_query, exact_vectors, vectors

MEASURES = ("nDCG@10", "Recall@100")
DIMS = (384, 256, 128, 64)
RESCORED = 40
RESAMPLINGS = 2000

# Measures by collection and name, (judged queries,) each.
Scores = dict[str, dict[str, Values]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("float32", type=Path)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--bundle", type=Path, help="the family; the bundled one by default")
    parser.add_argument("--rival", action="append", default=[], help="NAME=FOLDER, see rivals.py")
    parser.add_argument("--every-precision", action="store_true", help="of each width; the first alone by default")
    parser.add_argument("--work", type=Path, default=Path(".nestling-build/precision"))
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "results" / "study.json")
    arguments = parser.parse_args()
    collections = [read_collection(folder) for folder in arguments.collections]
    arguments.work.mkdir(parents=True, exist_ok=True)
    bundle = read_bundle(arguments.bundle)
    teacher = Encoder(arguments.float32, precision="float32")
    encoders = {v.name: Encoder(bundle, width=v.width, precision=v.precision) for v in bundle.variants}
    widths = [bundle.variant(width, bundle.precisions(width)[0]).name for width in bundle.widths]
    exact = exact_vectors(teacher, bundle, collections, arguments.work)
    found = {
        name: [vectors(encoders[name], collection, arguments.work) for collection in collections]
        for name in (encoders if arguments.every_precision else widths)
    }
    rivals = {}
    for entry in arguments.rival:
        name, _, folder = entry.partition("=")
        rivals[name] = [kept(Path(folder) / f"{collection.name}.npz") for collection in collections]
    base = quality(collections, exact, exact)
    default = widths[0]
    result: dict[str, Any] = {
        "collections": {
            one.name: {"documents": len(one.documents), "queries": len(one.queries)} for one in collections
        },
        "bundle": {"name": bundle.name, "space": bundle.space},
        "teacher": rounded(base),
        "default": default,
        "widths": widths,
        "pairs": [
            {"queries": queries, "documents": documents, **shared(quality(collections, one, other), base)}
            for queries, one in found.items()
            for documents, other in found.items()
            if default in (queries, documents) or queries == documents or {queries, documents} <= set(widths)
        ],
        "codes": [
            {"encoder": name, "code": code, **shared(scores, base)}
            for name, one in {"teacher float32": exact, **found}.items()
            for code, scores in codes(collections, one).items()
        ],
        "rivals": {
            name: {
                "both": shared(quality(collections, one, one), base),
                "queries": shared(quality(collections, one, found[default]), base) if fits(one) else None,
            }
            for name, one in rivals.items()
        },
    }
    pairs = {(row["queries"], row["documents"]): row["share"] for row in result["pairs"]}
    result["quality"] = {
        name: {"documents": round(100 * pairs[default, name], 1), "queries": round(100 * pairs[name, default], 1)}
        for name in found
    }
    given = ["--every-precision"] if arguments.every_precision else []
    given += [str(folder) for folder in arguments.collections] + [f"--rival '{name}=FOLDER'" for name in rivals]
    command = f"python -m tests.bench.family.study FLOAT32_FOLDER {' '.join(given)}"
    finished(arguments.output, {**described(command, teacher.threads), **result})


def kept(path: Path) -> Vectors:
    """The vectors of documents and queries that a rival left, (n, dim) each, made unit."""
    with np.load(path) as stored:
        return unit(stored["documents"]), unit(stored["queries"])


def fits(found: Sequence[Vectors]) -> bool:
    """Whether a rival's vectors are as long as the family's."""
    return found[0][0].shape[1] == DIMS[0]


def quality(collections: Sequence[Collection], queries: Sequence[Vectors], documents: Sequence[Vectors]) -> Scores:
    """Measures by collection, of dense search with one encoder's queries among another's documents."""
    scores = {}
    for collection, (_, one), (other, _) in zip(collections, queries, documents, strict=True):
        scores[collection.name] = by_query(collection, one @ other.T)
    return scores


def codes(collections: Sequence[Collection], found: Sequence[Vectors]) -> dict[str, Scores]:
    """Measures by what is kept of a vector, both of documents and queries, and by collection."""
    result: dict[str, Scores] = {}
    for collection, (documents, queries) in zip(collections, found, strict=True):
        for dim in DIMS:
            scores = unit(queries[:, :dim]) @ unit(documents[:, :dim]).T
            result.setdefault(f"{dim} values", {})[collection.name] = by_query(collection, scores)
        whole = queries @ documents.T
        near = signs(queries) @ signs(documents).T
        result.setdefault(f"{DIMS[0]} bits", {})[collection.name] = by_query(collection, near)
        # Those with the nearest bits stand before all others, in the order of their values.
        shortlist = np.argsort(-near, axis=1, kind="stable")[:, :RESCORED]
        rescored = near / DIMS[0] - 4
        np.put_along_axis(rescored, shortlist, np.take_along_axis(whole, shortlist, axis=1), axis=1)
        result.setdefault(f"bits, {RESCORED} rescored", {})[collection.name] = by_query(collection, rescored)
    return result


def signs(rows: Floats) -> Floats:
    """1 or -1 by sign."""
    return np.where(rows > 0, 1, -1).astype(np.float32)


def unit(rows: npt.NDArray[Any]) -> Floats:
    """Rows of length 1, float32."""
    rows = rows.astype(np.float32)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def rounded(scores: Scores) -> dict[str, dict[str, float]]:
    """The means that a result file says, by collection, to four digits."""
    return {one: {name: round(float(values[name].mean()), 4) for name in MEASURES} for one, values in scores.items()}


def shared(scores: Scores, base: Scores) -> dict[str, Any]:
    """Scores with the share of their mean nDCG@10 and Recall@100 in that of the teacher."""
    part = {name: mean(scores, name) / mean(base, name) for name in MEASURES}
    random = np.random.default_rng(0)
    drawn = {one: random.integers(0, count, (RESAMPLINGS, count)) for one, count in counted(base).items()}
    found, of = (sum(side[one]["nDCG@10"][rows].mean(axis=1) for one, rows in drawn.items()) for side in (scores, base))
    return {
        "scores": rounded(scores),
        "share": round(part["nDCG@10"], 4),
        "share_between": [round(float(end), 4) for end in np.percentile(found / of, [2.5, 97.5])],
        "recall_share": round(part["Recall@100"], 4),
    }


def counted(scores: Scores) -> dict[str, int]:
    """Judged queries by collection."""
    return {one: len(values["nDCG@10"]) for one, values in scores.items()}


def mean(scores: Scores, name: str) -> float:
    """The mean of a measure over the collections, each counting alike."""
    return float(np.mean([values[name].mean() for values in scores.values()]))


if __name__ == "__main__":
    main()
