"""`Index`: vectors under the caller's keys, searched exactly; for apps that keep their own text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import IndexFileError
from . import files, flat
from .codes import Int8Codes, to_bits, to_int8
from .flat import OVERSAMPLE, Rows
from .hits import Hits

_UNIT_TOLERANCE = 1e-2

Keys = Sequence[int] | npt.NDArray[np.int64]


class Index:
    """Unit vectors as bits and int8 codes under int64 keys.

    A search scans the bits of all vectors, rescores the nearest `oversample * k` by their int8 codes with the
    float query, and returns the k best. Results depend on the vectors and keys alone, not on the order of adding.

    Args:
        dim: length of the vectors, a positive multiple of 8.

    Raises:
        ValueError: `dim` is no positive multiple of 8.
    """

    def __init__(self, dim: int) -> None:
        if dim < 8 or dim % 8:
            raise ValueError(f"dim is {dim}, expected a positive multiple of 8")
        self.dim = dim
        self._keys = np.zeros(0, dtype=np.int64)
        self._bits = np.zeros((0, dim // 8), dtype=np.uint8)
        self._fine = Int8Codes(np.zeros((0, dim), dtype=np.int8), np.zeros(0, dtype=np.float32))

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: int) -> bool:
        return bool(len(positions(self._keys, np.asarray([key], dtype=np.int64))))

    def add(self, keys: Keys, vectors: npt.NDArray[np.float32]) -> None:
        """Add vectors under new keys.

        Args:
            keys: (n,) int64, none below 0, none twice, none there already.
            vectors: (n, dim) float32, finite unit rows.

        Raises:
            TypeError, ValueError: an argument is of another type, shape or range; the index is as it was.
        """
        new_keys = checked_keys(keys)
        vectors = checked_vectors(vectors, self.dim)
        if len(new_keys) != len(vectors):
            raise ValueError(f"{len(new_keys)} keys for {len(vectors)} vectors, expected as many")
        if len(twice := positions(self._keys, new_keys)):
            raise ValueError(f"key {self._keys[twice[0]]} is in the index already; remove it first")
        fine = to_int8(vectors)
        order = np.argsort(np.concatenate([self._keys, new_keys]), kind="stable")
        self._keys = np.concatenate([self._keys, new_keys])[order]
        self._bits = np.concatenate([self._bits, to_bits(vectors)])[order]
        self._fine = Int8Codes(
            np.concatenate([self._fine.values, fine.values])[order],
            np.concatenate([self._fine.scales, fine.scales])[order],
        )

    def remove(self, keys: Keys) -> None:
        """Remove the vectors of these keys.

        Raises:
            ValueError: a key is not in the index, which stays as it was.
        """
        gone = checked_keys(keys)
        found = positions(self._keys, gone)
        if len(found) < len(gone):
            raise ValueError(f"key {np.setdiff1d(gone, self._keys)[0]} is not in the index")
        keep = np.ones(len(self._keys), dtype=np.bool_)
        keep[found] = False
        self._keys, self._bits = self._keys[keep], self._bits[keep]
        self._fine = Int8Codes(self._fine.values[keep], self._fine.scales[keep])

    def search(
        self,
        vectors: npt.NDArray[np.float32],
        k: int,
        *,
        allow: Keys | None = None,
        oversample: int | None = OVERSAMPLE,
    ) -> Hits:
        """The k nearest keys of each query by cosine.

        Args:
            vectors: (n, dim) float32, finite unit rows.
            k: hits a query, 1 or more.
            allow: keys that may be found; None for all. Unknown keys are passed over.
            oversample: candidates for rescoring, as a multiple of k; None rescores every vector.

        Returns:
            Hits of (n, k), rows with fewer hits filled with key -1 and score -inf.

        Raises:
            TypeError, ValueError: an argument is of another type, shape or range.
        """
        queries = checked_vectors(vectors, self.dim)
        if k < 1:
            raise ValueError(f"k is {k}, expected 1 or more")
        if oversample is not None and oversample < 1:
            raise ValueError(f"oversample is {oversample}, expected 1 or more, or None for every vector")
        rows = None if allow is None else positions(self._keys, checked_keys(np.unique(np.asarray(allow))))
        candidates = flat.candidate_count(k, oversample)
        return flat.search(queries, self._keys, self._bits, self._fetch_fine, k, candidates, rows)

    def save(self, path: str | Path) -> None:
        """Write the index to one file, replacing it in one step.

        Raises:
            OSError: the file cannot be written; the old one is as it was.
        """
        arrays: dict[str, npt.NDArray[Any]] = {
            "keys": self._keys,
            "bits": self._bits,
            "values": self._fine.values,
            "scales": self._fine.scales,
        }
        files.write(Path(path), {"dim": self.dim}, arrays)

    @classmethod
    def open(cls, path: str | Path) -> Index:
        """Read an index that `save` wrote.

        Raises:
            IndexFileError: the file is missing, damaged, of a newer format, or something else.
        """
        header, arrays = files.read(Path(path))
        try:
            index = cls(header["dim"])
            index._keys, index._bits = arrays["keys"], arrays["bits"]
            index._fine = Int8Codes(arrays["values"], arrays["scales"])
            shapes = (index._bits.shape, index._fine.values.shape)
            if shapes != ((len(index), index.dim // 8), (len(index), index.dim)) or (np.diff(index._keys) <= 0).any():
                raise ValueError(f"arrays {shapes} do not belong together")
        except (KeyError, TypeError, ValueError) as error:
            raise IndexFileError(f"{path}: its contents are damaged ({error}); build it again") from error
        return index

    def _fetch_fine(self, rows: Rows) -> Int8Codes:
        return Int8Codes(self._fine.values[rows], self._fine.scales[rows])


def checked_keys(keys: Iterable[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Keys as (n,) int64; raises where one is not whole, below 0, or there twice."""
    array = np.asarray(list(keys) if not isinstance(keys, np.ndarray) else keys)
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(f"keys are {array.dtype} {array.shape}, expected whole numbers (n,)")
    array = array.astype(np.int64)
    if (array < 0).any():
        raise ValueError(f"key {array.min()} is below 0, expected 0 or more")
    unique, counts = np.unique(array, return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"key {unique[counts > 1][0]} is given twice")
    return array


def checked_vectors(vectors: npt.NDArray[np.float32], dim: int) -> npt.NDArray[np.float32]:
    """Vectors as C-ordered (n, dim) float32; raises where they are of another shape, not finite, or not unit."""
    if not isinstance(vectors, np.ndarray) or vectors.dtype != np.float32:
        found = vectors.dtype if isinstance(vectors, np.ndarray) else type(vectors).__name__
        raise TypeError(f"vectors are {found}, expected a float32 array")
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise ValueError(f"vectors have shape {vectors.shape}, expected (n, {dim})")
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    wrong = np.flatnonzero(~(np.abs(norms - 1.0) <= _UNIT_TOLERANCE))
    if len(wrong):
        raise ValueError(f"vector {wrong[0]} has length {norms[wrong[0]]:.4g}, expected 1; normalise it first")
    return np.ascontiguousarray(vectors)


def positions(sorted_keys: npt.NDArray[np.int64], keys: npt.NDArray[np.int64]) -> Rows:
    """Ascending positions in `sorted_keys` of those of the different `keys` that are there."""
    places = np.searchsorted(sorted_keys, keys).astype(np.int64)
    inside = places < len(sorted_keys)
    places, keys = places[inside], keys[inside]
    return np.sort(places[sorted_keys[places] == keys])
