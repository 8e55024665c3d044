"""Vectors to codes: one bit a dimension for the scan, and a fine code for rescoring.

Pure functions. Each code is of one vector alone, so adding, removing or reordering others cannot change it.

| fine code | bytes of a vector | error of a dimension, at most |
|---|---|---|
| float16 | 2 dim | 2 ** -11 of its value, or 2 ** -25 where that is more |
| int8 | dim + 4 | half a scale, which is the largest magnitude of the vector / 127, as float32 |
| int4 | dim / 2 + dim / 16 | half a scale, which is the largest of 32 magnitudes / 7, as float16; or 2 ** -22 |
| bits | dim / 8, those of the scan | none is stated: the sign alone, at 1 / sqrt(dim) |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ..arrays import Bytes, Doubles, Floats

Fine = Literal["float16", "int8", "int4", "bits"]
FINE: tuple[Fine, ...] = get_args(Fine)

_GROUP = 32


@dataclass(frozen=True)
class _Kind:
    """How a fine code is laid out.

    Attributes:
        dtype: of the values.
        a_byte: dimensions in one value.
        steps: the largest whole number of a value; 0 where there are no scales.
        scale: the dtype of the scales.
    """

    dtype: Any
    a_byte: int = 1
    steps: int = 0
    scale: Any = np.float32


_KINDS = {
    "float16": _Kind(np.float16),
    "int8": _Kind(np.int8, steps=127),
    "int4": _Kind(np.uint8, a_byte=2, steps=7, scale=np.float16),
    "bits": _Kind(np.uint8, a_byte=8),
}


@dataclass(frozen=True, eq=False)
class FineCodes:
    """Vectors in few bytes: `vector = values * scale`, within the bounds of this module's table.

    Attributes:
        kind: what the values are.
        values: (n, dim) float16 or int8, (n, dim / 2) uint8 for int4 with the first dimension in the lower half of a
            byte and 8 added, (n, dim / 8) uint8 for bits.
        scales: (n, 1) float32 for int8; (n, dim / 32) float16 for int4; (n, 0) float32 for others.
    """

    kind: Fine
    values: npt.NDArray[Any]
    scales: npt.NDArray[Any]

    def __post_init__(self) -> None:
        if self.kind not in FINE:
            raise ValueError(f"fine is {self.kind!r}, expected one of {', '.join(FINE)}")
        kind = _KINDS[self.kind]
        if self.values.dtype != kind.dtype or self.values.ndim != 2:
            raise ValueError(f"values are {self.values.dtype} {self.values.shape}, expected {self.kind} (n, dim)")
        expected = (len(self.values), _scales_of(self.kind, self.dim))
        if self.scales.dtype != kind.scale or self.scales.shape != expected:
            found = f"{self.scales.dtype} {self.scales.shape}"
            raise ValueError(f"scales are {found}, expected {np.dtype(kind.scale)} {expected}")

    @classmethod
    def of_records(cls, kind: Fine, dim: int, records: Bytes) -> FineCodes:
        """The codes of vectors of `dim` dimensions, from what `records` gave: (n, record_bytes(kind, dim)) uint8."""
        scale, value = (np.dtype(dtype).newbyteorder("<") for dtype in (_KINDS[kind].scale, _KINDS[kind].dtype))
        border = _scales_of(kind, dim) * scale.itemsize
        scales = np.ascontiguousarray(records[:, :border]).view(scale)
        values = np.ascontiguousarray(records[:, border:]).view(value)
        return cls(kind, values.astype(_KINDS[kind].dtype), scales.astype(_KINDS[kind].scale))

    def records(self) -> Bytes:
        """The codes as they are kept, a row each: (n, bytes) uint8, the scales first, numbers little-endian."""
        parts = []
        for part in (self.scales, self.values):
            stored = np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<"))
            parts.append(stored.view(np.uint8).reshape(len(self), part.shape[1] * part.itemsize))
        return np.concatenate(parts, axis=1)

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return int(self.values.shape[1]) * _KINDS[self.kind].a_byte

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Any) -> FineCodes:
        """Some rows, by a slice, a mask or positions."""
        return FineCodes(self.kind, self.values[rows], self.scales[rows])

    def dot(self, query: Doubles) -> Doubles:
        """Dot products with a query, (n,) float64.

        Sums are exact, and so the same on every processor, where the query's values are whole numbers below 2 ** 21:
        codes are whole numbers or, as float16 and the scales of int4 are, multiples of 2 ** -24, and no sum of a unit
        vector's reaches 2 ** 53 of them. What int8 and bits are then scaled by is one multiplication or division.
        """
        values = _unpacked(self)
        if self.kind == "int4":
            sums = np.add.reduceat(values * query, np.arange(0, self.dim, _GROUP), axis=1)
            return np.asarray((sums * self.scales).sum(axis=1))
        sums = values @ query
        if self.kind == "int8":
            return np.asarray(sums * self.scales[:, 0])
        return np.asarray(sums if self.kind == "float16" else sums / np.sqrt(self.dim))

    def decode(self) -> Floats:
        """(n, dim) float32."""
        values = _unpacked(self)
        if self.kind == "bits":
            values /= np.sqrt(self.dim)
        elif _KINDS[self.kind].steps:
            values *= self.scales.repeat(_GROUP if self.kind == "int4" else self.dim, axis=1)[:, : self.dim]
        return values.astype(np.float32)


def padded_dim(dim: int) -> int:
    """The multiple of 8 that vectors of `dim` dimensions are filled up to, so that their bits are whole bytes."""
    return -(-dim // 8) * 8


def padded(vectors: Floats) -> Floats:
    """Vectors filled up with zeros, which change no dot product: (n, padded_dim(dim)) float32."""
    missing = padded_dim(vectors.shape[1]) - vectors.shape[1]
    return np.pad(vectors, ((0, 0), (0, missing))) if missing else vectors


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
    none = np.zeros((len(vectors), 0), dtype=np.float32)
    if kind == "float16":
        return FineCodes(kind, vectors.astype(np.float16), none)
    if kind == "bits":
        return FineCodes(kind, to_bits(vectors), none)
    steps, dim = _KINDS[kind].steps, vectors.shape[1]
    group = _GROUP if kind == "int4" else dim
    largest = np.maximum.reduceat(np.abs(vectors), np.arange(0, dim, group), axis=1)
    scales = (largest / steps).astype(_KINDS[kind].scale)
    divisors = np.where(scales > 0, scales, 1).astype(np.float32).repeat(group, axis=1)[:, :dim]
    values = np.clip(np.rint(vectors / divisors), -steps, steps).astype(np.int8)
    if kind == "int4":
        halves = (values + 8).astype(np.uint8)
        return FineCodes(kind, halves[:, ::2] | (halves[:, 1::2] << 4), scales)
    return FineCodes(kind, values, scales)


def record_bytes(kind: Fine, dim: int) -> int:
    """Bytes of one vector's fine code, its scales among them."""
    layout = _KINDS[kind]
    values = dim // layout.a_byte * np.dtype(layout.dtype).itemsize
    return int(values + _scales_of(kind, dim) * np.dtype(layout.scale).itemsize)


def _scales_of(kind: Fine, dim: int) -> int:
    return {"int8": 1, "int4": -(-dim // _GROUP)}.get(kind, 0)


def _unpacked(codes: FineCodes) -> Doubles:
    """(n, dim) float64, whole numbers but for float16."""
    if codes.kind == "int4":
        whole = np.empty((len(codes), codes.dim), dtype=np.float64)
        whole[:, ::2] = codes.values & 15
        whole[:, 1::2] = codes.values >> 4
        return whole - 8
    if codes.kind == "bits":
        return np.unpackbits(codes.values, axis=1, bitorder="little").astype(np.float64) * 2 - 1
    return codes.values.astype(np.float64)
