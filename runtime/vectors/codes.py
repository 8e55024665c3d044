"""Vectors to codes: one bit a dimension, int8 with a scale a vector.

Pure functions. Each code is of one vector alone, so adding, removing or reordering others cannot change it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Int8Codes:
    """Vectors rounded to 8 bits: `vector = values * scale`, with an error of at most `scale / 2` a dimension.

    Attributes:
        values: (n, dim) int8 from -127 to 127.
        scales: (n,) float32, the largest magnitude of the vector divided by 127.
    """

    values: npt.NDArray[np.int8]
    scales: Floats

    def __post_init__(self) -> None:
        if self.values.dtype != np.int8 or self.values.ndim != 2:
            raise ValueError(f"values are {self.values.dtype} {self.values.shape}, expected int8 (n, dim)")
        if self.scales.dtype != np.float32 or self.scales.shape != self.values.shape[:1]:
            raise ValueError(f"scales are {self.scales.dtype} {self.scales.shape}, expected float32 (n,)")

    def decode(self) -> Floats:
        """(n, dim) float32, each value within `scale / 2` of the vector's."""
        return self.values.astype(np.float32) * self.scales[:, None]


def to_bits(vectors: Floats) -> Bytes:
    """One bit a dimension: set where the value is above zero, the first dimension in the lowest bit.

    Args:
        vectors: (n, dim) float32, dim a multiple of 8.

    Returns:
        (n, dim / 8) uint8.
    """
    return np.packbits(vectors > 0, axis=1, bitorder="little")


def to_int8(vectors: Floats) -> Int8Codes:
    """Round each vector to int8 by its own largest magnitude; a vector of zeros gets scale 0.

    Args:
        vectors: (n, dim) float32.
    """
    scales = (np.abs(vectors).max(axis=1, initial=0.0) / 127.0).astype(np.float32)
    values = np.rint(vectors / np.where(scales > 0, scales, 1.0)[:, None])
    return Int8Codes(np.clip(values, -127, 127).astype(np.int8), scales)
