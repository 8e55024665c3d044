"""A question to hits: dense and lexical halves over one snapshot of a library file, fused and grouped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ...arrays import Floats, Rows
from ...document import Hit
from ...place import place_of
from ...vectors import flat
from ...vectors.codes import FineCodes
from ..store.store import Keys, Store
from . import lexical, snippet
from .bit_cache import Resident
from .fuse import DENSE_WEIGHT, Fused, Scores, Values, best_of_groups, fuse

By = Literal["document", "passage"]

_MIN_DEPTH = 400
_DEPTH_A_HIT = 4
_CANDIDATES_A_PLACE = 2
# BM25 takes about 2 microseconds a passage that shares a word: so many for each place that is looked for.
_READ_A_PLACE = 50


@dataclass(frozen=True)
class Question:
    """A query, ready to be answered.

    Attributes:
        vector: (1, dim) float32, unit; None to rank by words alone.
        terms: FTS5 expressions of `lexical.terms`; none to rank by meaning alone.
        condition: SQL and parameters of `filters.to_sql`; None for all documents.
        k: hits wanted.
        by: one hit a document, or one a passage.
        exact: rescore every passage.
        dense_weight: of the cosine in the sum of both halves.
    """

    vector: Floats | None
    terms: list[str]
    condition: tuple[str, list[Any]] | None
    k: int
    by: By
    exact: bool
    dense_weight: float = DENSE_WEIGHT


@dataclass(frozen=True, eq=False)
class _Shown:
    """What is shown, best first: the fused order of passages or documents, and the passage of each."""

    order: Fused
    passages: Keys


def rank(store: Store, resident: Resident | None, question: Question) -> list[Hit]:
    """The k best hits, best first, equal scores by the document's id; inside `store.reading`.

    Args:
        resident: may be None where the question has no vector.
    """
    depth = max(_MIN_DEPTH, _DEPTH_A_HIT * question.k)
    allowed = None if question.condition is None else store.allow(question.condition)
    while True:
        found = candidates(store, resident, question, depth, allowed)
        shown = _ordered(found, owners(store, resident, found.scores.keys), question)
        if len(shown.passages) >= question.k or found.complete:
            return _hits(store, shown, question)
        depth *= 4


@dataclass(frozen=True, eq=False)
class Candidates:
    """What both halves found, by passage.

    Attributes:
        floor: what a passage that the lexical half did not find counts for, see `fuse.fuse`.
        complete: whether there is nothing else to be found.
    """

    scores: Scores
    floor: float
    complete: bool


def candidates(
    store: Store, resident: Resident | None, question: Question, depth: int, allowed: Keys | None = None
) -> Candidates:
    """The `depth` best passages of each half; inside `store.reading`.

    Args:
        allowed: what `store.allow` gave for the question's condition.
    """
    words = lexical.affordable(question.terms, store.matching, depth * _READ_A_PLACE)
    by_words = store.lexical(lexical.any_of(words), depth, allowed=allowed is not None) if words else []
    scores = _with_cosines(store, resident, question, depth, dict(by_words), allowed)
    found_all = len(by_words) < depth and len(words) == len(question.terms)
    floor = 0.0 if len(by_words) < depth else by_words[-1][1]
    return Candidates(scores, floor, found_all and bool(np.count_nonzero(scores.near) < depth))


def owners(store: Store, resident: Resident | None, keys: Keys) -> Keys:
    """The key of each passage's document."""
    if resident is None:
        return store.owners(keys)
    return resident.documents[np.searchsorted(resident.keys, keys)]


def _ordered(found: Candidates, owner: Keys, question: Question) -> _Shown:
    passages = fuse(found.scores, found.floor, question.dense_weight)
    if question.by == "passage":
        return _Shown(passages, passages.keys)
    documents = fuse(best_of_groups(found.scores, owner), found.floor, question.dense_weight)
    # The first passage of each document in the order of passages is its best.
    of_passages = owner[np.searchsorted(found.scores.keys, passages.keys)]
    keys, first = np.unique(of_passages, return_index=True)
    return _Shown(documents, passages.keys[first[np.searchsorted(keys, documents.keys)]])


def _with_cosines(
    store: Store,
    resident: Resident | None,
    question: Question,
    depth: int,
    bm25: dict[int, float],
    allowed: Keys | None,
) -> Scores:
    """Both scores of the `depth` passages that are nearest by meaning and of those found by words."""
    lexical_keys = np.array(sorted(bm25), dtype=np.int64)
    if question.vector is None or resident is None:
        return Scores(lexical_keys, np.full(len(bm25), np.nan), _values(bm25, lexical_keys), np.zeros(len(bm25), bool))
    mask = None
    if allowed is not None:
        mask = np.zeros(len(resident.keys), dtype=np.bool_)
        mask[np.searchsorted(resident.keys, allowed)] = True

    def fetch_fine(wanted: Rows) -> FineCodes:
        return store.fine(resident.keys[wanted], resident.dim)

    candidates = None if question.exact else depth * _CANDIDATES_A_PLACE
    k = min(depth, len(resident.keys))
    segment = flat.Segment(resident.keys, lambda width: resident.blocks, resident.bits.__getitem__, fetch_fine, mask)
    nearest = dict(flat.search(question.vector, [segment], k, candidates)[0])
    missing = np.array(sorted(bm25.keys() - nearest.keys()), dtype=np.int64)
    cosine = flat.rescore(question.vector[0], np.searchsorted(resident.keys, missing), fetch_fine)
    keys = np.array(sorted(nearest.keys() | bm25.keys()), dtype=np.int64)
    cosines = {**nearest, **dict(zip(missing.tolist(), cosine.tolist(), strict=True))}
    return Scores(keys, _values(cosines, keys), _values(bm25, keys), np.isin(keys, list(nearest)))


def _values(scores: dict[int, float], keys: Keys) -> Values:
    return np.array([scores.get(key, np.nan) for key in keys.tolist()], dtype=np.float64)


def _hits(store: Store, shown: _Shown, question: Question) -> list[Hit]:
    """The k best as they are shown; of equal scores those of smaller ids, whatever the order of adding was."""
    order, k = shown.order, question.k
    # All that tie with the last are looked at.
    count = len(order.keys) if len(order.keys) <= k else int(np.count_nonzero(order.scores >= order.scores[k - 1]))
    ids = store.ids(owners := store.owners(shown.passages[:count]))
    places = sorted(
        range(count), key=lambda place: (-order.scores[place], ids[int(owners[place])], int(shown.passages[place]))
    )[:k]
    keys = shown.passages[places]
    rows = store.passages(keys)
    texts = {key: row.text[row.start :] for key, row in rows.items()}
    marked = store.marked(lexical.any_of(question.terms), texts, *snippet.MARKS) if question.terms else {}
    hits = []
    for place, key in zip(places, keys.tolist(), strict=True):
        row, text = rows[key], texts[key]
        marks = snippet.marks_of(text, marked.get(key, text))
        hits.append(
            Hit(
                id=row.document.id,
                score=float(order.scores[place]),
                title=row.document.title,
                text=text,
                source=row.document.source,
                metadata=dict(row.document.metadata),
                passage=row.number,
                place=place_of(row.text, row.start, row.document.source),
                snippet=snippet.snippet_of(text, marks),
                marks=marks,
                dense_rank=int(order.dense_ranks[place]) or None,
                lexical_rank=int(order.lexical_ranks[place]) or None,
            )
        )
    return hits
