"""`Index`: vectors under the caller's keys, searched exactly; for apps that keep their own text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import IndexFileError
from . import files, flat, graph
from .arguments import as_key, as_keys, checked_keys, checked_vectors, checked_whole
from .codes import FINE, Fine, Rows, to_bits
from .flat import OVERSAMPLE, Mask
from .hits import Hits
from .runs import Run, coded, columns_of, compacted, merged, opened

MAX_DIM = 1 << 16
MAX_K = 1 << 24

Keys = Iterable[int] | Rows


class Index:
    """Unit vectors as bits and a fine code under int64 keys.

    A search scans the bits of all vectors, rescores the nearest with the float query, first by their bits and of these
    `oversample * k` by their fine codes, and returns the k best. Results depend on the vectors and keys alone, not on
    the order of adding. Vectors are taken as unit where their length is 1 within a thousandth, and are not changed.

    Threads may search together; who changes an index must keep others off meanwhile.

    Args:
        dim: length of the vectors, a multiple of 8 from 8 to 65536.
        fine: the code for rescoring, `float16`, `int8` or `int4`, see `codes`; `bits` or None rescores by the bits
            alone, with nothing else kept.

    Raises:
        TypeError, ValueError: `dim` is no such multiple of 8, or `fine` is unknown.
    """

    def __init__(self, dim: int, *, fine: Fine | None = "int8") -> None:
        self.dim = checked_whole("dim", dim, 8, MAX_DIM)
        if dim % 8:
            raise ValueError(f"dim is {dim}, expected a multiple of 8")
        if fine is not None and fine not in FINE:
            raise ValueError(f"fine is {fine!r}, expected one of {', '.join(FINE)}, or None")
        self.fine: Fine = fine or "bits"
        self._runs: list[Run] = []
        self._graph: graph.Graph | None = None

    def __len__(self) -> int:
        return sum(run.living for run in self._runs)

    def __contains__(self, key: object) -> bool:
        wanted = as_key(key)
        return wanted is not None and any(len(run.positions(np.asarray([wanted]))) for run in self._runs)

    @property
    def keys(self) -> Rows:
        """The keys in the index, (n,) int64, ascending."""
        return _keys_of(self._runs)

    def add(self, keys: Keys, vectors: npt.NDArray[np.float32]) -> None:
        """Add vectors under new keys.

        Args:
            keys: (n,) int64, none below 0, none twice, none there already.
            vectors: (n, dim) float32, finite unit rows.

        Raises:
            TypeError, ValueError: an argument is of another type, shape or range; the index is as it was.
            IndexFileError: the file that the index was opened from, which is to be merged, is damaged; likewise.
        """
        new_keys = checked_keys(keys)
        vectors = checked_vectors(vectors, self.dim)
        if len(new_keys) != len(vectors):
            raise ValueError(f"{len(new_keys)} keys for {len(vectors)} vectors, expected as many")
        for run in self._runs:
            if len(twice := run.positions(new_keys)):
                raise ValueError(f"key {run.keys[twice[0]]} is in the index already; remove it first")
        if len(new_keys):
            self._runs = compacted([*self._runs, coded(new_keys, vectors, self.fine)])
            self._graph = None

    def remove(self, keys: Keys) -> None:
        """Remove the vectors of these keys.

        Raises:
            TypeError, ValueError: a key is none, is given twice, or is not in the index, which stays as it was.
            IndexFileError: as `add`.
        """
        gone = checked_keys(keys)
        places = [run.positions(gone) for run in self._runs]
        if sum(map(len, places)) < len(gone):
            raise _unknown(int(np.setdiff1d(gone, self.keys)[0]))
        if len(gone):
            runs = [run.without(rows) if len(rows) else run for run, rows in zip(self._runs, places, strict=True)]
            self._runs = compacted(runs)
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
        """The k nearest keys of each query by dot product, which is the cosine of unit vectors.

        Args:
            vectors: (n, dim) float32, finite unit rows.
            k: hits a query, 1 to 2 ** 24.
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
        k = checked_whole("k", k, 1, MAX_K)
        if oversample is not None:
            oversample = checked_whole("oversample", oversample, 1, MAX_K)
        if scan_dim is not None and checked_whole("scan_dim", scan_dim, 8, self.dim) % 8:
            raise ValueError(f"scan_dim is {scan_dim}, expected a multiple of 8")
        runs, over_bits = self._runs, self._graph
        candidates = flat.rescored_count(k, oversample)
        if over_bits is not None and allow is None and scan_dim is None and candidates is not None:
            found = over_bits.nearest(to_bits(queries), flat.SHORTLIST * candidates)
            if all(len(rows) >= min(k, over_bits.rows) for rows in found):
                return flat.sieved(queries, [runs[0].segment(None)], found, k, candidates)
        parts = [run.segment(mask) for run, mask in zip(runs, _masks(runs, allow), strict=True)]
        return flat.search(queries, parts, k, candidates, scan_dim=scan_dim)

    def reconstruct(self, keys: Keys) -> npt.NDArray[np.float32]:
        """The vectors of these keys as their fine codes keep them, (n, dim) float32, in the order of the keys.

        Raises:
            TypeError, ValueError: a key is none, is given twice, or is not in the index.
        """
        wanted = checked_keys(keys)
        vectors = np.empty((len(wanted), self.dim), dtype=np.float32)
        missing = np.ones(len(wanted), dtype=np.bool_)
        for run in self._runs:
            places = np.flatnonzero(np.isin(wanted, run.living_keys()))
            vectors[places] = run.fetch_fine(np.searchsorted(run.keys, wanted[places])).decode()
            missing[places] = False
        if missing.any():
            raise _unknown(int(wanted[missing][0]))
        return vectors

    def build_graph(self) -> None:
        """Make a graph over the bits (HNSW), for collections of many millions: it answers without a scan.

        It finds nearly what the scan finds. It takes long to build, is dropped when the index changes, is saved beside
        the index, and is not used where `allow`, `scan_dim` or `oversample=None` asks for a scan.
        """
        self._runs = merged(self._runs)
        self._graph = graph.build(self._runs[0].bits) if len(self) else None

    @property
    def has_graph(self) -> bool:
        """Whether a search goes through a graph."""
        return self._graph is not None

    def save(self, path: str | Path) -> None:
        """Write the index to one file, replacing it in one step; its graph, where it has one, to another beside it.

        Windows does not let a file be replaced that a process has open, this one included: save to another name there.

        Raises:
            OSError: a file cannot be written; the old one is as it was.
            IndexFileError: the file that the index was opened from is damaged; likewise.
        """
        path, built = Path(path), self._graph
        columns = columns_of(self._runs, self.fine, self.dim)
        header = {"dim": self.dim, "fine": self.fine}
        fingerprint = files.write(path, header, columns, before=lambda new: graph.save(built, path, new))
        graph.remove_others(path, fingerprint if built else None)

    @classmethod
    def open(cls, path: str | Path, *, with_graph: bool = False) -> Index:
        """Map an index that `save` wrote: no vector is read until a search needs it.

        Args:
            with_graph: use the graph beside it, where that is whole and belongs to this very index. All of it is
                read. Only for files that you trust: usearch does not check what it loads.

        Raises:
            IndexFileError: the file is missing, damaged, of a newer format, or something else.
        """
        index, found = cls._mapped(Path(path))
        if with_graph and len(index):
            index._graph = graph.load(Path(path), found.fingerprint, len(index), index.dim)
        return index

    @classmethod
    def _mapped(cls, path: Path) -> tuple[Index, files.Mapped]:
        """An index over a file's arrays, without its graph, and the file."""
        found = files.read(path)
        try:
            index = cls(found.header["dim"], fine=found.header["fine"])
            run = opened(found, index.fine, index.dim)
        except (KeyError, TypeError, ValueError) as error:
            raise IndexFileError(f"{path}: its contents are damaged ({error}); build it again") from error
        index._runs = [run] if len(run.keys) else []
        return index, found

    @staticmethod
    def problems(path: str | Path) -> list[str]:
        """What is wrong with an index file, a clause each; empty for a sound one. Reads all of it.

        Raises:
            IndexFileError: the file cannot be opened at all.
        """
        index, mapped = Index._mapped(Path(path))
        found = mapped.damage()
        if not found and any(run.keys[0] < 0 or (np.diff(run.keys) <= 0).any() for run in index._runs):
            found.append("keys do not ascend from 0")
        return found


def _keys_of(runs: list[Run]) -> Rows:
    return np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *(run.living_keys() for run in runs)]))


def _masks(runs: list[Run], allow: Keys | Mask | None) -> list[Mask | None]:
    """The rows of each run that may be found; None for all."""
    if allow is None:
        return [run.alive for run in runs]
    if isinstance(allow, np.ndarray) and allow.dtype == np.bool_:
        living = sum(run.living for run in runs)
        if allow.shape != (living,):
            raise ValueError(f"allow has shape {allow.shape}, expected ({living},), one for each of keys")
        if len(runs) == 1 and runs[0].alive is None:
            return [np.array(allow, dtype=np.bool_)]
        wanted = _keys_of(runs)[allow]
    else:
        wanted = as_keys("allow", allow)
    masks: list[Mask | None] = []
    for run in runs:
        mask = np.zeros(len(run.keys), dtype=np.bool_)
        mask[run.positions(wanted)] = True
        masks.append(mask)
    return masks


def _unknown(key: int) -> ValueError:
    return ValueError(f"key {key} is not in the index, expected keys that were added")
