from __future__ import annotations

import numpy as np
import pytest

from nestling import Hits
from nestling.vectors.hits import empty_hits


def test_rows_are_pairs_without_the_filling() -> None:
    hits = Hits(
        np.array([[7, 3], [5, -1]], dtype=np.int64),
        np.array([[0.5, 0.25], [0.125, -np.inf]], dtype=np.float32),
    )
    assert hits[0] == [(7, 0.5), (3, 0.25)]
    assert hits[1] == [(5, 0.125)]
    assert list(hits) == [hits[0], hits[1]]
    assert len(hits) == 2


def test_empty_hits_are_filled() -> None:
    hits = empty_hits(2, 3)
    assert hits.keys.tolist() == [[-1] * 3] * 2
    assert hits.scores.tolist() == [[-np.inf] * 3] * 2
    assert list(hits) == [[], []]


def test_arrays_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^keys are int32 \(1, 1\), expected int64 \(n, k\)$"):
        Hits(np.zeros((1, 1), np.int32), np.zeros((1, 1), np.float32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^scores are float32 \(1, 2\), expected float32 \(n, k\)$"):
        Hits(np.zeros((1, 1), np.int64), np.zeros((1, 2), np.float32))
