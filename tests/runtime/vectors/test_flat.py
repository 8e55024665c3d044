from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nearest import Cascade, assert_best

from nestling.vectors import flat, hamming
from nestling.vectors.codes import FINE, Fine, FineCodes, to_bits, to_fine
from nestling.vectors.flat import Segment


def unit(random: np.random.Generator, rows: int, dim: int) -> np.ndarray:
    vectors = random.normal(size=(rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def rounding(dim: int) -> float:
    """What a score of a unit query is off by, as `flat.rescore` states it; and the last digit of a float32."""
    return dim**0.5 * 2.0**-21 + 2.0**-23


def bits_segment(
    keys: np.ndarray,
    bits: np.ndarray,
    mask: np.ndarray | None = None,
    fine: Any = None,
    block_rows: int = hamming.BLOCK_ROWS,
) -> Segment:
    def blocks(width: int) -> list[Any]:
        return hamming.blocks(bits[:, :width], block_rows=block_rows)

    return Segment(keys, blocks, bits.__getitem__, fine, mask)


def segment(keys: np.ndarray, vectors: np.ndarray, kind: Fine = "int8", mask: np.ndarray | None = None) -> Segment:
    return bits_segment(keys, to_bits(vectors), mask, to_fine(vectors, kind).__getitem__)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 60), max_size=4),
    count=st.integers(1, 40),
    share=st.sampled_from([None, 0.05, 0.5]),
    block=st.sampled_from([8, 1 << 16]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_scan_takes_the_smallest_distances_and_of_equals_the_smaller_keys(
    sizes: list[int], count: int, share: float | None, block: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    total = sum(sizes)
    keys = random.permutation(total * 2)[:total].astype(np.int64)
    bits = random.integers(0, 4, (total, 1), dtype=np.uint8)  # many equal distances
    mask = np.ones(total, dtype=bool) if share is None else random.random(total) < share
    segments, begin = [], 0
    for size in sizes:
        part = slice(begin, begin + size)
        keys[part].sort()
        segments.append(bits_segment(keys[part], bits[part], None if share is None else mask[part], block_rows=block))
        begin += size
    queries = random.integers(0, 4, (3, 1), dtype=np.uint8)
    found = flat.scan(queries, segments, count, block_rows=block, queries_at_once=2)
    for query, rows in zip(queries, found, strict=True):
        distances = np.unpackbits(query ^ bits, axis=1).sum(axis=1)
        order = [row for row in np.lexsort((keys, distances)) if mask[row]][:count]
        assert sorted(rows.tolist()) == sorted(order)


@settings(max_examples=80, derandomize=True, deadline=None)
@given(st.integers(1, 40), st.sampled_from(FINE), st.integers(0, 2**32 - 1))
def test_rescoring_is_the_dot_product_and_the_same_in_any_company(rows: int, kind: Fine, seed: int) -> None:
    random = np.random.default_rng(seed)
    fine = to_fine(unit(random, rows, 24), kind)
    query = unit(random, 1, 24)[0]
    everything = flat.rescore(query, np.arange(rows), fine.__getitem__)
    assert np.allclose(everything, fine.decode().astype(np.float64) @ query, rtol=0, atol=rounding(24))
    some = random.permutation(rows)[: max(1, rows // 2)]
    assert (flat.rescore(query, some, fine.__getitem__) == everything[some]).all()
    alone = [flat.rescore(query, np.array([row]), fine.__getitem__)[0] for row in range(rows)]
    assert (np.array(alone) == everything).all()


def test_rescoring_more_rows_than_a_block_is_the_same() -> None:
    random = np.random.default_rng(3)
    vectors, query = unit(random, 5000, 16), unit(random, 1, 16)[0]
    fine, bits = to_fine(vectors, "int8"), to_bits(vectors)
    everything = flat.rescore(query, np.arange(5000), fine.__getitem__)
    assert (everything[2040:2060] == flat.rescore(query, np.arange(2040, 2060), fine.__getitem__)).all()
    assert (flat.score_bits(query, bits)[2040:2060] == flat.score_bits(query, bits[2040:2060])).all()


@pytest.mark.parametrize("dim", [8, 64, 384, 1024])
def test_scores_by_bits_are_exact_and_in_the_order_of_the_signs(dim: int) -> None:
    random = np.random.default_rng(dim)
    vectors, query = unit(random, 500, dim), unit(random, 1, dim)[0]
    scores = flat.score_bits(query, to_bits(vectors))
    assert (scores == np.rint(scores)).all()
    assert (flat.score_bits(query, to_bits(vectors)[::-1])[::-1] == scores).all()
    signs = np.where(vectors > 0, 1.0, -1.0) @ query.astype(np.float64)
    order = np.argsort(scores, kind="stable")
    # Each of `dim` values of the query is rounded; a sign is twice a bit, and two scores are compared.
    assert (np.diff(signs[order]) > -min(4 * dim * dim**0.5 * 2.0**-23, 1e-3)).all()


@pytest.mark.parametrize("kind", FINE)
def test_a_search_of_all_candidates_is_the_exact_order(kind: Fine) -> None:
    random = np.random.default_rng(4)
    vectors, queries = unit(random, 300, 32), unit(random, 5, 32)
    keys = np.arange(300, dtype=np.int64) * 7
    hits = flat.search(queries, [segment(keys, vectors, kind)], 10, None)
    scores = queries.astype(np.float64) @ to_fine(vectors, kind).decode().astype(np.float64).T
    assert np.allclose(hits.scores, -np.sort(-scores, axis=1)[:, :10], rtol=0, atol=rounding(32))
    assert (hits.keys == keys[np.argsort(-scores, axis=1, kind="stable")[:, :10]]).all()


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    kind=st.sampled_from(FINE),
    k=st.integers(1, 9),
    candidates=st.integers(1, 12),
    factor=st.integers(1, 3),
    scan_dim=st.sampled_from([8, 16]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_search_rescores_the_best_by_their_bits_of_the_nearest(
    sizes: list[int], kind: Fine, k: int, candidates: int, factor: int, scan_dim: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    vectors = unit(random, 12, 16)[random.integers(0, 12, sum(sizes))]  # many twins
    keys = random.permutation(2 * len(vectors))[: len(vectors)].astype(np.int64)
    segments, begin = [], 0
    for size in sizes:
        part = slice(begin, begin + size)
        keys[part].sort()
        segments.append(segment(keys[part], vectors[part], kind))
        begin += size
    query = unit(random, 1, 16)
    k = min(k, candidates)
    (found,) = flat.search(query, segments, k, candidates, scan_dim=scan_dim, shortlist_factor=factor)
    stored = dict(zip(keys.tolist(), vectors, strict=True))
    assert_best(found, stored, query[0], k, kind, Cascade(candidates, factor * candidates * 16 // scan_dim, scan_dim))


NEAREST = np.array([[0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]], dtype=np.float32)
NEAR_BITS = np.array([[1, -1, -1, -1, -1, -1, -1, -1]], dtype=np.float32)
QUERY = np.array([[0.8, -0.01, -0.01, -0.01, -0.01, -0.01, -0.01, -0.01]], dtype=np.float32)


def test_candidates_are_those_that_are_best_by_their_bits() -> None:
    vectors = np.concatenate([NEAREST / np.linalg.norm(NEAREST), NEAR_BITS / np.linalg.norm(NEAR_BITS)])
    query = QUERY / np.linalg.norm(QUERY)
    both = [segment(np.array([1, 2]), vectors)]
    assert flat.search(query, both, 1, None).keys.tolist() == [[1]]  # the nearest by its vector
    assert flat.search(query, both, 1, 1).keys.tolist() == [[2]]  # the best by its bits
    assert flat.search(query, both, 1, 1, shortlist_factor=1).keys.tolist() == [[2]]  # the nearest by its bits


def test_a_shortlist_is_longer_where_fewer_bits_are_scanned() -> None:
    vectors = unit(np.random.default_rng(8), 3000, 64)
    whole, scanned, shortlisted, rescored = segment(np.arange(3000), vectors), [], [], []

    def blocks(width: int) -> Sequence[Any]:
        scanned.append(width)
        return whole.blocks(width)

    def bits_of(rows: np.ndarray) -> np.ndarray:
        shortlisted.append(len(rows))
        return whole.bits_of(rows)

    def fine_of(rows: np.ndarray) -> FineCodes:
        rescored.append(len(rows))
        return whole.fine_of(rows)

    counted = [Segment(whole.keys, blocks, bits_of, fine_of)]
    for scan_dim in (None, 32, 16):
        hits = flat.search(vectors[:9], counted, 1, 10, scan_dim=scan_dim)
        assert hits.keys[:, 0].tolist() == list(range(9))
    assert scanned == [8, 4, 2]
    assert shortlisted == [80] * 9 + [160] * 9 + [320] * 9
    assert rescored == [10] * 27


@pytest.mark.parametrize("allowed", [[3], [3, 8, 40], list(range(0, 50, 2))])
def test_rows_that_are_not_allowed_are_not_found(allowed: list[int]) -> None:
    random = np.random.default_rng(5)
    vectors, mask = unit(random, 50, 16), np.zeros(50, dtype=bool)
    mask[allowed] = True
    for candidates in (None, 2, 100):
        hits = flat.search(vectors[:1], [segment(np.arange(50), vectors, mask=mask)], 5, candidates)
        assert set(hits.keys[0].tolist()) <= {*allowed, -1}
    hits = flat.search(vectors[:1], [segment(np.arange(50), vectors, mask=mask)], len(allowed), len(allowed))
    assert sorted(hits.keys[0].tolist()) == allowed


def test_equal_scores_go_by_the_smaller_key_through_all_segments() -> None:
    vectors = np.tile(unit(np.random.default_rng(6), 1, 16), (3, 1))
    parts = [segment(np.array(keys, dtype=np.int64), vectors) for keys in ([5, 9, 31], [2, 6, 30])]
    for candidates in (None, 4):
        assert flat.search(vectors[:1], parts, 4, candidates).keys.tolist() == [[2, 5, 6, 9]]


@pytest.mark.parametrize("order", [lambda rows: rows, lambda rows: rows[::-1]])
def test_rows_that_come_ever_nearer_or_ever_farther_are_scanned_right(order: Callable[..., np.ndarray]) -> None:
    steps = np.packbits(np.tri(64, dtype=np.uint8), axis=1, bitorder="little").repeat(3000, axis=0)
    bits = np.ascontiguousarray(order(steps))
    rows = flat.scan(np.zeros((1, 8), np.uint8), [bits_segment(np.arange(len(bits)), bits)], 4000)[0]
    distances = np.unpackbits(bits[rows], axis=1).sum(axis=1)
    assert (len(rows), (distances == 1).sum(), (distances == 2).sum()) == (4000, 3000, 1000)


def test_counts_of_candidates() -> None:
    assert flat.candidate_count(10, None) is None
    assert flat.candidate_count(1, 10) == 200
    assert flat.candidate_count(100, 10) == 1000
