from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nestling import Index
from nestling.vectors.codes import to_fine

DIM = 16
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "search", "save"]), st.integers(0, 11), st.integers(0, 999)),
    max_size=25,
)


def unit(seed: int, rows: int = 1, dim: int = DIM) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def oracle(stored: dict[int, np.ndarray], query: np.ndarray, k: int) -> list[int]:
    """The k best keys by the decoded codes in float64, equal ones by key."""
    keys = sorted(stored)
    if not keys:
        return []
    decoded = to_fine(np.concatenate([stored[key] for key in keys]), "int8").decode().astype(np.float64)
    scores = decoded @ query[0].astype(np.float64)
    return [keys[row] for row in np.argsort(-scores, kind="stable")[:k]]


@settings(max_examples=80, derandomize=True, deadline=None)
@given(STEPS)
def test_any_sequence_of_changes_equals_a_plain_dict(steps: list[tuple[str, int, int]]) -> None:
    index, stored = Index(DIM), dict[int, np.ndarray]()
    for step, key, seed in steps:
        if step == "add" and key not in stored:
            stored[key] = unit(seed)
            index.add([key], stored[key])
        elif step == "remove" and key in stored:
            del stored[key]
            index.remove([key])
        elif step == "save":
            with TemporaryDirectory() as folder:
                index.save(Path(folder, "a.index"))
                index = Index.open(Path(folder, "a.index"))
        query = unit(seed + 1000)
        found = [key for key, _ in index.search(query, 5, oversample=None)[0]]
        assert found == oracle(stored, query, 5)
        assert len(index) == len(stored)
        assert all((key in index) == (key in stored) for key in range(12))


def test_the_order_of_adding_does_not_matter() -> None:
    vectors, keys = unit(1, 40), np.arange(40, dtype=np.int64) * 3
    straight, shuffled = Index(DIM), Index(DIM)
    straight.add(keys, vectors)
    for row in np.random.default_rng(2).permutation(40):
        shuffled.add(keys[row : row + 1], vectors[row : row + 1])
    mine, theirs = straight.search(unit(3, 6), 7), shuffled.search(unit(3, 6), 7)
    assert (mine.keys == theirs.keys).all()
    assert (mine.scores == theirs.scores).all()


def test_queries_of_one_call_are_answered_as_alone() -> None:
    index = Index(DIM)
    index.add(range(500), unit(1, 500))
    queries = unit(2, 9)
    together = index.search(queries, 4)
    for row in range(9):
        alone = index.search(queries[row : row + 1], 4)
        assert (alone.keys[0] == together.keys[row]).all()
        assert (alone.scores[0] == together.scores[row]).all()


def test_the_cascade_finds_the_nearest() -> None:
    base = unit(1, 3000, 128)
    index = Index(128)
    index.add(range(3000), base)
    queries = base[:50] + 0.5 * unit(2, 50, 128)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    exact, cascade = index.search(queries, 10, oversample=None), index.search(queries, 10)
    assert (cascade.keys[:, 0] == np.arange(50)).all()
    assert (cascade.scores[:, 0] == exact.scores[:, 0]).all()


def test_allow_keeps_to_the_keys_given() -> None:
    index = Index(DIM)
    index.add([10, 20, 30, 40], unit(1, 4))
    query = unit(2)
    everything = [key for key, _ in index.search(query, 4)[0]]
    hits = index.search(query, 4, allow=[40, 20, 20, 99])
    assert [key for key, _ in hits[0]] == [key for key in everything if key in (20, 40)]
    assert hits.keys[0, 2:].tolist() == [-1, -1]
    assert index.search(query, 2, allow=[]).keys.tolist() == [[-1, -1]]


def test_rows_with_fewer_hits_are_filled() -> None:
    index = Index(DIM)
    hits = index.search(unit(1, 2), 3)
    assert (hits.keys == -1).all()
    assert np.isneginf(hits.scores).all()
    index.add([5], unit(2))
    hits = index.search(unit(1, 2), 3)
    assert hits.keys[:, 0].tolist() == [5, 5]
    assert (hits.keys[:, 1:] == -1).all()
    assert hits.keys.shape == hits.scores.shape == (2, 3)


def test_no_queries_give_no_rows() -> None:
    assert Index(DIM).search(np.zeros((0, DIM), np.float32), 3).keys.shape == (0, 3)


BAD = unit(1).copy()
BAD[0, 3] = np.nan
INFINITE = unit(1).copy()
INFINITE[0, 0] = np.inf


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda index: index.add([2], unit(1).astype(np.float64)),
            TypeError,
            "vectors are float64, expected a float32 a",
        ),
        (lambda index: index.add([2], unit(1).tolist()), TypeError, "vectors are list, expected a float32 array"),
        (lambda index: index.add([2], unit(1)[0]), ValueError, "vectors have shape (16,), expected (n, 16)"),
        (lambda index: index.add([2], unit(1, 1, 24)), ValueError, "vectors have shape (1, 24), expected (n, 16)"),
        (lambda index: index.add([2], BAD), ValueError, "vector 0 has length nan, expected 1; normalise it first"),
        (lambda index: index.add([2], INFINITE), ValueError, "vector 0 has length inf, expected 1; normalise it first"),
        (
            lambda index: index.add([2], 2 * unit(1)),
            ValueError,
            "vector 0 has length 2, expected 1; normalise it first",
        ),
        (lambda index: index.add([2, 3], unit(1)), ValueError, "2 keys for 1 vectors, expected as many"),
        (lambda index: index.add([2, 2], unit(1, 2)), ValueError, "key 2 is given twice"),
        (lambda index: index.add([2, 1], unit(1, 2)), ValueError, "key 1 is in the index already; remove it first"),
        (lambda index: index.add([-4], unit(1)), ValueError, "key -4 is below 0, expected 0 or more"),
        (lambda index: index.add([1.5], unit(1)), TypeError, "keys are float64 (1,), expected whole numbers (n,)"),
        (lambda index: index.add([True], unit(1)), TypeError, "keys are bool (1,), expected whole numbers (n,)"),
        (lambda index: index.remove([1, 8]), ValueError, "key 8 is not in the index"),
        (lambda index: index.search(unit(1), 0), ValueError, "k is 0, expected a whole number of 1 or more"),
        (
            lambda index: index.search(unit(1), 1, oversample=0),
            ValueError,
            "oversample is 0, expected 1 or more, or None",
        ),
        (lambda index: index.search(BAD, 1), ValueError, "vector 0 has length nan, expected 1; normalise it first"),
    ],
)
def test_a_wrong_call_says_why_and_changes_nothing(call: object, error: type, message: str) -> None:
    index = Index(DIM)
    index.add([1], unit(7))
    before = index.search(unit(8), 2)
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        call(index)  # type: ignore[operator]
    after = index.search(unit(8), 2)
    assert (before.keys == after.keys).all()
    assert (before.scores == after.scores).all()


@pytest.mark.parametrize("dim", [0, -8, 12])
def test_a_dim_that_makes_no_bytes_is_refused(dim: int) -> None:
    with pytest.raises(ValueError, match=f"^dim is {dim}, expected a positive multiple of 8$"):
        Index(dim)
