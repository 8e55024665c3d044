"""Differing bits of a query and many rows, by numkong's kernels, or by numpy where it has none for this machine.

Rows that are packed once are compared three times as fast, in a layout of the kernel's own that takes 4 bytes a row
more than they do; few rows are not worth it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numkong
import numpy as np
import numpy.typing as npt

from .codes import Bytes

Distances = npt.NDArray[np.uint32]

BLOCK_ROWS = 1 << 16


@dataclass(frozen=True)
class Blocks:
    """Rows of bits, ready to be compared.

    Attributes:
        rows: how many there are.
        parts: `BLOCK_ROWS` rows each, the last fewer; packed by numkong, or (n, width) uint8 as they were given.
    """

    rows: int
    parts: tuple[Any, ...]

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        """The first row of each part, and the part."""
        return ((number * BLOCK_ROWS, part) for number, part in enumerate(self.parts))


def blocks(bits: Bytes) -> Blocks:
    """Make rows ready; a copy of them is packed where there are a block or more.

    Args:
        bits: (n, width) uint8.
    """
    packed = len(bits) >= BLOCK_ROWS and hasattr(numkong, "hammings_pack")
    parts = []
    for begin in range(0, len(bits), BLOCK_ROWS):
        part = bits[begin : begin + BLOCK_ROWS]
        parts.append(numkong.hammings_pack(np.ascontiguousarray(part), dtype="uint1") if packed else part)
    return Blocks(len(bits), tuple(parts))


def distances(query: Bytes, part: Any) -> Distances:
    """Differing bits of a query, (1, width) uint8, and n rows, as they are or packed: (n,) uint32."""
    found: Distances
    if not isinstance(part, np.ndarray):
        found = np.asarray(numkong.hammings_packed(query, part))[0]
    elif hasattr(numkong, "cdist"):
        rows = np.ascontiguousarray(part)
        found = np.asarray(numkong.cdist(query, rows, metric="hamming", dtype="uint1"))[0].astype(np.uint32)
    else:
        found = np.bitwise_count(part ^ query).sum(axis=1, dtype=np.uint32)
    return found
