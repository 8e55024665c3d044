"""A question to hits: the dense and the lexical list over one snapshot of a library's file, fused and grouped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...arrays import Doubles, Keys, Rows
from ...document import Hit
from ...place import place_of
from ...vectors import flat
from ...vectors.codes import FineCodes
from ..store import full_text
from ..store import passages as stored
from ..store.database import Database
from . import lexical, snippet
from .bit_cache import BitCache
from .fuse import Fused, Scores, best_of_groups, fuse
from .query import Question

_MIN_DEPTH = 400
_DEPTH_A_HIT = 4
_CANDIDATES_A_ROW = 2
# BM25 takes about 2 microseconds a passage that shares a word: so many for each passage that is looked for.
_READ_A_ROW = 50


@dataclass(frozen=True, eq=False)
class Candidates:
    """What both lists hold, by passage.

    Attributes:
        missing_bm25: BM25 imputed to passages missing from the lexical list, see `fuse.fuse`.
        complete: whether there is nothing else to be found.
    """

    scores: Scores
    missing_bm25: float
    complete: bool


def rank(db: Database, cache: BitCache | None, question: Question) -> list[Hit]:
    """The k best hits, best first, equal scores by the document's id; inside `Database.reading`.

    Args:
        cache: may be None where the question has no vector.
    """
    depth = max(_MIN_DEPTH, _DEPTH_A_HIT * question.k)
    allowed = None if question.condition is None else stored.allow(db, question.condition)
    while True:
        found = candidates(db, cache, question, depth, allowed)
        order, passages = _ordered(found, owners(db, cache, found.scores.keys), question)
        if len(passages) >= question.k or found.complete:
            return _hits(db, order, passages, question)
        depth *= 4


def candidates(
    db: Database, cache: BitCache | None, question: Question, depth: int, allowed: Keys | None = None
) -> Candidates:
    """The `depth` best passages of each list; inside `Database.reading`.

    Args:
        allowed: what `passages.allow` gave for the question's condition.
    """
    words = lexical.affordable(
        question.terms, lambda term, limit: full_text.matching(db, term, limit), depth * _READ_A_ROW
    )
    by_words = full_text.ranked(db, lexical.any_of(words), depth, allowed=allowed is not None) if words else []
    scores = _with_cosines(db, cache, question, depth, dict(by_words), allowed)
    found_all = len(by_words) < depth and len(words) == len(question.terms)
    missing_bm25 = 0.0 if len(by_words) < depth else by_words[-1][1]
    return Candidates(scores, missing_bm25, found_all and bool(np.count_nonzero(scores.near) < depth))


def owners(db: Database, cache: BitCache | None, keys: Keys) -> Keys:
    """The key of each passage's document."""
    if cache is None:
        return stored.owners(db, keys)
    return cache.documents[np.searchsorted(cache.keys, keys)]


def _ordered(found: Candidates, owner: Keys, question: Question) -> tuple[Fused, Keys]:
    """The fused order of passages or of documents, best first, and the passage that stands for each."""
    passages = fuse(found.scores, found.missing_bm25, question.dense_weight)
    if question.by == "passage":
        return passages, passages.keys
    documents = fuse(best_of_groups(found.scores, owner), found.missing_bm25, question.dense_weight)
    # The first passage of each document in the order of passages is its best.
    of_passages = owner[np.searchsorted(found.scores.keys, passages.keys)]
    keys, first = np.unique(of_passages, return_index=True)
    return documents, passages.keys[first[np.searchsorted(keys, documents.keys)]]


def _with_cosines(
    db: Database,
    cache: BitCache | None,
    question: Question,
    depth: int,
    bm25: dict[int, float],
    allowed: Keys | None,
) -> Scores:
    """Both scores of the `depth` passages that are nearest by meaning and of those found by words."""
    lexical_keys = np.array(sorted(bm25), dtype=np.int64)
    if question.vector is None or cache is None:
        return Scores(lexical_keys, np.full(len(bm25), np.nan), _values(bm25, lexical_keys), np.zeros(len(bm25), bool))
    mask = None
    if allowed is not None:
        mask = np.zeros(len(cache.keys), dtype=np.bool_)
        mask[np.searchsorted(cache.keys, allowed)] = True

    def fetch_fine(wanted: Rows) -> FineCodes:
        return stored.fine(db, cache.keys[wanted], cache.dim)

    rescored = None if question.exact else depth * _CANDIDATES_A_ROW
    k = min(depth, len(cache.keys))
    segment = flat.Segment(cache.keys, lambda width: cache.blocks, cache.bits.__getitem__, fetch_fine, mask)
    nearest = dict(flat.search(question.vector, [segment], k, rescored)[0])
    missing = np.array(sorted(bm25.keys() - nearest.keys()), dtype=np.int64)
    cosine = flat.rescore(question.vector[0], np.searchsorted(cache.keys, missing), fetch_fine)
    keys = np.array(sorted(nearest.keys() | bm25.keys()), dtype=np.int64)
    cosines = {**nearest, **dict(zip(missing.tolist(), cosine.tolist(), strict=True))}
    return Scores(keys, _values(cosines, keys), _values(bm25, keys), np.isin(keys, list(nearest)))


def _values(scores: dict[int, float], keys: Keys) -> Doubles:
    return np.array([scores.get(key, np.nan) for key in keys.tolist()], dtype=np.float64)


def _hits(db: Database, order: Fused, passages: Keys, question: Question) -> list[Hit]:
    """The k best as they are shown; of equal scores those of smaller ids, whatever the order of adding was."""
    k = question.k
    # All that tie with the last are looked at.
    count = len(order.keys) if len(order.keys) <= k else int(np.count_nonzero(order.scores >= order.scores[k - 1]))
    ids = stored.ids(db, owners := stored.owners(db, passages[:count]))
    best = sorted(range(count), key=lambda row: (-order.scores[row], ids[int(owners[row])], int(passages[row])))[:k]
    keys = passages[best]
    shown = stored.shown(db, keys)
    texts = {key: one.text[one.start :] for key, one in shown.items()}
    marked = full_text.marked(db, lexical.any_of(question.terms), texts, *snippet.MARKS) if question.terms else {}
    hits = []
    for row, key in zip(best, keys.tolist(), strict=True):
        passage, text = shown[key], texts[key]
        marks = snippet.marks_of(text, marked.get(key, text))
        hits.append(
            Hit(
                id=passage.document.id,
                score=float(order.scores[row]),
                title=passage.document.title,
                text=text,
                source=passage.document.source,
                metadata=dict(passage.document.metadata),
                passage=passage.number,
                place=place_of(passage.text, passage.start, passage.document.source),
                snippet=snippet.snippet_of(text, marks),
                marks=marks,
                dense_rank=int(order.dense_ranks[row]) or None,
                lexical_rank=int(order.lexical_ranks[row]) or None,
            )
        )
    return hits
