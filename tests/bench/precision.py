"""What precision costs in ranking quality: dense search over whole collections with every precision of a bundle.

    nestling-export build tests/bench/teacher.toml --precision float32 -o FLOAT32_FOLDER
    python tests/bench/precision.py FLOAT32_FOLDER COLLECTION_FOLDER... [--also NAME=BUNDLE_FOLDER:PRECISION]
        [-o tests/bench/results/precision.json]

A document is title and text up to what the encoder reads, one vector each; queries are compared with all of them in
float32, so that only the encoder counts. Those of the float32 weights are turned as the bundle's are. Vectors are kept
in --work, so that a run which breaks off goes on. Needs the extras eval and export.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from machine import described, finished
from nestling import Encoder
from nestling.bundle.manifest import Bundle, read_bundle
from nestling.evaluate import MEASURES, Collection, ranking_measures, read_collection
from nestling.export.bundle.verify import turned
from nestling.export.quantize.onnx_graph import stored_rotation

DEPTH = 100
BLOCK = 512
SAME_WEIGHTS = 0.95

Floats = npt.NDArray[np.float32]
Vectors = tuple[Floats, Floats]
Values = npt.NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("float32", type=Path)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--also", action="append", default=[], help="a further bundle's precision, by a name")
    parser.add_argument("--work", type=Path, default=Path(".nestling-build/precision"))
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results" / "precision.json")
    arguments = parser.parse_args()
    bundle = read_bundle()
    encoders = {"float32": Encoder(arguments.float32, precision="float32")}
    encoders |= {name: Encoder(precision=name) for name in bundle.precisions(bundle.widths[0])}
    for entry in arguments.also:
        name, _, place = entry.partition("=")
        folder, _, precision = place.rpartition(":")
        encoders[name] = Encoder(folder, precision=precision)
    collections = [read_collection(folder) for folder in arguments.collections]
    arguments.work.mkdir(parents=True, exist_ok=True)
    results = {}
    exact = exact_vectors(encoders["float32"], bundle, collections, arguments.work)
    for name, encoder in encoders.items():
        found = exact
        if name != "float32":
            found = [vectors(encoder, collection, arguments.work) for collection in collections]
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


def exact_vectors(exact: Encoder, bundle: Bundle, collections: Sequence[Collection], work: Path) -> list[Vectors]:
    """The vectors of the float32 weights that a bundle was made of, turned as the bundle's are."""
    rotation = stored_rotation(onnx.load(bundle.folder / bundle.variants[0].graph))
    texts = document_texts(collections[0])[:8]
    there = Encoder(bundle).encode(texts, role="document")
    cosine = float((turned(exact.encode(texts, role="document"), rotation) * there).sum(axis=1).mean())
    if cosine < SAME_WEIGHTS:
        raise SystemExit(f"{exact.bundle.folder}: has a cosine of {cosine:.2f} to {bundle.folder}; is of other weights")
    found = [vectors(exact, collection, work) for collection in collections]
    return [(turned(documents, rotation), turned(queries, rotation)) for documents, queries in found]


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
    """Mean measures of ranking documents by scores (queries, documents), see `by_query`."""
    return {name: float(values.mean()) for name, values in by_query(collection, scores).items()}


def by_query(collection: Collection, scores: Floats) -> dict[str, Values]:
    """Measures by name, (judged queries,), of ranking documents by scores (queries, documents); of equals the first
    stands first."""
    ids = [document.id for document in collection.documents]
    run = {}
    for id, row in zip(collection.queries, scores, strict=True):
        best = np.argsort(-row, kind="stable")[:DEPTH]
        run[id] = {ids[place]: float(DEPTH - order) for order, place in enumerate(best)}
    measured = ranking_measures(collection.judgements, run).values()
    return {name: np.array([values[name] for values in measured]) for name in MEASURES}


if __name__ == "__main__":
    main()
