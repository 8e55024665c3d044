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

from .codes import Bytes, Fine, FineCodes, fine_shape
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


Array = npt.NDArray[Any]
Take = Callable[[Run], Array]


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
    if not sum(run.living for run in runs):
        return []
    column = in_key_order(runs)
    takes = (keys_of, bits_of, values_of, scales_of)
    keys, bits, values, scales = (np.concatenate(list(column(take))) for take in takes)
    return [Run(keys, bits, FineCodes(runs[0].fine.kind, values, scales))]


def in_key_order(runs: Sequence[Run]) -> Callable[[Take], Iterator[Array]]:
    """A function of a column to its living rows, ascending by key, in small parts: no second copy of it is made."""
    order, owner, row = _places(runs)

    def column(take: Take) -> Iterator[Array]:
        arrays = [take(run) for run in runs]
        if not any(map(len, arrays)):  # codes without scales
            yield from arrays[:1]
            return
        for begin in range(0, len(order), _ROWS_AT_ONCE):
            chosen = order[begin : begin + _ROWS_AT_ONCE]
            part = np.empty((len(chosen), *arrays[0].shape[1:]), dtype=arrays[0].dtype)
            for number, array in enumerate(arrays):
                here = owner[chosen] == number
                part[here] = array[row[chosen[here]]]
            yield part

    return column


def keys_of(run: Run) -> Array:
    """The column of keys."""
    return run.keys


def bits_of(run: Run) -> Array:
    """The column of bits."""
    return run.bits


def values_of(run: Run) -> Array:
    """The column of fine values."""
    return run.fine.values


def scales_of(run: Run) -> Array:
    """The column of their scales."""
    return run.fine.scales


def _dead(run: Run) -> float:
    return 1.0 - run.living / len(run.keys)


def _places(runs: Sequence[Run]) -> tuple[Rows, Rows, Rows]:
    """The order of all living rows by key, and the run and the position in it of each."""
    keys = np.concatenate([np.zeros(0, dtype=np.int64), *(run.living_keys() for run in runs)])
    owner = np.repeat(np.arange(len(runs)), [run.living for run in runs])
    rows = [np.arange(len(run.keys)) if run.alive is None else np.flatnonzero(run.alive) for run in runs]
    row = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
    return np.argsort(keys, kind="stable"), owner, row
