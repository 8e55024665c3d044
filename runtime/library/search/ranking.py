"""A question to hits: the dense and the lexical list over one snapshot of a library's file, fused and grouped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...arrays import Doubles, Keys
from ...document import Hit
from ..store import full_text
from ..store import passages as stored
from ..store.database import Database
from ..store.documents import count
from ..store.words import indexed, located
from . import lexical, snippet
from .bit_cache import BitCache
from .compared import compared
from .fuse import Fused, Scores, best_of_groups, fuse
from .query import Question

_FIRST_DEPTH = 400
_DEEPER = 4
_DEPTH_A_HIT = 4
_CANDIDATES_A_ROW = 2
# BM25 takes about 2 microseconds a passage that shares a word: so many for each passage that is looked for.
_READ_A_ROW = 50


@dataclass(frozen=True, eq=False)
class Candidates:
    """What both lists hold, by passage.

    Attributes:
        missing_bm25: BM25 imputed to passages missing from the lexical list, see `fuse.fuse`.
        most_bm25: what no passage can reach, see `lexical.most_bm25`; 0 where words were not asked.
        complete: whether there is nothing else to be found.
    """

    scores: Scores
    missing_bm25: float
    most_bm25: float
    complete: bool


class _Ranked(NamedTuple):
    """A hit that is not read yet.

    Attributes:
        passage: its key.
        score, relevance, dense_rank, lexical_rank: see `Hit`.
    """

    passage: int
    score: float
    relevance: float | None
    dense_rank: int | None
    lexical_rank: int | None


def rank(db: Database, cache: BitCache | None, question: Question) -> list[Hit]:
    """The k best hits, best first, equal scores by the document's id; inside `Database.reading`.

    They are the first of a longer list: of each depth of both lists a share is taken, whatever k is, and behind it what
    the next depth has besides, with scores no higher.

    Args:
        cache: may be None where the question has no vector.
    """
    allowed = None if question.condition is None else stored.allow(db, question.condition)
    depth, best = _FIRST_DEPTH, dict[int, _Ranked]()
    while True:
        found = candidates(db, cache, question, depth, allowed)
        order, passages = _ordered(found, owners(db, cache, found.scores.keys), question)
        wanted = question.k if found.complete else min(question.k, depth // _DEPTH_A_HIT)
        likely = _relevance(found, order, question)
        best |= _behind(db, best, order, likely, passages, wanted)
        if len(best) >= question.k or found.complete:
            return _hits(db, list(best.values()), question)
        depth *= _DEEPER


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
    passages = count(db, "passages") if cache is None else len(cache.keys)
    most_bm25 = lexical.most_bm25(words.values(), passages) if words else 0.0
    return Candidates(scores, missing_bm25, most_bm25, found_all and bool(np.count_nonzero(scores.near) < depth))


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
    rescored = None if question.exact else depth * _CANDIDATES_A_ROW
    k = min(depth, len(cache.keys))
    spaces = compared(db, cache, question.vector, allowed, question.earlier)
    found = [pair for one in spaces for pair in one.nearest(k, rescored)]
    nearest = dict(sorted(found, key=lambda pair: (-pair[1], pair[0]))[:k])
    cosines = dict(nearest)
    missing = np.searchsorted(cache.keys, np.array(sorted(bm25.keys() - nearest.keys()), dtype=np.int64))
    for one in spaces:
        rows = missing if one.own is None else missing[one.own[missing]]
        cosines |= zip(cache.keys[rows].tolist(), one.scores(rows).tolist(), strict=True)
    keys = np.array(sorted(cosines.keys() | bm25.keys()), dtype=np.int64)
    return Scores(keys, _values(cosines, keys), _values(bm25, keys), np.isin(keys, list(nearest)))


def _values(scores: dict[int, float], keys: Keys) -> Doubles:
    return np.array([scores.get(key, np.nan) for key in keys.tolist()], dtype=np.float64)


def _relevance(found: Candidates, order: Fused, question: Question) -> Doubles:
    """How likely each of an order is relevant, (n,); NaN where the bundle does not say it."""
    if question.relevance is None:
        return np.full(len(order.keys), np.nan)
    words = np.full(len(order.keys), np.nan)
    if found.most_bm25 > 0:
        words = np.nan_to_num(order.bm25) / found.most_bm25
    return question.relevance.of(order.cosine, words)


def _behind(
    db: Database, best: dict[int, _Ranked], order: Fused, relevance: Doubles, passages: Keys, wanted: int
) -> dict[int, _Ranked]:
    """What an order has behind those that are the best already, by key, up to so many in all; of equal scores those of
    smaller ids first, whatever the order of adding was."""
    if (room := wanted - len(best)) <= 0:
        return {}
    rows = np.flatnonzero(~np.isin(order.keys, list(best)))
    if len(rows) > room:  # all that tie with the last are looked at
        rows = rows[order.scores[rows] >= order.scores[rows[room - 1]]]
    owner = stored.owners(db, passages[rows]).tolist()
    ids = stored.ids(db, np.array(owner, dtype=np.int64))
    ranked = sorted(
        zip(rows.tolist(), owner, strict=True),
        key=lambda one: (-order.scores[one[0]], ids[one[1]], int(passages[one[0]])),
    )
    highest = min((one.score for one in best.values()), default=np.inf)
    return {
        int(order.keys[row]): _Ranked(
            int(passages[row]),
            min(float(order.scores[row]), highest),
            None if np.isnan(relevance[row]) else float(relevance[row]),
            int(order.dense_ranks[row]) or None,
            int(order.lexical_ranks[row]) or None,
        )
        for row, _ in ranked[:room]
    }


def _hits(db: Database, best: list[_Ranked], question: Question) -> list[Hit]:
    """The best as they are shown."""
    shown = stored.shown(db, np.array([one.passage for one in best], dtype=np.int64))
    texts = {key: one.text for key, one in shown.items()}
    words = {key: indexed(text) for key, text in texts.items()} if question.terms else {}
    marked = full_text.marked(db, lexical.any_of(question.terms), words, *snippet.MARKS) if question.terms else {}
    hits = []
    for one in best:
        passage, text = shown[one.passage], texts[one.passage]
        marks: tuple[snippet.Range, ...] = ()
        if (found := marked.get(one.passage)) is not None:
            of_words = words[one.passage]
            marks = located(text, of_words, snippet.marks_of(of_words, found))
        hits.append(
            Hit(
                id=passage.document.id,
                score=one.score,
                relevance=one.relevance,
                fits=question.relevance is None or question.relevance.fits(one.relevance),
                title=passage.document.title,
                text=text,
                source=passage.document.source,
                metadata=dict(passage.document.metadata),
                passage=passage.number,
                place=passage.place,
                copies=passage.copies,
                snippet=snippet.snippet_of(text, marks),
                marks=marks,
                dense_rank=one.dense_rank,
                lexical_rank=one.lexical_rank,
            )
        )
    return hits
