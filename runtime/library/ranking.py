"""A question to hits: dense and lexical halves over one snapshot of a library file, fused and grouped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..vectors import flat
from ..vectors.codes import Bytes, FineCodes, Floats, Rows
from .document import Hit
from .fuse import Fused, best_of_groups, fuse
from .place import place_of
from .store import Keys, Store

By = Literal["document", "passage"]

_MIN_DEPTH = 400
_DEPTH_A_HIT = 4
_CANDIDATES_A_PLACE = 2

# A passage's key, and the place of it or of its document.
Shown = tuple[int, Fused[tuple[str, int]] | Fused[str]]


@dataclass(frozen=True)
class Codes:
    """The bits of all passages, as of one generation of the file.

    Attributes:
        keys: (n,) int64, ascending.
        bits: (n, dim / 8) uint8.
        blocks: these, ready to be scanned.
    """

    generation: str | None
    dim: int
    keys: Keys
    bits: Bytes
    blocks: list[Any]


@dataclass(frozen=True)
class Question:
    """A query, ready to be answered.

    Attributes:
        vector: (1, dim) float32, unit; None to rank by words alone.
        match: an FTS5 expression; empty to rank by meaning alone.
        condition: SQL and parameters of `filters.to_sql`.
        k: hits wanted.
        by: one hit a document, or one a passage.
        exact: rescore every passage.
    """

    vector: Floats | None
    match: str
    condition: tuple[str, list[Any]]
    k: int
    by: By
    exact: bool


def rank(store: Store, codes: Codes | None, question: Question) -> list[Hit]:
    """The k best hits, best first, equal scores by the document's id; inside `store.reading`.

    Args:
        codes: may be None where the question has no vector.
    """
    depth = max(_MIN_DEPTH, _DEPTH_A_HIT * question.k)
    while True:
        order, complete = _order(store, codes, question, depth)
        if len(order) >= question.k or complete:
            return _hits(store, order[: question.k])
        depth *= 4


def _order(store: Store, codes: Codes | None, question: Question, depth: int) -> tuple[list[Shown], bool]:
    """The passages to show, from the `depth` best of each half, and whether these were all there are."""
    bm25 = dict(store.lexical(question.match, depth, question.condition)) if question.match else {}
    nearest, cosine = _dense(store, codes, question, depth, bm25)
    all_lexical = len(bm25) < depth
    floor = 0.0 if all_lexical else min(bm25.values())
    owner = store.owners(np.fromiter(cosine.keys() | bm25.keys(), dtype=np.int64))

    def named(scores: Mapping[int, float]) -> dict[tuple[str, int], float]:
        return {(owner[key], key): score for key, score in scores.items()}

    # By name, so that equal scores stand in one order whatever the order of adding was.
    passages = fuse(named(cosine), named(bm25), {(owner[key], key) for key in nearest}, floor)
    complete = all_lexical and len(nearest) < depth
    if question.by == "passage":
        return [(fused.key[1], fused) for fused in passages], complete
    best_passage: dict[str, int] = {}
    for fused in passages:
        best_passage.setdefault(fused.key[0], fused.key[1])
    owners_nearest = {owner[key] for key in nearest}
    documents = fuse(best_of_groups(cosine, owner), best_of_groups(bm25, owner), owners_nearest, floor)
    return [(best_passage[fused.key], fused) for fused in documents], complete


def _dense(
    store: Store, codes: Codes | None, question: Question, depth: int, also: Iterable[int]
) -> tuple[set[int], dict[int, float]]:
    """The `depth` nearest passages, and the cosine of these and of the passages in `also`, by key."""
    if question.vector is None or codes is None:
        return set(), {}
    mask = None
    if question.condition[0] != "1":
        mask = np.zeros(len(codes.keys), dtype=np.bool_)
        mask[np.searchsorted(codes.keys, store.allowed(question.condition))] = True

    def fetch_fine(wanted: Rows) -> FineCodes:
        return store.fine(codes.keys[wanted], codes.dim)

    candidates = None if question.exact else depth * _CANDIDATES_A_PLACE
    k = min(depth, len(codes.keys))
    segment = flat.Segment(codes.keys, lambda width: codes.blocks, codes.bits.__getitem__, fetch_fine, mask)
    found = dict(flat.search(question.vector, [segment], k, candidates)[0])
    missing = np.fromiter(sorted(set(also) - found.keys()), dtype=np.int64)
    scores = flat.rescore(question.vector[0], np.searchsorted(codes.keys, missing), fetch_fine)
    return set(found), {**found, **dict(zip(missing.tolist(), scores.tolist(), strict=True))}


def _hits(store: Store, order: list[Shown]) -> list[Hit]:
    rows = store.passages(np.fromiter((key for key, _ in order), dtype=np.int64))
    return [
        Hit(
            id=rows[key].document.id,
            score=fused.score,
            title=rows[key].document.title,
            text=rows[key].text[rows[key].start :],
            source=rows[key].document.source,
            metadata=dict(rows[key].document.metadata),
            passage=rows[key].number,
            place=place_of(rows[key].text, rows[key].start, rows[key].document.source),
            dense_rank=fused.dense_rank,
            lexical_rank=fused.lexical_rank,
        )
        for key, fused in order
    ]
