"""What precision costs in ranking quality: dense search over whole collections with every precision of a bundle.

    nestling-export build models/minilm-l6-en/recipe.toml --precision float32 -o FLOAT32_FOLDER
    python tests/bench/precision.py FLOAT32_FOLDER COLLECTION_FOLDER... [--also NAME=BUNDLE_FOLDER:PRECISION]
        [-o tests/bench/results/precision.json]

A document is title and text up to what the encoder reads, one vector each; queries are compared with all of them in
float32, so that only the encoder counts. Vectors are kept in --work, so that a run which breaks off goes on. Needs the
eval extra.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from machine import described, finished
from nestling import Encoder
from nestling.encoding.bundle import read_bundle
from nestling.evaluate import MEASURES, Collection, measure, read_collection

DEPTH = 100
BLOCK = 512

Floats = npt.NDArray[np.float32]
Vectors = tuple[Floats, Floats]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("float32", type=Path)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--also", action="append", default=[], help="a further bundle's precision, by a name")
    parser.add_argument("--work", type=Path, default=Path(".nestling-build/precision"))
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results" / "precision.json")
    arguments = parser.parse_args()
    encoders = {"float32": Encoder(arguments.float32, precision="float32")}
    encoders |= {variant.precision: Encoder(precision=variant.precision) for variant in read_bundle().variants}
    for entry in arguments.also:
        name, _, place = entry.partition("=")
        folder, _, precision = place.rpartition(":")
        encoders[name] = Encoder(folder, precision=precision)
    collections = [read_collection(folder) for folder in arguments.collections]
    arguments.work.mkdir(parents=True, exist_ok=True)
    results = {}
    exact: list[Vectors] = []
    for name, encoder in encoders.items():
        found = [vectors(encoder, collection, arguments.work) for collection in collections]
        exact = exact or found
        scores, cosines = compared(collections, found, exact)
        results[name] = {
            "file_bytes": encoder.bundle.bytes_of(encoder.bundle.variant(encoder.width, encoder.precision)),
            "mean": round(float(np.mean(list(scores.values()))), 4),
            "texts": len(cosines),
            **figures(scores, cosines),
        }
        of = results["float32"]
        results[name]["share"] = round(float(np.mean(list(scores.values()))) / of["mean"], 4)
        results[name]["shares"] = {key: round(value / of["ndcg_at_10"][key], 4) for key, value in scores.items()}
        print(name, json.dumps(results[name]), flush=True)
    command = f"python tests/bench/precision.py FLOAT32_FOLDER {' '.join(map(str, arguments.collections))}"
    finished(arguments.output, {**described(command, encoders["float32"].threads), "precisions": results})


def variant_files(encoder: Encoder) -> tuple[str, ...]:
    """The files of an encoder's variant."""
    return encoder.bundle.variant(encoder.width, encoder.precision).files


def vectors(encoder: Encoder, collection: Collection, work: Path) -> Vectors:
    """The vectors of all documents and queries, (n, dim) each; kept in the work folder by what made them."""
    files = [encoder.bundle.files[name].sha256 for name in variant_files(encoder)]
    key = hashlib.sha256(" ".join([collection.name, *files]).encode()).hexdigest()[:16]
    path = work / f"{collection.name}-{encoder.precision}-{key}.npz"
    if not path.exists():
        room = encoder.tokens.room("document")
        texts = document_texts(collection)
        rows = []
        for begin in range(0, len(texts), BLOCK):
            part = [encoder.tokens.truncated(text, room) for text in texts[begin : begin + BLOCK]]
            rows.append(encoder.encode(part, role="document"))
            print(f"\r{encoder.precision} {collection.name} {begin + len(part)} of {len(texts)}", end="", flush=True)
        print()
        queries = encoder.encode(list(collection.queries.values()), role="query")
        np.savez(path, documents=np.concatenate(rows), queries=queries)
    with np.load(path) as stored:
        return stored["documents"], stored["queries"]


def document_texts(collection: Collection) -> list[str]:
    """What is encoded of each document."""
    return [f"{document.title} {document.text}".strip() for document in collection.documents]


def compared(
    collections: list[Collection], found: list[Vectors], exact: list[Vectors]
) -> tuple[dict[str, float], Floats]:
    """Mean nDCG@10 by collection, and the cosine of every text to what it has exactly: (n,) float32."""
    scores = {one.name: quality(one, *vectors) for one, vectors in zip(collections, found, strict=True)}
    rows, expected = (np.concatenate([part for both in side for part in both]) for side in (found, exact))
    return scores, np.asarray((rows * expected).sum(axis=1))


def figures(scores: dict[str, float], cosines: Floats) -> dict[str, Any]:
    """What a result file says of `compared`."""
    return {
        "ndcg_at_10": {name: round(score, 4) for name, score in scores.items()},
        "cosine_mean": round(float(cosines.mean()), 4),
        "cosine_min": round(float(cosines.min()), 4),
    }


def quality(collection: Collection, documents: Floats, queries: Floats) -> float:
    """Mean nDCG@10 over the queries."""
    return ranked(collection, queries @ documents.T)["nDCG@10"]


def ranked(collection: Collection, scores: Floats) -> dict[str, float]:
    """Mean measures of ranking documents by scores (queries, documents); of equals the first stands first."""
    ids = [document.id for document in collection.documents]
    run = {}
    for id, row in zip(collection.queries, scores, strict=True):
        best = np.argsort(-row, kind="stable")[:DEPTH]
        run[id] = {ids[place]: float(DEPTH - order) for order, place in enumerate(best)}
    by_query = measure(collection.judgements, run)
    return {name: float(np.mean([values[name] for values in by_query.values()])) for name in MEASURES}


if __name__ == "__main__":
    main()
