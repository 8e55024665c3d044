from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numkong
import numpy as np
import pytest
from nearest import Cascade, assert_best

from nestling import Index
from nestling.vectors.codes import FINE, Fine, to_fine

DIM = 16


def unit(seed: int, rows: int = 1, dim: int = DIM) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def play(seed: int, folder: Path, keys: int, most: int) -> int:
    """A random sequence of changes, searches, saves and openings, beside a plain dict and numpy.

    Args:
        keys: that there are.
        most: keys that are added at once.

    Returns:
        How many searches scanned bits for a shortlist.
    """
    random = np.random.default_rng(seed)
    fine: Fine = random.choice(["int8", "int4", "float16", "bits"])
    index, stored, scans = Index(DIM, fine=fine), dict[int, np.ndarray](), 0
    path = folder / f"{seed}.index"
    for _ in range(random.integers(1, 25)):
        step = random.choice(["add", "add", "remove", "search", "save", "refused", "filtered"])
        free = np.setdiff1d(random.integers(0, keys, random.integers(0, most)), list(stored))
        there = random.permutation(sorted(stored))[: random.integers(0, most * 2 // 3)]
        query = unit(int(random.integers(1 << 30)))
        k, oversample = int(random.integers(1, 9)), int(random.integers(1, 40))
        allow = None
        if step == "add":
            vectors = unit(int(random.integers(0, 40)), len(free))  # few seeds, so that some vectors are twins
            order = random.permutation(len(free))
            index.add(free[order].astype(np.int64), vectors[order])
            stored |= dict(zip(free.tolist(), vectors, strict=True))
        elif step == "remove":
            index.remove(there.astype(np.int64))
            stored = {key: stored[key] for key in np.setdiff1d(list(stored), there).tolist()}
        elif step == "save":
            index.save(path)
            index.close()
            index = Index.open(path)
            assert Index.problems(path) == []
        elif step == "refused" and stored:
            with pytest.raises(ValueError):
                index.add([*free.tolist(), int(next(iter(stored)))], unit(1, len(free) + 1))
            with pytest.raises(ValueError):
                index.remove([*there.tolist(), keys + 39])
        elif step == "filtered":
            allow = random.permutation(keys + 10)[: random.integers(0, (keys + 10) // 2)]
        allowed = set(stored if allow is None else allow.tolist())
        possible = {key: vector for key, vector in stored.items() if key in allowed}
        if allow is not None and random.random() < 0.5:
            allow = np.isin(index.keys, allow)
        scan_dim = int(random.choice([8, 16]))
        candidates = max(200, k * oversample)
        shortlist = 8 * candidates * (DIM // scan_dim)
        (found,) = index.search(query, k, allow=allow, oversample=None, scan_dim=scan_dim)
        assert_best(found, possible, query[0], k, fine)
        (found,) = index.search(query, k, allow=allow, oversample=oversample, scan_dim=scan_dim)
        assert_best(found, possible, query[0], k, fine, Cascade(candidates, shortlist, scan_dim))
        scans += len(possible) > shortlist
        assert index.keys.tolist() == sorted(stored)
        assert len(index) == len(stored)
        assert all((key in index) == (key in stored) for key in range(62))
        if stored:
            some = random.permutation(sorted(stored))[:5]
            expected = to_fine(np.stack([stored[key] for key in some.tolist()]), fine).decode()
            assert (index.reconstruct(some) == expected).all()
    index.close()
    path.unlink(missing_ok=True)
    return scans


def test_any_sequence_equals_a_plain_dict(sequences: int, tmp_path: Path) -> None:
    for seed in range(sequences // 2):
        play(seed, tmp_path, keys=60, most=12)


def test_any_sequence_with_shortlists_and_several_runs_equals_a_plain_dict(sequences: int, tmp_path: Path) -> None:
    scans = sum(play(seed, tmp_path, keys=20_000, most=4000) for seed in range(sequences // 8))
    assert scans >= sequences // 8


@pytest.mark.parametrize("dim", [9, 20, 100, 383])
@pytest.mark.parametrize("fine", FINE)
def test_vectors_of_any_length_are_searched_as_those_filled_up_with_zeros(dim: int, fine: Fine, tmp_path: Path) -> None:
    vectors, queries = unit(1, 3000, dim), unit(2, 5, dim)
    index, filled = Index(dim, fine=fine), Index(-(-dim // 8) * 8, fine=fine)
    index.add(range(3000), vectors)
    filled.add(range(3000), np.pad(vectors, ((0, 0), (0, filled.dim - dim))))
    index.save(tmp_path / "a.index")
    expected = filled.search(np.pad(queries, ((0, 0), (0, filled.dim - dim))), 10)
    for one in (index, Index.open(tmp_path / "a.index")):
        found = one.search(queries, 10)
        assert (found.keys == expected.keys).all()
        assert (found.scores == expected.scores).all()
        assert one.reconstruct([7]).shape == (1, dim)
        assert float((one.reconstruct([7]) @ vectors[7])[0]) > (0.6 if fine == "bits" else 0.98)


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


def clustered(seed: int, rows: int, dim: int = 384) -> np.ndarray:
    """Unit vectors around 20 centres, from which they differ in 64 directions and, by little, in all."""
    drawn, fixed = np.random.default_rng(seed), np.random.default_rng(0)
    centres, directions = fixed.normal(size=(20, dim)), fixed.normal(size=(64, dim)) / 8
    values = centres[drawn.integers(0, 20, rows)] + drawn.normal(size=(rows, 64)) @ directions
    values += 0.1 * drawn.normal(size=(rows, dim))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("fine", "floor"), [("float16", 0.99), ("int8", 0.97), ("int4", 0.88)])
def test_a_search_keeps_nearly_all_of_the_nearest_float32_vectors(fine: Fine, floor: float) -> None:
    vectors, queries = clustered(1, 20_000), clustered(2, 100)
    index = Index(384, fine=fine)
    index.add(range(20_000), vectors)
    nearest = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    found = index.search(queries, 10).keys
    assert np.mean([np.isin(mine, theirs) for mine, theirs in zip(found, nearest, strict=True)]) >= floor


def test_the_cascade_finds_the_nearest_of_many_more_than_it_rescores() -> None:
    base = unit(1, 20_000, 128)
    index = Index(128)
    index.add(range(20_000), base)
    queries = base[:50] + 0.5 * unit(2, 50, 128)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    exact, cascade = index.search(queries, 10, oversample=None), index.search(queries, 10)
    # Of 20,000 the bits choose a shortlist of 1,600, and of this 200 are rescored: what is last is not the same.
    assert (index.search(queries, 200).keys[:, 199] != index.search(queries, 200, oversample=None).keys[:, 199]).any()
    assert (cascade.keys[:, 0] == np.arange(50)).all()
    assert (cascade.scores[:, 0] == exact.scores[:, 0]).all()
    assert np.mean([np.isin(mine, theirs) for mine, theirs in zip(cascade.keys, exact.keys, strict=True)]) >= 0.75


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
        (lambda index: index.add([2], BAD), ValueError, "vector 0 is not finite, expected numbers without nan and inf"),
        (lambda index: index.add([2], INFINITE), ValueError, "vector 0 is not finite, expected numbers without"),
        (
            lambda index: index.add([2], 2 * unit(1)),
            ValueError,
            "vector 0 has length 2, expected 1; normalise it first",
        ),
        (lambda index: index.add([2, 3], unit(1)), ValueError, "2 keys for 1 vectors, expected as many"),
        (lambda index: index.add([2, 2], unit(1, 2)), ValueError, "key 2 is given twice, expected each once"),
        (lambda index: index.add([2, 1], unit(1, 2)), ValueError, "key 1 is in the index already; remove it first"),
        (lambda index: index.add([-4], unit(1)), ValueError, "key -4 is below 0, expected 0 or more"),
        (lambda index: index.add([1.5], unit(1)), TypeError, "keys have 1.5, expected whole numbers (n,)"),
        (lambda index: index.add([True], unit(1)), TypeError, "keys have True, expected whole numbers (n,)"),
        (lambda index: index.remove([1, 8]), ValueError, "key 8 is not in the index, expected keys that were added"),
        (lambda index: index.search(unit(1), 0), ValueError, "k is 0, expected a whole number from 1 to 16777216"),
        (lambda index: index.search(unit(1), 2.0), TypeError, "k is 2.0, expected a whole number from 1 to 16777216"),
        (lambda index: index.search(unit(1), True), TypeError, "k is True, expected a whole number from 1 to 16777216"),
        (
            lambda index: index.search(unit(1), 1, allow=np.ones(2, bool)),
            ValueError,
            "allow has shape (2,), expected (1,), one for each of keys",
        ),
        (lambda index: index.search(unit(1), 1, allow=[0.5]), TypeError, "allow have 0.5, expected whole"),
        (lambda index: index.add(np.array([2**63], np.uint64), unit(1)), ValueError, f"key {2**63} is over 63 bits"),
        (lambda index: index.reconstruct([1, 5]), ValueError, "key 5 is not in the index"),
        (
            lambda index: index.search(unit(1), 1, scan_dim=12),
            ValueError,
            "scan_dim is 12, expected a multiple of 8",
        ),
        (
            lambda index: index.search(unit(1), 1, scan_dim=24),
            ValueError,
            "scan_dim is 24, expected a whole number from 8 to 16",
        ),
        (
            lambda index: index.search(unit(1), 1, oversample=0),
            ValueError,
            "oversample is 0, expected a whole number from 1 to 16777216",
        ),
        (lambda index: index.search(BAD, 1), ValueError, "vector 0 is not finite, expected numbers without nan and"),
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


@pytest.mark.parametrize(
    ("dim", "error", "message"),
    [
        (0, ValueError, "dim is 0, expected a whole number from 8 to 65536"),
        (-8, ValueError, "dim is -8, expected a whole number from 8 to 65536"),
        (16.0, TypeError, "dim is 16.0, expected a whole number from 8 to 65536"),
        ("16", TypeError, "dim is '16', expected a whole number from 8 to 65536"),
    ],
)
def test_a_dim_that_makes_no_bytes_is_refused(dim: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        Index(dim)
    assert str(caught.value) == message


def test_whole_numbers_of_numpy_are_whole_numbers(tmp_path: Path) -> None:
    index = Index(np.int64(16))  # type: ignore[arg-type]
    index.add([np.int32(4), 5], unit(1, 2))
    index.save(tmp_path / "a.index")
    assert Index.open(tmp_path / "a.index").search(unit(1, 2), np.int64(1)).keys.tolist() == [[4], [5]]  # type: ignore[arg-type]


@pytest.mark.parametrize("key", [1.0, "1", True, None, [1], 2**63, -1, 2])
def test_what_is_no_key_is_not_in_the_index(key: object) -> None:
    index = Index(DIM)
    index.add([1], unit(1))
    assert 1 in index
    assert np.int64(1) in index
    assert key not in index


def test_keys_may_be_as_large_as_63_bits() -> None:
    index = Index(DIM)
    index.add([2**63 - 1, 0], unit(1, 2))
    assert index.search(unit(1, 2), 1).keys.tolist() == [[2**63 - 1], [0]]


@pytest.mark.parametrize(
    "allow", [{1, 3}, (key for key in (1, 3)), np.array([3, 1, -1, 99]), [1, 1, 3], range(1, 4, 2)]
)
def test_allow_takes_any_keys_and_passes_over_unknown_ones(allow: Any) -> None:
    index = Index(DIM)
    index.add(range(5), unit(1, 5))
    assert sorted(index.search(unit(2), 5, allow=allow).keys[0].tolist()) == [-1, -1, -1, 1, 3]


def test_a_length_within_a_thousandth_is_taken_for_one() -> None:
    index = Index(DIM)
    index.add([1], np.float32(1.0009) * unit(1))
    with pytest.raises(ValueError, match=r"^vector 0 has length 1\.002, expected 1; normalise it first$"):
        index.add([2], np.float32(1.002) * unit(1))


@pytest.mark.parametrize("fine", ["int8", None])
def test_rows_that_are_packed_give_what_rows_as_they_are_give(fine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, queries = unit(1, 70_000), unit(2, 20)
    random = np.random.default_rng(3)
    gone, mask = random.choice(70_000, 9000, replace=False), random.random(61_000) < 0.5
    found = []
    for packed in (True, False):
        if not packed:
            monkeypatch.delattr(numkong, "hammings_pack")
        index = Index(DIM, fine=fine)
        index.add(range(70_000), vectors)
        index.remove(gone)
        ways: list[dict[str, Any]] = [{}, {"allow": mask}, {"allow": index.keys[mask]}, {"scan_dim": 8}]
        found.append([index.search(queries, 20, **way) for way in ways])
        assert all(not np.isin(hits.keys, gone).any() for hits in found[-1])
    for mine, theirs in zip(*found, strict=True):
        assert (mine.keys == theirs.keys).all()
        assert (mine.scores == theirs.scores).all()
    assert (found[0][1].keys == found[0][2].keys).all()


def test_threads_search_as_one_does() -> None:
    index = Index(DIM)
    index.add(range(20_000), unit(1, 20_000))
    queries = unit(2, 64)
    expected = index.search(queries, 5)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: index.search(queries[row : row + 1], 5), range(64)))
    assert np.concatenate([hits.keys for hits in found]).tolist() == expected.keys.tolist()


def test_an_unknown_fine_code_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^fine is .int3., expected one of float16, int8, int4, bits, or None$"):
        Index(8, fine="int3")  # type: ignore[arg-type]


def test_k_over_the_size_gives_all_and_fills_the_rest() -> None:
    index = Index(DIM)
    index.add([3, 1], unit(1, 2))
    hits = index.search(unit(2), 5)
    assert sorted(hits.keys[0].tolist()) == [-1, -1, -1, 1, 3]
    assert np.isneginf(hits.scores[0, 2:]).all()


@pytest.mark.parametrize("share", [1.0, 0.1, 0.01, 0.001])
def test_a_filter_never_gives_fewer_hits_than_there_are(share: float) -> None:
    index = Index(DIM)
    index.add(np.arange(20_000) * 3, unit(1, 20_000))
    random = np.random.default_rng(7)
    for number in range(250):
        mask = random.random(20_000) < share
        k = int(random.integers(1, 60))
        by_mask = index.search(unit(number), k, allow=mask)
        by_keys = index.search(unit(number), k, allow=index.keys[mask])
        assert (by_mask.keys == by_keys.keys).all()
        assert (by_mask.keys >= 0).sum() == min(k, mask.sum())
        assert np.isin(by_mask.keys[by_mask.keys >= 0], index.keys[mask]).all()


def test_a_mask_is_by_the_keys_that_are_left() -> None:
    index = Index(DIM)
    index.add(range(100), unit(1, 100))
    index.remove([0, 50])
    mask = index.keys % 2 == 0
    assert sorted(key for key, _ in index.search(unit(2), 100, allow=mask)[0]) == index.keys[mask].tolist()
