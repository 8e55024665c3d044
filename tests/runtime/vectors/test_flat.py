from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nestling.vectors import flat
from nestling.vectors.codes import Int8Codes, to_bits, to_int8

BYTES = st.integers(0, 255)


def unit(random: np.random.Generator, rows: int, dim: int) -> np.ndarray:
    vectors = random.normal(size=(rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def fetcher(fine: Int8Codes) -> flat.FetchFine:
    return lambda rows: Int8Codes(fine.values[rows], fine.scales[rows])


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.integers(1, 70), st.integers(1, 9), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_hamming_counts_the_differing_bits(rows: int, width: int, queries: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    bits = random.integers(0, 256, (rows, width), dtype=np.uint8)
    asked = random.integers(0, 256, (queries, width), dtype=np.uint8)
    expected = np.unpackbits(asked[:, None] ^ bits[None], axis=2).sum(axis=2)
    assert (flat.hamming(asked, bits) == expected).all()


@settings(max_examples=100, derandomize=True, deadline=None)
@given(arrays(np.uint32, st.integers(1, 60), elements=st.integers(0, 6)), st.integers(1, 70))
def test_nearest_takes_the_smallest_and_of_equals_the_first(distances: np.ndarray, count: int) -> None:
    order = np.lexsort((np.arange(len(distances)), distances))[:count]
    assert flat.nearest(distances, count).tolist() == sorted(order.tolist())


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_rescoring_is_the_dot_product_and_the_same_in_any_company(rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    fine = to_int8(unit(random, rows, 24))
    query = unit(random, 1, 24)[0]
    everything = flat.rescore(query, np.arange(rows), fetcher(fine))
    assert np.allclose(everything, fine.decode().astype(np.float64) @ query, atol=1e-5)
    some = random.permutation(rows)[: max(1, rows // 2)]
    assert (flat.rescore(query, some, fetcher(fine)) == everything[some]).all()
    alone = [flat.rescore(query, np.array([row]), fetcher(fine))[0] for row in range(rows)]
    assert (np.array(alone) == everything).all()


def test_rescoring_more_rows_than_a_block_is_the_same() -> None:
    random = np.random.default_rng(3)
    fine = to_int8(unit(random, 20_000, 16))
    query = unit(random, 1, 16)[0]
    everything = flat.rescore(query, np.arange(20_000), fetcher(fine))
    assert (everything[8190:8200] == flat.rescore(query, np.arange(8190, 8200), fetcher(fine))).all()


def test_a_search_of_all_candidates_is_the_exact_order() -> None:
    random = np.random.default_rng(4)
    vectors, queries = unit(random, 300, 32), unit(random, 5, 32)
    fine = to_int8(vectors)
    keys = np.arange(300, dtype=np.int64) * 7
    hits = flat.search(queries, keys, to_bits(vectors), fetcher(fine), 10, None)
    scores = queries.astype(np.float64) @ fine.decode().astype(np.float64).T
    assert (hits.keys == keys[np.argsort(-scores, axis=1, kind="stable")[:, :10]]).all()


def test_candidates_are_those_with_the_nearest_bits() -> None:
    vectors = np.array([[0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], [1, -1, -1, -1, -1, -1, -1, -1]], dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    query = np.array([[0.8, -0.01, -0.01, -0.01, -0.01, -0.01, -0.01, -0.01]], dtype=np.float32)
    query /= np.linalg.norm(query)
    keys, bits, fine = np.array([1, 2]), to_bits(vectors), fetcher(to_int8(vectors))
    assert flat.search(query, keys, bits, fine, 1, None).keys.tolist() == [[1]]  # the nearest by its vector
    assert flat.search(query, keys, bits, fine, 1, 1).keys.tolist() == [[2]]  # the nearest by its bits


def test_rows_that_are_not_allowed_are_not_found() -> None:
    random = np.random.default_rng(5)
    vectors = unit(random, 50, 16)
    keys, bits, fine = np.arange(50, dtype=np.int64), to_bits(vectors), fetcher(to_int8(vectors))
    allowed = np.array([3, 8, 40])
    for candidates in (None, 2, 100):
        hits = flat.search(vectors[:1], keys, bits, fine, 5, candidates, allowed)
        assert set(hits.keys[0].tolist()) <= {3, 8, 40, -1}
    assert sorted(flat.search(vectors[:1], keys, bits, fine, 3, 3, allowed).keys[0].tolist()) == [3, 8, 40]


def test_equal_scores_go_by_the_smaller_key() -> None:
    vectors = np.tile(unit(np.random.default_rng(6), 1, 16), (5, 1))
    keys = np.array([2, 5, 9, 30, 31], dtype=np.int64)
    hits = flat.search(vectors[:1], keys, to_bits(vectors), fetcher(to_int8(vectors)), 3, None)
    assert hits.keys.tolist() == [[2, 5, 9]]


def test_candidate_counts() -> None:
    assert flat.candidate_count(10, None) is None
    assert flat.candidate_count(1, 20) == 200
    assert flat.candidate_count(100, 20) == 2000
