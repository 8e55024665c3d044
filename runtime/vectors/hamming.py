"""Differing bits of a query and many rows, by numkong's kernels, or by numpy where it has none for this machine.

With AVX2, rows that are packed once are compared three times as fast, in a layout of the kernel's own that takes 4
bytes a row more than they do; few rows are not worth it. With AVX-512 they are as fast unpacked, and packed ones take
132 bytes, so they stay as they are.
"""

from __future__ import annotations

from typing import Any

import numkong
import numpy as np
import numpy.typing as npt

from ..arrays import Bytes

Distances = npt.NDArray[np.uint32]

BLOCK_ROWS = 1 << 16
MAX_GROWTH = 1.5

_TRIED_ROWS = 64


def blocks(bits: Bytes, *, block_rows: int = BLOCK_ROWS, max_growth: float = MAX_GROWTH) -> list[Any]:
    """Rows made ready to be compared, `block_rows` in each block, the last fewer.

    Where there are as many or more a copy of them is packed by numkong; fewer are given as they are, and all where
    packed ones would take over `max_growth` times the memory.

    Args:
        bits: (n, width) uint8.
    """
    parts = [np.ascontiguousarray(bits[begin : begin + block_rows]) for begin in range(0, len(bits), block_rows)]
    if len(bits) < block_rows or not hasattr(numkong, "hammings_pack"):
        return list(parts)
    tried = parts[0][:_TRIED_ROWS]
    if numkong.hammings_pack(tried, dtype="uint1").nbytes > max_growth * tried.nbytes:
        return list(parts)
    return [numkong.hammings_pack(part, dtype="uint1") for part in parts]


def distances(query: Bytes, block: Any) -> Distances:
    """Differing bits of a query, (1, width) uint8, and a block of n rows: (n,) uint32."""
    found: Distances
    if not isinstance(block, np.ndarray):
        found = np.asarray(numkong.hammings_packed(query, block))[0]
    elif hasattr(numkong, "cdist"):
        found = np.asarray(numkong.cdist(query, block, metric="hamming", dtype="uint1"))[0].astype(np.uint32)
    else:
        found = np.bitwise_count(block ^ query).sum(axis=1, dtype=np.uint32)
    return found
