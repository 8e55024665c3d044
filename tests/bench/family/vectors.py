"""Vectors of whole collections, kept in a folder, and the quality of ranking by them: what `study.py` stands on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from nestling import Encoder
from nestling.arrays import Doubles as Values
from nestling.arrays import Floats
from nestling.bundle.manifest import Bundle
from nestling.evaluate import MEASURES, Collection, ranking_measures
from nestling.export.quantize.onnx_graph import stored_turn

DEPTH = 100
BLOCK = 512
SAME_WEIGHTS = 0.95

Vectors = tuple[Floats, Floats]


def exact_vectors(exact: Encoder, bundle: Bundle, collections: Sequence[Collection], work: Path) -> list[Vectors]:
    """The vectors of the float32 weights that a bundle was made of, turned as the bundle's are."""
    turn = stored_turn(onnx.load(bundle.folder / bundle.variants[0].graph, load_external_data=True))
    assert turn is not None
    texts = document_texts(collections[0])[:8]
    there = Encoder(bundle).encode(texts, role="document")
    cosine = float((turn(exact.encode(texts, role="document")) * there).sum(axis=1).mean())
    if cosine < SAME_WEIGHTS:
        raise SystemExit(f"{exact.bundle.folder}: has a cosine of {cosine:.2f} to {bundle.folder}; is of other weights")
    found = [vectors(exact, collection, work) for collection in collections]
    return [(turn(documents), turn(queries)) for documents, queries in found]


def vectors(encoder: Encoder, collection: Collection, work: Path) -> Vectors:
    """The vectors of all documents and queries, (n, dim) each; kept in the work folder by what made them."""
    files = [
        encoder.bundle.files[name].sha256 for name in encoder.bundle.variant(encoder.width, encoder.precision).files
    ]
    key = hashlib.sha256(" ".join([collection.name, *files]).encode()).hexdigest()[:16]
    path = work / f"{collection.name}-{encoder.precision}-{key}.npz"
    if not path.exists():
        texts = document_texts(collection)
        rows = []
        for begin in range(0, len(texts), BLOCK):
            part = [encoder.tokens.readable(text, "document") for text in texts[begin : begin + BLOCK]]
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


def by_query(collection: Collection, scores: Floats) -> dict[str, Values]:
    """Measures by name, (judged queries,), of ranking documents by scores (queries, documents); of equals the first
    stands first."""
    ids = [document.id for document in collection.documents]
    run = {}
    for id, row in zip(collection.queries, scores, strict=True):
        best = np.argsort(-row, kind="stable")[:DEPTH]
        run[id] = {ids[document]: float(DEPTH - rank) for rank, document in enumerate(best)}
    measured = ranking_measures(collection.judgements, run).values()
    return {name: np.array([values[name] for values in measured]) for name in MEASURES}
