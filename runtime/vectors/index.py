"""`Index`: vectors under the caller's keys, searched exactly; for apps that keep their own text."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..arrays import Floats, Keys, Mask
from ..errors import IndexFileError
from . import files, flat, graph
from .arguments import KeysLike, as_key, as_keys, checked_keys, checked_vectors, checked_whole
from .codes import FINE, Fine, padded, padded_dim, to_bits
from .flat import OVERSAMPLE
from .hits import Hits
from .runs import Run, columns_of, compacted, encoded, merged, opened

MAX_DIM = 1 << 16
MAX_K = 1 << 24


class Index:
    """Unit vectors as bits and a fine code under int64 keys.

    A search scans the bits of all vectors for a shortlist, takes of this `oversample * k` candidates by the float query
    and their bits, rescores them by their fine codes, and returns the k best. Results depend on the vectors and keys
    alone, not on the order of adding. Vectors are taken as unit where their length is 1 within a thousandth, and are
    not changed.

    Threads may search at once; do not change or close an index while another thread uses it. A `with` block closes it
    at its end; what is closed raises IndexFileError when it is used. A process that is forked may use it too, without
    its graph.

    Args:
        dim: length of the vectors, from 8 to 65536.
        fine: the code for rescoring, `float16`, `int8` or `int4`, see `codes`; `bits` or None rescores by the bits
            alone, with nothing else kept.

    Raises:
        TypeError, ValueError: `dim` is no such number, or `fine` is unknown.
    """

    def __init__(self, dim: int, *, fine: Fine | None = "int8") -> None:
        self.dim = checked_whole("dim", dim, 8, MAX_DIM)
        if fine is not None and fine not in FINE:
            raise ValueError(f"fine is {fine!r}, expected one of {', '.join(FINE)}, or None")
        self.fine: Fine = fine or "bits"
        self._open_runs: list[Run] | None = []
        self._graph: graph.Graph | None = None
        self._process = os.getpid()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def _runs(self) -> list[Run]:
        if self._open_runs is None:
            raise IndexFileError("the index is closed; open it again")
        return self._open_runs

    @property
    def _own_graph(self) -> graph.Graph | None:
        """The graph where this process made or opened it: in one forked since its locks may be held for ever."""
        return self._graph if self._process == os.getpid() else None

    def __len__(self) -> int:
        return sum(run.living for run in self._runs)

    def __contains__(self, key: object) -> bool:
        wanted = as_key(key)
        return wanted is not None and any(len(run.rows_of(np.asarray([wanted]))) for run in self._runs)

    @property
    def keys(self) -> Keys:
        """The keys in the index, (n,) int64, ascending."""
        return _keys_of(self._runs)

    def add(self, keys: KeysLike, vectors: Floats) -> None:
        """Add vectors under new keys.

        Args:
            keys: (n,) int64, none below 0, none twice, none there already.
            vectors: (n, dim) float32, finite unit rows.

        Raises:
            TypeError, ValueError: an argument is of another type, shape or range; the index is as it was.
            IndexFileError: the file that the index was opened from, which is to be merged, is damaged; it is as it was.
        """
        new_keys = checked_keys(keys)
        vectors = padded(checked_vectors(vectors, self.dim))
        if len(new_keys) != len(vectors):
            raise ValueError(f"{len(new_keys)} keys for {len(vectors)} vectors, expected as many")
        for run in self._runs:
            if len(twice := run.rows_of(new_keys)):
                raise ValueError(f"key {run.keys[twice[0]]} is in the index already; remove it first")
        if len(new_keys):
            self._open_runs = compacted([*self._runs, encoded(new_keys, vectors, self.fine)])
            self._graph = None

    def remove(self, keys: KeysLike) -> None:
        """Remove the vectors of these keys.

        Raises:
            TypeError, ValueError: a key is no whole number from 0, is given twice, or is not in the index, which stays
                as it was.
            IndexFileError: the file that it was opened from is damaged; it is as it was.
        """
        gone = checked_keys(keys)
        found = [run.rows_of(gone) for run in self._runs]
        if sum(map(len, found)) < len(gone):
            raise _unknown(int(np.setdiff1d(gone, self.keys)[0]))
        if len(gone):
            runs = [run.without(rows) if len(rows) else run for run, rows in zip(self._runs, found, strict=True)]
            self._open_runs = compacted(runs)
            self._graph = None

    def search(
        self,
        vectors: Floats,
        k: int,
        *,
        allow: KeysLike | Mask | None = None,
        oversample: int | None = OVERSAMPLE,
        scan_dim: int | None = None,
    ) -> Hits:
        """The k nearest keys of each query by dot product, which is the cosine of unit vectors.

        Args:
            vectors: (n, dim) float32, finite unit rows.
            k: hits a query, 1 to 2 ** 24.
            allow: keys that may be found, of which unknown ones are ignored; or (len(index),) bool, for
                each of `keys` whether it may be found; None for all. What is left is scanned exactly, so a filter that
                leaves k or more gives k hits.
            oversample: candidates for rescoring, as a multiple of k, at least 200; None rescores every vector.
            scan_dim: scan the bits of the first so many dimensions alone, a multiple of 8, and make up for it by a
                longer shortlist (adaptive retrieval, arXiv 2205.13147): for vectors trained so that a prefix of
                them is a vector. None for all dimensions.

        Returns:
            Hits of (n, k), rows with fewer hits filled with key -1 and score -inf.

        Raises:
            TypeError, ValueError: an argument is of another type, shape or range.
        """
        queries = padded(checked_vectors(vectors, self.dim))
        k = checked_whole("k", k, 1, MAX_K)
        if oversample is not None:
            oversample = checked_whole("oversample", oversample, 1, MAX_K)
        if scan_dim is not None and checked_whole("scan_dim", scan_dim, 8, self.dim) % 8:
            raise ValueError(f"scan_dim is {scan_dim}, expected a multiple of 8")
        runs = self._runs
        candidates = flat.candidate_count(k, oversample)
        own = self._own_graph
        if own is not None and allow is None and scan_dim is None and candidates is not None:
            shortlists = graph.nearest(own, to_bits(queries), flat.SHORTLIST_FACTOR * candidates)
            if all(len(rows) >= min(k, len(self)) for rows in shortlists):
                return flat.best_of_shortlists(queries, [runs[0].segment(None)], shortlists, k, candidates)
        segments = [run.segment(mask) for run, mask in zip(runs, _masks(runs, allow), strict=True)]
        return flat.search(queries, segments, k, candidates, scan_dim=scan_dim)

    def reconstruct(self, keys: KeysLike) -> Floats:
        """The vectors of these keys as their fine codes keep them, (n, dim) float32, in the order of the keys.

        Raises:
            TypeError, ValueError: a key is none, is given twice, or is not in the index.
        """
        wanted = checked_keys(keys)
        vectors = np.empty((len(wanted), padded_dim(self.dim)), dtype=np.float32)
        missing = np.ones(len(wanted), dtype=np.bool_)
        for run in self._runs:
            here = np.isin(wanted, run.living_keys())
            vectors[here] = run.fine_of(np.searchsorted(run.keys, wanted[here])).decode()
            missing[here] = False
        if missing.any():
            raise _unknown(int(wanted[missing][0]))
        if self.fine == "bits":
            vectors *= np.float32(np.sqrt(vectors.shape[1] / self.dim))
        return np.ascontiguousarray(vectors[:, : self.dim])

    def build_graph(self) -> None:
        """Make a graph over the bits (HNSW), for collections of many millions: it answers without a scan.

        It finds nearly what the scan finds. It takes long to build, is dropped when the index changes, is saved beside
        the index, and is not used where `allow`, `scan_dim` or `oversample=None` asks for a scan.
        """
        self._open_runs = merged(self._runs)
        self._graph = graph.build(self._runs[0].bits) if len(self) else None
        self._process = os.getpid()

    @property
    def has_graph(self) -> bool:
        """Whether a search goes through a graph."""
        return bool(self._runs) and self._own_graph is not None

    def save(self, path: str | Path) -> None:
        """Write the index to one file, replacing it in one step; its graph, where it has one, to another beside it.

        Windows does not let a file be replaced that an index was opened from, this one included, before `close`: save
        to another name there, close, and rename.

        Raises:
            OSError: a file cannot be written; the old one is as it was.
            IndexFileError: the file that the index was opened from is damaged; likewise.
        """
        path, built = Path(path), self._own_graph
        columns = columns_of(self._runs, self.fine, padded_dim(self.dim))
        header = {"dim": self.dim, "fine": self.fine}

        def before(fingerprint: str) -> None:
            if built is not None:
                graph.save(built, path, fingerprint)

        fingerprint = files.write(path, header, columns, before)
        graph.remove_others(path, None if built is None else fingerprint)

    def close(self) -> None:
        """Give back the memory, and the file and its mapping where the index was opened from one; twice is fine."""
        sources = [run.source for run in self._open_runs or [] if run.source is not None]
        self._open_runs = self._graph = None  # the arrays of a mapping keep it open
        for source in sources:
            source.close()

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
            index._graph = graph.load(Path(path), found.fingerprint, len(index), padded_dim(index.dim))
        return index

    @classmethod
    def _mapped(cls, path: Path) -> tuple[Index, files.Mapped]:
        """An index over a file's arrays, without its graph, and the file."""
        found = files.read(path)
        try:
            index = cls(found.header["dim"], fine=found.header["fine"])
            run = opened(found, index.fine, padded_dim(index.dim))
        except (KeyError, TypeError, ValueError) as error:
            found.close()
            raise IndexFileError(f"{path}: its contents are damaged ({error}); build it again") from error
        index._open_runs = [run]
        return index, found

    @staticmethod
    def problems(path: str | Path) -> list[str]:
        """What is wrong with an index file, a clause each; empty for a sound one. Reads all of it.

        Raises:
            IndexFileError: the file cannot be opened at all.
        """
        index, mapped = Index._mapped(Path(path))
        with index:
            found = mapped.damage()
            if not found and any((run.keys[:1] < 0).any() or (np.diff(run.keys) <= 0).any() for run in index._runs):
                found.append("keys do not ascend from 0")
        return found


def _keys_of(runs: list[Run]) -> Keys:
    return np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *(run.living_keys() for run in runs)]))


def _masks(runs: list[Run], allow: KeysLike | Mask | None) -> list[Mask | None]:
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
        mask[run.rows_of(wanted)] = True
        masks.append(mask)
    return masks


def _unknown(key: int) -> ValueError:
    return ValueError(f"key {key} is not in the index, expected keys that were added")
