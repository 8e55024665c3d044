"""A graph over the bits (HNSW, Malkov and Yashunin, arXiv 1603.09320) by usearch, whose traps end in this file.

A graph is derived: it names the index file that it belongs to and the hash of its own bytes in its file name, so that a
stale or damaged one is never used, and can be deleted at any time. It only proposes candidates; the caller
rescores them by the same code as after a scan.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import files
from .codes import Bytes

CONNECTIVITY = 16
EXPANSION_ADD = 128
MIN_EXPANSION_SEARCH = 64

_NAME_BYTES = 8

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Graph:
    """A graph over n rows of bits, whose keys are their positions."""

    index: Any
    rows: int

    def nearest(self, queries: Bytes, count: int) -> list[Rows]:
        """About the `count` nearest rows of each query, (m,) int64 positions, m at most `count`.

        Args:
            queries: (q, dim / 8) uint8.
        """
        count = min(count, self.rows)
        self.index.expansion_search = max(count, MIN_EXPANSION_SEARCH)
        found = []
        for query in queries:
            # One at a time: usearch gives another type for one query, and pads short rows with sentinels.
            rows = np.asarray(self.index.search(query, count, threads=1).keys, dtype=np.int64).reshape(-1)
            found.append(np.unique(rows[(rows >= 0) & (rows < self.rows)]))
        return found


def build(bits: Bytes) -> Graph:
    """Build a graph on one thread, so that equal bits give equal graphs.

    Args:
        bits: (n, dim / 8) uint8.
    """
    index = _empty(8 * bits.shape[1])
    index.add(np.arange(len(bits), dtype=np.uint64), np.ascontiguousarray(bits), threads=1)
    return Graph(index, len(bits))


def save(graph: Graph | None, path: Path, fingerprint: str) -> None:
    """Write a graph beside its index file, and remove the graphs of what stood there before.

    Args:
        path: the index file.
        fingerprint: of that file, as `files.write` returned it.
    """
    name = None
    if graph is not None:
        unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            graph.index.save(str(unfinished))
            with unfinished.open("rb+") as stream:
                os.fsync(stream.fileno())
            name = f"{_prefix(path, fingerprint)}{_digest(unfinished)}.graph"
            files.replace(unfinished, path.with_name(name))
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    for other in _graphs(path):
        if other.name != name:
            other.unlink(missing_ok=True)


def load(path: Path, fingerprint: str, rows: int) -> Graph | None:
    """The graph that was saved with an index file; None where there is none, or another than was saved.

    Args:
        rows: of the index.
    """
    for found in _graphs(path):
        prefix = _prefix(path, fingerprint)
        if found.name.startswith(prefix) and found.name == f"{prefix}{_digest(found)}.graph":
            index = _empty(8)
            index.load(str(found))
            if len(index) == rows:
                return Graph(index, rows)
    return None


def _empty(bits: int) -> Any:
    # usearch is not loaded before a graph is wanted: a scan does without.
    from usearch import index as usearch

    return usearch.Index(
        ndim=bits,
        metric="hamming",
        dtype="b1",
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
        expansion_search=MIN_EXPANSION_SEARCH,
    )


def _graphs(path: Path) -> Iterator[Path]:
    """Graphs beside an index file, of this or of another state of it."""
    if path.parent.is_dir():
        begin = f"{path.name}."
        yield from (
            file for file in path.parent.iterdir() if file.name.startswith(begin) and file.name.endswith(".graph")
        )


def _prefix(path: Path, fingerprint: str) -> str:
    return f"{path.name}.{fingerprint[: 2 * _NAME_BYTES]}-"


def _digest(path: Path) -> str:
    return files.hash_file(path)[: 2 * _NAME_BYTES]
