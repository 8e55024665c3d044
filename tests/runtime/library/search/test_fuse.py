from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nestling.library.search.fuse import DENSE_WEIGHT, Fused, Scores, best_of_groups, fuse

COSINES = st.dictionaries(st.integers(0, 9), st.floats(-1, 1), max_size=8)
BM25 = st.dictionaries(st.integers(0, 9), st.floats(0.01, 30), max_size=8)


def scores_of(cosine: dict[int, float], bm25: dict[int, float], near: set[int] | None = None) -> Scores:
    keys = sorted(cosine.keys() | bm25.keys())
    halves = (np.array([half.get(key, np.nan) for key in keys], dtype=np.float64) for half in (cosine, bm25))
    found = cosine if near is None else near
    return Scores(np.array(keys, dtype=np.int64), *halves, np.array([key in found for key in keys], dtype=np.bool_))


def rows(fused: Fused) -> list[tuple[int, float, int, int]]:
    columns = (fused.keys, fused.scores, fused.dense_ranks, fused.lexical_ranks)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@settings(max_examples=100, derandomize=True, deadline=None)
@given(COSINES, BM25, st.floats(0, 0.01))
def test_the_score_is_the_weighted_sum(cosine: dict[int, float], bm25: dict[int, float], floor: float) -> None:
    cosine = {**dict.fromkeys(bm25, 0.125), **cosine} if cosine else {}
    order = rows(fuse(scores_of(cosine, bm25), floor))
    for key, score, _, _ in order:
        if cosine and bm25:
            words = bm25.get(key, floor) / max(bm25.values())
            expected = DENSE_WEIGHT * cosine[key] + (1 - DENSE_WEIGHT) * words
        else:
            expected = cosine[key] if cosine else bm25[key] / max(bm25.values())
        assert abs(score - expected) < 1e-9
    assert [(-score, key) for key, score, _, _ in order] == sorted((-score, key) for key, score, _, _ in order)
    assert {key for key, *_ in order} == cosine.keys() | bm25.keys()


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), max_size=8), st.sets(st.integers(0, 7)))
def test_a_rank_is_one_more_than_what_is_better(values: list[float], near: set[int]) -> None:
    cosine = dict(enumerate(values))
    for key, _, dense, lexical in rows(fuse(scores_of(cosine, {}, near), 0.0)):
        better = sum(other > cosine[key] for place, other in cosine.items() if place in near)
        assert (dense, lexical) == (better + 1 if key in near else 0, 0)


def test_ranks_are_places_in_either_half() -> None:
    order = rows(fuse(scores_of({1: 0.9, 2: 0.8, 3: 0.1}, {3: 5.0, 1: 4.0}, near={1, 2}), 0.0))
    assert [(key, dense, lexical) for key, _, dense, lexical in order] == [(1, 1, 2), (2, 2, 0), (3, 0, 1)]


def test_equal_scores_go_by_the_smaller_key_and_have_one_rank() -> None:
    assert rows(fuse(scores_of({5: 0.5, 2: 0.5, 9: 0.5, 1: 0.25}, {}), 0.0)) == [
        (2, 0.5, 1, 0),
        (5, 0.5, 1, 0),
        (9, 0.5, 1, 0),
        (1, 0.25, 4, 0),
    ]
    assert [row[3] for row in rows(fuse(scores_of({}, {5: 2.0, 2: 2.0, 9: 1.0}), 0.0))] == [1, 1, 3]


def test_two_empty_halves_are_nothing() -> None:
    assert rows(fuse(scores_of({}, {}), 0.0)) == []


def test_words_that_weigh_nothing_leave_the_order_to_meaning() -> None:
    assert fuse(scores_of({1: 0.1, 2: 0.9}, {1: 0.0}), 0.0).keys.tolist() == [2, 1]


def test_a_group_has_its_best_score() -> None:
    scores = scores_of({1: 0.2, 2: -0.5, 3: 0.9, 4: 0.1}, {1: 3.0, 4: 1.0}, near={3})
    best = best_of_groups(scores, np.array([10, 20, 10, 30]))
    assert best.keys.tolist() == [10, 20, 30]
    assert best.cosine.tolist() == [0.9, -0.5, 0.1]
    assert np.array_equal(best.bm25, [3.0, np.nan, 1.0], equal_nan=True)
    assert best.near.tolist() == [True, False, False]
