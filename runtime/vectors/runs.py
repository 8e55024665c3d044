"""Runs, which are codes of vectors in the order of their keys, and how they are merged as an index grows and shrinks.

A run is added for each call of `Index.add` and merged with others of its size, as in a log-structured merge tree: a
vector is moved about as often as runs double. Runs below a thousand vectors are merged at once. Removed rows are
masked until they are a quarter of their run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..arrays import Bytes, Floats, Keys, Mask, Rows
from ..errors import IndexFileError
from . import hamming
from .codes import Fine, FineCodes, record_bytes, to_bits, to_fine
from .files import Array, Column, Mapped
from .flat import Segment

MIN_RUN = 1024

_MAX_REMOVED = 0.25
_ROWS_AT_ONCE = 65536


@dataclass(frozen=True, eq=False)
class Run:
    """Codes of vectors.

    Attributes:
        keys: (n,) int64, ascending.
        bits: (n, dim / 8) uint8.
        kind: of the fine codes.
        fine: (n, bytes) uint8, these as records; for the kind `bits` the same array as `bits`.
        alive: (n,) bool, the rows that were not removed; None for all.
        source: the file whose views the arrays are; None where they are in memory.
    """

    keys: Keys
    bits: Bytes
    kind: Fine
    fine: Bytes
    alive: Mask | None = None
    source: Mapped | None = None
    _blocks: dict[int, list[Any]] = field(default_factory=dict, repr=False)

    @property
    def living(self) -> int:
        """How many rows there are."""
        return len(self.keys) if self.alive is None else int(self.alive.sum())

    def living_keys(self) -> Keys:
        """The keys of these rows, ascending."""
        return self.keys if self.alive is None else self.keys[self.alive]

    def rows_of(self, keys: Keys) -> Rows:
        """The rows of those of some keys that are there, in no order."""
        rows = np.searchsorted(self.keys, keys).astype(np.int64)
        inside = rows < len(self.keys)
        rows = rows[inside]
        found: Rows = rows[self.keys[rows] == keys[inside]]
        return found if self.alive is None else found[self.alive[found]]

    def without(self, rows: Rows) -> Run:
        """The run with some rows masked."""
        alive = np.ones(len(self.keys), dtype=np.bool_) if self.alive is None else self.alive.copy()
        alive[rows] = False
        return replace(self, alive=alive)

    def blocks(self, width: int) -> list[Any]:
        """The first bytes of all rows' bits, ready to be scanned; made once, and kept for the last width."""
        found = self._blocks.get(width)
        if found is None:
            found = hamming.blocks(self.bits[:, :width])
            self.release("bits")
            self._blocks.clear()
            self._blocks[width] = found
        return found

    def bits_of(self, rows: Rows) -> Bytes:
        """The bits of some rows, (m, dim / 8) uint8."""
        found = self.bits[rows]
        self.release("bits")
        return found

    def fine_of(self, rows: Rows) -> FineCodes:
        """The fine codes of some rows."""
        dim = 8 * self.bits.shape[1]
        if self.kind == "bits":
            return FineCodes.of_records("bits", dim, self.bits_of(rows))
        records = self.fine[rows] if self.source is None else self.source.read_rows("fine", rows)
        return FineCodes.of_records(self.kind, dim, records)

    def segment(self, mask: Mask | None) -> Segment:
        """As a search reads it."""
        return Segment(self.keys, self.blocks, self.bits_of, self.fine_of, mask)

    def verify(self) -> None:
        """Compare a mapped file with its hashes, so that damage is not copied and hashed anew.

        Raises:
            IndexFileError: it is damaged.
        """
        if self.source is not None and (damage := self.source.damage()):
            raise IndexFileError(f"the file of this index is damaged ({damage[0]}); restore it or build it again")

    def release(self, *names: str) -> None:
        """Give back the memory that reading a mapped file's arrays took; of all, where none is named."""
        if self.source is not None:
            for name in names or self.source.arrays:
                if name in self.source.arrays:
                    self.source.release(name)


def encoded(keys: Keys, vectors: Floats, fine: Fine) -> Run:
    """A run of vectors, encoded in parts: what is in between takes the memory of a part alone.

    Args:
        keys: (n,) int64, different, in any order.
        vectors: (n, dim) float32, unit rows.
    """
    order = np.argsort(keys, kind="stable")
    bits = np.empty((len(keys), vectors.shape[1] // 8), dtype=np.uint8)
    records = bits if fine == "bits" else np.empty((len(keys), record_bytes(fine, vectors.shape[1])), dtype=np.uint8)
    for begin in range(0, len(keys), _ROWS_AT_ONCE):
        part = slice(begin, begin + _ROWS_AT_ONCE)
        some = vectors[order[part]]
        bits[part] = to_bits(some)
        if fine != "bits":
            records[part] = to_fine(some, fine).records()
    return Run(keys[order], bits, fine, records)


def columns_of(runs: Sequence[Run], fine: Fine, dim: int) -> dict[str, Column]:
    """The living rows of runs as a file's columns, ascending by key."""
    merged_column = _merging(runs)
    layout = _layout(fine, dim, sum(run.living for run in runs))
    return {name: Column(dtype, shape, merged_column(name)) for name, (dtype, shape) in layout.items()}


def opened(found: Mapped, fine: Fine, dim: int) -> Run:
    """A run over a file's arrays; raises KeyError or ValueError where they are not those of `columns_of`."""
    arrays = found.arrays
    for name, (dtype, shape) in _layout(fine, dim, len(arrays["keys"])).items():
        array = arrays[name]
        if array.dtype != dtype or array.shape != shape:
            raise ValueError(f"{name} are {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}")
    if fine != "bits":
        found.expect_random_reads("fine")
    return Run(arrays["keys"], arrays["bits"], fine, arrays["bits" if fine == "bits" else "fine"], source=found)


def compacted(runs: Sequence[Run], *, min_run: int = MIN_RUN) -> list[Run]:
    """The same rows in fewer runs, where that is due.

    Args:
        min_run: a run of up to so many rows is merged with any that follows.
    """
    kept: list[Run] = []
    for run in runs:
        kept += merged([run]) if run.alive is not None and _removed_share(run) > _MAX_REMOVED else [run]
    while len(kept) > 1 and len(kept[-2].keys) <= max(2 * len(kept[-1].keys), min_run):
        kept[-2:] = merged(kept[-2:])
    return kept


def merged(runs: Sequence[Run]) -> list[Run]:
    """The same rows in one run; none for no rows."""
    if len(runs) == 1 and runs[0].alive is None:
        return list(runs)
    if not sum(run.living for run in runs):
        return []
    merged_column = _merging(runs)

    def whole(name: str) -> Array:
        return np.concatenate(list(merged_column(name)))

    keys, bits, kind = whole("keys"), whole("bits"), runs[0].kind
    return [Run(keys, bits, kind, bits if kind == "bits" else whole("fine"))]


def _merging(runs: Sequence[Run]) -> Callable[[str], Iterator[Array]]:
    """A function that gives a column of all living rows, ascending by key, in parts: it is not copied as a whole."""
    for run in runs:
        run.verify()
    order, owner, row = _merge_order(runs)

    def merged_column(name: str) -> Iterator[Array]:
        arrays: list[Array] = [getattr(run, name) for run in runs]
        for begin in range(0, len(order), _ROWS_AT_ONCE):
            chosen = order[begin : begin + _ROWS_AT_ONCE]
            part = np.empty((len(chosen), *arrays[0].shape[1:]), dtype=arrays[0].dtype)
            for number, array in enumerate(arrays):
                here = owner[chosen] == number
                part[here] = array[row[chosen[here]]]
            yield part
        for run in runs:
            run.release()

    return merged_column


def _merge_order(runs: Sequence[Run]) -> tuple[Rows, Rows, Rows]:
    """The order of all living rows by key; and of each the number of its run and its row there."""
    keys = np.concatenate([np.zeros(0, dtype=np.int64), *(run.living_keys() for run in runs)])
    owner = np.repeat(np.arange(len(runs)), [run.living for run in runs])
    rows = [np.arange(len(run.keys)) if run.alive is None else np.flatnonzero(run.alive) for run in runs]
    row = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
    return np.argsort(keys, kind="stable"), owner, row


def _layout(fine: Fine, dim: int, rows: int) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """The dtypes and shapes of a file's columns."""
    layout: dict[str, tuple[Any, tuple[int, ...]]] = {
        "keys": (np.int64, (rows,)),
        "bits": (np.uint8, (rows, dim // 8)),
    }
    if fine != "bits":
        layout["fine"] = (np.uint8, (rows, record_bytes(fine, dim)))
    return layout


def _removed_share(run: Run) -> float:
    return 1.0 - run.living / len(run.keys)
