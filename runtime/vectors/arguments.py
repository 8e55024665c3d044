"""What a caller gives to an index, checked once: keys, vectors, whole numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arrays import Floats, Keys
from ..checks import as_whole

KeysLike = Iterable[int] | Keys

UNIT_TOLERANCE = 1e-3

_MAX_KEY = int(np.iinfo(np.int64).max)


def checked_whole(name: str, value: Any, least: int, most: int) -> int:
    """A whole number; raises TypeError or ValueError where it is of another type or range."""
    if (whole := as_whole(value)) is None:
        raise TypeError(f"{name} is {value!r}, expected a whole number from {least} to {most}")
    if not least <= whole <= most:
        raise ValueError(f"{name} is {value}, expected a whole number from {least} to {most}")
    return whole


def as_key(value: object) -> int | None:
    """A key; None where there can be no such."""
    key = as_whole(value)
    return key if key is not None and 0 <= key <= _MAX_KEY else None


def as_keys(name: str, keys: KeysLike) -> Keys:
    """Keys as (n,) int64; raises where one is not whole, or over 63 bits."""
    if not isinstance(keys, Iterable):
        raise TypeError(f"{name} are {keys!r}, expected whole numbers, one for each vector")
    if isinstance(keys, range):
        keys = np.asarray(keys)
    array = keys if isinstance(keys, np.ndarray) else np.asarray(list(keys), dtype=object)
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if array.dtype == object and array.ndim == 1:
        if wrong := [key for key in array if as_whole(key) is None]:
            raise TypeError(f"{name} have {wrong[0]!r}, expected whole numbers (n,)")
    elif array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(f"{name} are {array.dtype} {array.shape}, expected whole numbers (n,)")
    if (largest := int(array.max())) > _MAX_KEY:
        raise ValueError(f"key {largest} is over 63 bits, expected an int64")
    if (smallest := int(array.min())) < -_MAX_KEY:
        raise ValueError(f"key {smallest} is below 0, expected 0 or more")
    return array.astype(np.int64)


def checked_keys(keys: KeysLike) -> Keys:
    """Keys as (n,) int64; raises where one is not whole, below 0, over 63 bits, or there twice."""
    array = as_keys("keys", keys)
    if (array < 0).any():
        raise ValueError(f"key {array.min()} is below 0, expected 0 or more")
    ascending = array if (np.diff(array) > 0).all() else np.sort(array)
    if len(twice := np.flatnonzero(np.diff(ascending) == 0)):
        raise ValueError(f"key {ascending[twice[0]]} is given twice, expected each once")
    return array


def checked_vectors(vectors: Any, dim: int) -> Floats:
    """Vectors as C-ordered (n, dim) float32; raises where they are of another shape, not finite, or not unit."""
    if not isinstance(vectors, np.ndarray) or vectors.dtype != np.float32:
        found = vectors.dtype if isinstance(vectors, np.ndarray) else type(vectors).__name__
        raise TypeError(f"vectors are {found}, expected a float32 array")
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise ValueError(f"vectors have shape {vectors.shape}, expected (n, {dim})")
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    if len(wrong := np.flatnonzero(~np.isfinite(norms))):
        raise ValueError(f"vector {wrong[0]} is not finite, expected numbers without nan and inf")
    if len(wrong := np.flatnonzero(np.abs(norms - 1.0) > UNIT_TOLERANCE)):
        raise ValueError(f"vector {wrong[0]} has length {norms[wrong[0]]:.4g}, expected 1; normalise it first")
    return np.ascontiguousarray(vectors)
