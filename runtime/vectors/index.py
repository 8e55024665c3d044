"""`Index`: vectors under the caller's keys, searched exactly; for apps that keep their own text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import IndexFileError
from . import files, flat, graph, segments
from .codes import FINE, Fine, to_bits, to_fine
from .flat import OVERSAMPLE, Mask
from .hits import Hits
from .segments import Run

_UNIT_TOLERANCE = 1e-2

Keys = Sequence[int] | npt.NDArray[np.int64]


class Index:
    """Unit vectors as bits and a fine code under int64 keys.

    A search scans the bits of all vectors, rescores the nearest with the float query, first by their bits and of these
    `oversample * k` by their fine codes, and returns the k best. Results depend on the vectors and keys alone, not on
    the order of adding.

    Args:
        dim: length of the vectors, a positive multiple of 8.
        fine: the code for rescoring, `float16`, `int8` or `int4`; None rescores by the bits alone. See `codes`.

    Raises:
        ValueError: `dim` is no positive multiple of 8, or `fine` is unknown.
    """

    def __init__(self, dim: int, *, fine: Fine | None = "int8") -> None:
        if dim < 8 or dim % 8:
            raise ValueError(f"dim is {dim}, expected a positive multiple of 8")
        if fine is not None and fine not in FINE:
            raise ValueError(f"fine is {fine!r}, expected one of {', '.join(FINE)}, or None")
        self.dim = dim
        self.fine: Fine = fine or "bits"
        self._runs: list[Run] = []
        self._graph: graph.Graph | None = None

    def __len__(self) -> int:
        return sum(run.living for run in self._runs)

    def __contains__(self, key: int) -> bool:
        return any(len(run.positions(np.asarray([key], dtype=np.int64))) for run in self._runs)

    @property
    def keys(self) -> npt.NDArray[np.int64]:
        """The keys in the index, (n,) int64, ascending."""
        return np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *(run.living_keys() for run in self._runs)]))

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
        for run in self._runs:
            if len(twice := run.positions(new_keys)):
                raise ValueError(f"key {run.keys[twice[0]]} is in the index already; remove it first")
        if not len(new_keys):
            return
        order = np.argsort(new_keys)
        sorted_vectors = vectors[order]
        fine = to_fine(sorted_vectors, self.fine)
        run = Run(new_keys[order], fine.values if self.fine == "bits" else to_bits(sorted_vectors), fine)
        self._runs = segments.compacted([*self._runs, run])
        self._graph = None

    def remove(self, keys: Keys) -> None:
        """Remove the vectors of these keys.

        Raises:
            ValueError: a key is not in the index, which stays as it was.
        """
        gone = checked_keys(keys)
        places = [run.positions(gone) for run in self._runs]
        if sum(map(len, places)) < len(gone):
            raise ValueError(f"key {np.setdiff1d(gone, self.keys)[0]} is not in the index")
        if len(gone):
            runs = [run.without(rows) if len(rows) else run for run, rows in zip(self._runs, places, strict=True)]
            self._runs = segments.compacted(runs)
            self._graph = None

    def search(
        self,
        vectors: npt.NDArray[np.float32],
        k: int,
        *,
        allow: Keys | Mask | None = None,
        oversample: int | None = OVERSAMPLE,
        scan_dim: int | None = None,
    ) -> Hits:
        """The k nearest keys of each query by cosine.

        Args:
            vectors: (n, dim) float32, finite unit rows.
            k: hits a query, 1 or more.
            allow: keys that may be found, of which unknown ones are passed over; or (len(index),) bool, whether the
                key of this place in `keys` may be found; None for all. What is left is scanned exactly, so a filter
                that leaves k or more gives k hits.
            oversample: candidates for rescoring, as a multiple of k; None rescores every vector.
            scan_dim: scan the bits of the first so many dimensions alone, a multiple of 8, and make up for it by a
                longer shortlist (adaptive retrieval, arXiv 2205.13147): for vectors trained so that a prefix of
                them is a vector. None for all dimensions.

        Returns:
            Hits of (n, k), rows with fewer hits filled with key -1 and score -inf.

        Raises:
            TypeError, ValueError: an argument is of another type, shape or range.
        """
        queries = checked_vectors(vectors, self.dim)
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise ValueError(f"k is {k!r}, expected a whole number of 1 or more")
        if oversample is not None and oversample < 1:
            raise ValueError(f"oversample is {oversample}, expected 1 or more, or None for every vector")
        if scan_dim is not None and (not 8 <= scan_dim <= self.dim or scan_dim % 8):
            raise ValueError(f"scan_dim is {scan_dim}, expected a multiple of 8 up to {self.dim}, or None for that")
        candidates = flat.rescored_count(int(k), oversample)
        if allow is None and candidates is not None and self._graph is not None and candidates < len(self):
            run = self._runs[0]
            found = self._graph.nearest(to_bits(queries), flat.SHORTLIST * candidates)
            return flat.sieved(queries, [run.segment(None)], found, int(k), candidates)
        masks = self._masks(allow)
        parts = [run.segment(mask) for run, mask in zip(self._runs, masks, strict=True)]
        return flat.search(queries, parts, int(k), candidates, scan_dim=scan_dim)

    def reconstruct(self, keys: Keys) -> npt.NDArray[np.float32]:
        """The vectors of these keys as their fine codes keep them, (n, dim) float32, in the order of the keys.

        Raises:
            ValueError: a key is not in the index.
        """
        wanted = checked_keys(keys)
        vectors = np.empty((len(wanted), self.dim), dtype=np.float32)
        missing = np.ones(len(wanted), dtype=np.bool_)
        for run in self._runs:
            places = np.flatnonzero(np.isin(wanted, run.living_keys()))
            vectors[places] = run.fetch_fine(np.searchsorted(run.keys, wanted[places])).decode()
            missing[places] = False
        if missing.any():
            raise ValueError(f"key {wanted[missing][0]} is not in the index")
        return vectors

    def build_graph(self) -> None:
        """Make a graph over the bits (HNSW), for collections of many millions: it answers without a scan.

        It finds most of what the scan finds, not all. It takes long to build, is dropped when the index changes, is
        saved beside the index, and is not used where `allow` or `oversample=None` asks for an exact scan.
        """
        self._runs = segments.merged(self._runs)
        self._graph = graph.build(self._runs[0].bits) if len(self) else None

    @property
    def has_graph(self) -> bool:
        """Whether a search goes through a graph."""
        return self._graph is not None

    def save(self, path: str | Path) -> None:
        """Write the index to one file, replacing it in one step; its graph, where it has one, to another beside it.

        Raises:
            OSError: the file cannot be written; the old one is as it was.
        """
        path = Path(path)
        columns = segments.columns_of(self._runs, self.fine, self.dim)
        fingerprint = files.write(path, {"dim": self.dim, "fine": self.fine}, columns)
        graph.save(self._graph, path, fingerprint)

    @classmethod
    def open(cls, path: str | Path) -> Index:
        """Map an index that `save` wrote: no vector is read until a search needs it.

        A graph beside it is used where it is sound and belongs to this very index.

        Raises:
            IndexFileError: the file is missing, damaged, of a newer format, or something else.
        """
        index, fingerprint = cls._mapped(Path(path))
        index._graph = graph.load(Path(path), fingerprint, len(index)) if len(index) else None
        return index

    @classmethod
    def _mapped(cls, path: Path) -> tuple[Index, str]:
        """An index over a file's arrays, without its graph, and the file's fingerprint."""
        found = files.read(path)
        try:
            index = cls(found.header["dim"], fine=found.header["fine"])
            run = segments.opened(found, index.fine, index.dim)
        except (KeyError, TypeError, ValueError) as error:
            raise IndexFileError(f"{path}: its contents are damaged ({error}); build it again") from error
        index._runs = [run] if len(run.keys) else []
        return index, found.fingerprint

    @staticmethod
    def problems(path: str | Path) -> list[str]:
        """What is wrong with an index file, a clause each; empty for a sound one. Reads all of it.

        Raises:
            IndexFileError: the file cannot be opened at all.
        """
        index, _ = Index._mapped(Path(path))
        found = files.damage(Path(path))
        if not found and any((np.diff(run.keys) <= 0).any() for run in index._runs):
            found.append("keys do not ascend")
        return found

    def _masks(self, allow: Keys | Mask | None) -> list[Mask | None]:
        """The rows of each run that may be found; None for all."""
        if allow is None:
            return [run.alive for run in self._runs]
        if isinstance(allow, np.ndarray) and allow.dtype == np.bool_:
            if allow.shape != (len(self),):
                raise ValueError(f"allow has shape {allow.shape}, expected ({len(self)},), one for each of keys")
            if len(self._runs) == 1 and self._runs[0].alive is None:
                return [np.asarray(allow, dtype=np.bool_)]
            wanted = self.keys[allow]
        else:
            wanted = checked_keys(np.unique(np.asarray(allow)))
        masks: list[Mask | None] = []
        for run in self._runs:
            mask = np.zeros(len(run.keys), dtype=np.bool_)
            mask[run.positions(wanted)] = True
            masks.append(mask)
        return masks


def checked_keys(keys: Iterable[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Keys as (n,) int64; raises where one is not whole, below 0, over 63 bits, or there twice."""
    array = np.asarray(list(keys) if not isinstance(keys, np.ndarray) else keys)
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(f"keys are {array.dtype} {array.shape}, expected whole numbers (n,)")
    if array.dtype.kind == "u" and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"key {array.max()} is over 63 bits, expected an int64")
    array = array.astype(np.int64)
    if (array < 0).any():
        raise ValueError(f"key {array.min()} is below 0, expected 0 or more")
    if (np.diff(array) <= 0).any():  # ascending ones are different, and are found so without sorting
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
