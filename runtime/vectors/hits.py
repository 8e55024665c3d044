"""`Hits`: what a search over vectors returns, two arrays and a view of their rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats, Keys

NO_KEY = -1
NO_SCORE = float("-inf")


@dataclass(frozen=True, eq=False)
class Hits:
    """The k best keys for each query, best first, equal scores by smaller key.

    Attributes:
        keys: (n, k) int64; a row with fewer than k hits is filled with -1.
        scores: (n, k) float32, cosine of query and vector; filled with -inf.
    """

    keys: Keys
    scores: Floats

    def __post_init__(self) -> None:
        if self.keys.dtype != np.int64 or self.keys.ndim != 2:
            raise ValueError(f"keys are {self.keys.dtype} {self.keys.shape}, expected int64 (n, k)")
        if self.scores.dtype != np.float32 or self.scores.shape != self.keys.shape:
            raise ValueError(f"scores are {self.scores.dtype} {self.scores.shape}, expected float32 (n, k)")

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, row: int) -> list[tuple[int, float]]:
        """The (key, score) pairs of one query, without the filling."""
        found = self.keys[row] != NO_KEY
        return list(zip(self.keys[row][found].tolist(), self.scores[row][found].tolist(), strict=True))

    def __iter__(self) -> Iterator[list[tuple[int, float]]]:
        return (self[row] for row in range(len(self)))


def empty_hits(queries: int, k: int) -> Hits:
    """Hits with no row filled: (queries, k) of -1 and -inf."""
    return Hits(
        np.full((queries, k), NO_KEY, dtype=np.int64),
        np.full((queries, k), NO_SCORE, dtype=np.float32),
    )
