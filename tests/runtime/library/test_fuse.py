from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from nestling.library.fuse import DENSE_WEIGHT, Fused, best_of_groups, fuse

COSINES = st.dictionaries(st.integers(0, 9), st.floats(-1, 1), max_size=8)
BM25 = st.dictionaries(st.integers(0, 9), st.floats(0.01, 30), max_size=8)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(COSINES, BM25, st.floats(0, 0.01))
def test_the_score_is_the_weighted_sum(cosine: dict[int, float], bm25: dict[int, float], floor: float) -> None:
    cosine = {**dict.fromkeys(bm25, 0.125), **cosine} if cosine else {}
    order = fuse(cosine, bm25, set(cosine), floor)
    for fused in order:
        if cosine and bm25:
            words = bm25.get(fused.key, floor) / max(bm25.values())
            expected = DENSE_WEIGHT * cosine[fused.key] + (1 - DENSE_WEIGHT) * words
        else:
            expected = cosine[fused.key] if cosine else bm25[fused.key] / max(bm25.values())
        assert abs(fused.score - expected) < 1e-9
    assert [(-fused.score, fused.key) for fused in order] == sorted((-fused.score, fused.key) for fused in order)
    assert {fused.key for fused in order} == cosine.keys() | bm25.keys()


def test_ranks_are_places_in_either_half() -> None:
    order = fuse({1: 0.9, 2: 0.8, 3: 0.1}, {3: 5.0, 1: 4.0}, found_dense={1, 2}, bm25_floor=0.0)
    assert [(fused.key, fused.dense_rank, fused.lexical_rank) for fused in order] == [
        (1, 1, 2),
        (2, 2, None),
        (3, None, 1),
    ]


def test_equal_scores_go_by_the_smaller_key() -> None:
    assert [fused.key for fused in fuse({5: 0.5, 2: 0.5, 9: 0.5}, {}, {5, 2, 9}, 0.0)] == [2, 5, 9]
    assert fuse({5: 0.5, 2: 0.5}, {}, {5, 2}, 0.0)[0] == Fused(2, 0.5, 1, None)


def test_two_empty_halves_are_nothing() -> None:
    assert fuse({}, {}, set(), 0.0) == []


def test_words_that_weigh_nothing_leave_the_order_to_meaning() -> None:
    assert [fused.key for fused in fuse({1: 0.1, 2: 0.9}, {1: 0.0}, {1, 2}, 0.0)] == [2, 1]


def test_a_group_has_its_best_score() -> None:
    assert best_of_groups({1: 0.2, 2: -0.5, 3: 0.9}, {1: 10, 2: 20, 3: 10}) == {10: 0.9, 20: -0.5}
