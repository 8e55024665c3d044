"""Runs are merged so that they stay few, and so that a vector is moved about as often as an index doubles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log2

import numpy as np
import pytest

from nestling.vectors import flat
from nestling.vectors.codes import Fine, to_bits, to_fine
from nestling.vectors.runs import MIN_RUN, Run, compacted, encoded, merged

DIM = 8


def unit(seed: int, rows: int, dim: int = DIM) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def without(runs: Sequence[Run], keys: np.ndarray, min_run: int = MIN_RUN) -> list[Run]:
    return compacted([run.without(run.rows_of(keys)) for run in runs], min_run=min_run)


def rows_moved(before: Sequence[Run], after: Sequence[Run]) -> int:
    """Rows of the runs that were made, by a merge or of new vectors."""
    there = {id(run.keys) for run in before}
    return sum(len(run.keys) for run in after if id(run.keys) not in there)


@pytest.mark.parametrize("min_run", [0, 8, MIN_RUN])
@pytest.mark.parametrize("fine", ["int8", "bits"])
def test_merged_runs_hold_what_was_added_and_are_searched_as_one(min_run: int, fine: Fine) -> None:
    for seed in range(8):
        random = np.random.default_rng(seed)
        runs: list[Run] = []
        stored: dict[int, np.ndarray] = {}
        for step in range(20):
            if random.random() < 0.7:
                keys = np.setdiff1d(random.integers(0, 90, random.integers(1, 12)), list(stored))
                keys = random.permutation(keys)
                vectors = unit(step, len(keys), 16)
                if len(keys):
                    runs = compacted([*runs, encoded(keys, vectors, fine)], min_run=min_run)
                stored |= dict(zip(keys.tolist(), vectors, strict=True))
            else:
                gone = random.permutation(sorted(stored))[: random.integers(0, 8)].astype(np.int64)
                runs = without(runs, gone, min_run)
                stored = {key: vector for key, vector in stored.items() if key not in gone}
            found = merged(runs)
            assert sorted(key for run in runs for key in run.living_keys().tolist()) == sorted(stored)
            if stored:
                (whole,), values = found, np.stack([stored[key] for key in sorted(stored)])
                assert whole.keys.tolist() == sorted(stored)
                assert (whole.bits == to_bits(values)).all()
                assert (whole.fine == to_fine(values, fine).records()).all()
                segments, one = [run.segment(run.alive) for run in runs], [whole.segment(None)]
                for candidates in (None, 4):
                    mine = flat.search(values[:3], segments, 3, candidates, shortlist_factor=2)
                    theirs = flat.search(values[:3], one, 3, candidates, shortlist_factor=2)
                    assert (mine.keys == theirs.keys).all()
                    assert (mine.scores == theirs.scores).all()
            else:
                assert found == []


def grown(rows: int, at_once: int) -> tuple[list[Run], int]:
    """The runs of so many vectors, added a few at a time, and how many rows were moved meanwhile."""
    runs: list[Run] = []
    moved = 0
    for begin in range(0, rows, at_once):
        before = runs
        runs = compacted([*runs, encoded(np.arange(begin, begin + at_once), unit(begin, at_once), "int8")])
        moved += rows_moved(before, runs)
    return runs, moved


@pytest.mark.parametrize("at_once", [16, 100])
def test_a_vector_is_moved_no_more_than_once_more_when_an_index_doubles(at_once: int) -> None:
    sizes = [at_once * count for count in (100, 400, 1600)]
    moves = []
    for rows in sizes:
        runs, moved = grown(rows, at_once)
        assert len(runs) <= 2 + max(0.0, log2(rows / MIN_RUN))
        assert sum(run.living for run in runs) == rows
        moves.append(moved / rows)
        # What is below the smallest run, half of it on average, is merged at each call.
        assert moves[-1] <= 1 + MIN_RUN / (2 * at_once) + max(0.0, log2(rows / MIN_RUN))
    assert all(later - earlier <= 2 for earlier, later in pairwise(moves))


def test_removing_a_few_at_a_time_moves_what_is_left_a_few_times() -> None:
    rows, at_once = 20_000, 50
    runs = [encoded(np.arange(rows), unit(1, rows), "int8")]
    order, moved = np.random.default_rng(2).permutation(rows), 0
    for begin in range(0, rows, at_once):
        before = runs
        runs = without(runs, order[begin : begin + at_once])
        moved += rows_moved(before, runs)
        assert sum(len(run.keys) for run in runs) <= (rows - begin) / 0.75
    assert runs == []
    assert moved <= 4 * rows
