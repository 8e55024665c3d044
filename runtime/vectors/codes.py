"""Vectors to codes: one bit a dimension for the scan, and a fine code for rescoring.

Pure functions. Each code is of one vector alone, so adding, removing or reordering others cannot change it.

| fine code | bytes of a vector | error of a dimension, at most |
|---|---|---|
| float16 | 2 dim | 2 ** -11 of its value, or 2 ** -25 where that is more |
| int8 | dim + 4 | half a scale: largest magnitude of the vector / 127 / 2 |
| int4 | dim / 2 + 4 | half a scale: largest magnitude of the vector / 7 / 2 |
| bits | dim / 8, those of the scan | none is stated: the sign alone, at 1 / sqrt(dim) |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Fine = Literal["float16", "int8", "int4", "bits"]
FINE: tuple[Fine, ...] = get_args(Fine)

_STEPS = {"int8": 127, "int4": 7}
_DTYPES: dict[str, Any] = {"float16": np.float16, "int8": np.int8, "int4": np.uint8, "bits": np.uint8}
_VALUES_A_BYTE = {"int4": 2, "bits": 8}


@dataclass(frozen=True)
class FineCodes:
    """Vectors in few bytes: `vector = values * scale`, within the bounds of this module's table.

    Attributes:
        kind: what the values are.
        values: (n, dim) float16 or int8, (n, dim / 2) uint8 for int4 with the first dimension in the lower half of a
            byte and 8 added, (n, dim / 8) uint8 for bits.
        scales: (n,) float32 for int8 and int4; (0,) for float16 and bits.
    """

    kind: Fine
    values: npt.NDArray[Any]
    scales: Floats

    def __post_init__(self) -> None:
        if self.kind not in FINE:
            raise ValueError(f"fine is {self.kind!r}, expected one of {', '.join(FINE)}")
        if self.values.dtype != _DTYPES[self.kind] or self.values.ndim != 2:
            raise ValueError(f"values are {self.values.dtype} {self.values.shape}, expected {self.kind} (n, dim)")
        rows = len(self.values) if self.kind in _STEPS else 0
        if self.scales.dtype != np.float32 or self.scales.shape != (rows,):
            raise ValueError(f"scales are {self.scales.dtype} {self.scales.shape}, expected float32 ({rows},)")

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Any) -> FineCodes:
        """Some rows, by a slice, a mask or positions."""
        return FineCodes(self.kind, self.values[rows], self.scales[rows] if self.kind in _STEPS else self.scales)

    def dot(self, query: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Dot products with a query, (n,) float64.

        Exact, and so the same on every processor, where the query's values are whole numbers below 2 ** 21: the
        values are whole numbers too, or multiples of 2 ** -24 for float16, and all sums stay below 2 ** 53.
        """
        sums = _unpacked(self) @ query
        return np.asarray(sums * self._scales(self.values.shape[1] * _VALUES_A_BYTE.get(self.kind, 1)))

    def decode(self) -> Floats:
        """(n, dim) float32."""
        values = _unpacked(self)
        scales = self._scales(values.shape[1])
        if self.kind in _STEPS:
            scales = scales[:, None]
        return np.asarray(values * scales, dtype=np.float32)

    def _scales(self, dim: int) -> Any:
        if self.kind in _STEPS:
            return self.scales.astype(np.float64)
        return 1.0 if self.kind == "float16" else 1.0 / float(np.sqrt(dim))


def to_bits(vectors: Floats) -> Bytes:
    """One bit a dimension: set where the value is above zero, the first dimension in the lowest bit.

    Args:
        vectors: (n, dim) float32, dim a multiple of 8.

    Returns:
        (n, dim / 8) uint8.
    """
    return np.packbits(vectors > 0, axis=1, bitorder="little")


def to_fine(vectors: Floats, kind: Fine) -> FineCodes:
    """The fine codes of vectors; a vector of zeros gets scale 0.

    Args:
        vectors: (n, dim) float32, no magnitude over 1, dim a multiple of 8.
    """
    none = np.zeros(0, dtype=np.float32)
    if kind == "float16":
        return FineCodes(kind, vectors.astype(np.float16), none)
    if kind == "bits":
        return FineCodes(kind, to_bits(vectors), none)
    scales = (np.abs(vectors).max(axis=1, initial=0.0) / _STEPS[kind]).astype(np.float32)
    values = np.rint(vectors / np.where(scales > 0, scales, 1.0)[:, None])
    values = np.clip(values, -_STEPS[kind], _STEPS[kind]).astype(np.int8)
    if kind == "int4":
        halves = (values + 8).astype(np.uint8)
        return FineCodes(kind, halves[:, ::2] | (halves[:, 1::2] << 4), scales)
    return FineCodes(kind, values, scales)


def fine_shape(kind: Fine, dim: int) -> tuple[Any, int, int]:
    """The dtype and the number of values of one vector, and the number of its scales."""
    return _DTYPES[kind], dim // _VALUES_A_BYTE.get(kind, 1), int(kind in _STEPS)


def _unpacked(codes: FineCodes) -> npt.NDArray[np.float64]:
    """(n, dim) float64, whole numbers but for float16."""
    if codes.kind == "int4":
        whole = np.empty((len(codes), 2 * codes.values.shape[1]), dtype=np.float64)
        whole[:, ::2] = codes.values & 15
        whole[:, 1::2] = codes.values >> 4
        return whole - 8
    if codes.kind == "bits":
        return np.unpackbits(codes.values, axis=1, bitorder="little").astype(np.float64) * 2 - 1
    return codes.values.astype(np.float64)
