"""Runs of codes in the order of their keys, and how they are merged as an index grows and shrinks.

A small run is added for each call of `Index.add` and merged with others of its size, as in a log-structured merge
tree, so that adding n vectors one by one moves each about log2(n) times. Removed rows are masked until they are a
quarter of their run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .codes import Bytes, Fine, FineCodes, Floats, fine_shape
from .flat import Mask, Rows, Segment

_MAX_DEAD = 0.25
_MIN_RUN = 1024
_ROWS_AT_ONCE = 65536


@dataclass(frozen=True)
class Run:
    """Codes of vectors.

    Attributes:
        keys: (n,) int64, ascending.
        bits: (n, dim / 8) uint8.
        fine: n codes.
        alive: (n,) bool, the rows that were not removed; None for all.
    """

    keys: Rows
    bits: Bytes
    fine: FineCodes
    alive: Mask | None = None

    @property
    def living(self) -> int:
        """How many rows there are."""
        return len(self.keys) if self.alive is None else int(self.alive.sum())

    def living_keys(self) -> Rows:
        """The keys of these rows, ascending."""
        return self.keys if self.alive is None else self.keys[self.alive]

    def positions(self, keys: Rows) -> Rows:
        """Ascending positions of those of some different keys that are there."""
        places = np.searchsorted(self.keys, keys).astype(np.int64)
        inside = places < len(self.keys)
        places = places[inside]
        found = places[self.keys[places] == keys[inside]]
        return np.sort(found if self.alive is None else found[self.alive[found]])

    def without(self, rows: Rows) -> Run:
        """The run with some rows masked."""
        alive = np.ones(len(self.keys), dtype=np.bool_) if self.alive is None else self.alive.copy()
        alive[rows] = False
        return replace(self, alive=alive)

    def part(self, rows: Any) -> Run:
        """Some rows by themselves."""
        return Run(self.keys[rows], self.bits[rows], self.fine[rows])

    def segment(self, mask: Mask | None) -> Segment:
        """As the scan takes it."""
        return Segment(self.keys, self.bits, self.fine.__getitem__, mask)


def opened(keys: Any, bits: Any, fine: Fine, values: Any, scales: Any, dim: int) -> Run:
    """A run over a file's arrays; raises ValueError where they do not belong together."""
    dtype, width, scales_a_row = fine_shape(fine, dim)
    rows = len(keys)
    expected = [(np.int64, (rows,)), (np.uint8, (rows, dim // 8)), (dtype, (rows, width))]
    expected.append((np.float32, (rows * scales_a_row,)))
    for array, (kind, shape) in zip((keys, bits, values, scales), expected, strict=True):
        if array.dtype != kind or array.shape != shape:
            raise ValueError(f"an array is {array.dtype} {array.shape}, expected {np.dtype(kind)} {shape}")
    return Run(keys, bits, FineCodes(fine, values, scales))


def compacted(runs: Sequence[Run]) -> list[Run]:
    """The same rows in fewer runs, where that is due."""
    kept = [run.part(run.alive) if run.alive is not None and _dead(run) > _MAX_DEAD else run for run in runs]
    kept = [run for run in kept if len(run.keys)]
    while len(kept) > 1 and len(kept[-2].keys) <= max(2 * len(kept[-1].keys), _MIN_RUN):
        kept[-2:] = merged(kept[-2:])
    return kept


def merged(runs: Sequence[Run]) -> list[Run]:
    """The same rows in one run; none for no rows."""
    if len(runs) == 1 and runs[0].alive is None:
        return list(runs)
    parts = list(in_key_order(runs)())
    return [_joined(parts)] if parts else []


def in_key_order(runs: Sequence[Run]) -> Callable[[], Iterator[Run]]:
    """The living rows of all runs in small parts, ascending by key, so that no second copy is made; any number of
    times."""
    keys = np.concatenate([np.zeros(0, dtype=np.int64), *(run.living_keys() for run in runs)])
    owner = np.repeat(np.arange(len(runs)), [run.living for run in runs])
    rows = [np.arange(len(run.keys)) if run.alive is None else np.flatnonzero(run.alive) for run in runs]
    row = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
    order = np.argsort(keys, kind="stable")

    def parts() -> Iterator[Run]:
        for begin in range(0, len(order), _ROWS_AT_ONCE):
            chosen = order[begin : begin + _ROWS_AT_ONCE]
            found = [runs[number].part(row[chosen[owner[chosen] == number]]) for number in range(len(runs))]
            found = [run for run in found if len(run.keys)]
            joined = found[0] if len(found) == 1 else _joined(found)
            yield joined if len(found) == 1 else joined.part(np.argsort(joined.keys))

    return parts


def _dead(run: Run) -> float:
    return 1.0 - run.living / len(run.keys)


def _joined(runs: Sequence[Run]) -> Run:
    values: npt.NDArray[Any] = np.concatenate([run.fine.values for run in runs])
    scales: Floats = np.concatenate([run.fine.scales for run in runs])
    return Run(
        np.concatenate([run.keys for run in runs]),
        np.concatenate([run.bits for run in runs]),
        FineCodes(runs[0].fine.kind, values, scales),
    )
