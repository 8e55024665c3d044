"""A graph over the bits (HNSW, Malkov and Yashunin, arXiv 1603.09320) by usearch, whose traps end in this file.

A graph is derived: it names the index file that it belongs to and the hash of its own bytes in its file name, so that a
stale or damaged one is never used, and can be deleted at any time. It only proposes candidates; the caller
rescores them by the same code as after a scan.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Bytes, Rows
from ..disk import beside, hash_file, put_in_place, unfinished_beside

CONNECTIVITY = 16
EXPANSION_ADD = 128
EXPANSION_SEARCH = 64

_HEX_DIGITS = 16
_ANY = rf"\.[0-9a-f]{{{_HEX_DIGITS}}}-[0-9a-f]{{{_HEX_DIGITS}}}\.graph"


Graph = Any  # of usearch, whose keys are the rows of the bits


def build(bits: Bytes) -> Graph:
    """Build a graph on one thread, so that equal bits give equal graphs.

    Args:
        bits: (n, dim / 8) uint8.
    """
    graph = _empty(8 * bits.shape[1])
    graph.add(np.arange(len(bits), dtype=np.uint64), np.ascontiguousarray(bits), threads=1)
    return graph


def nearest(graph: Graph, queries: Bytes, count: int) -> list[Rows]:
    """About the `count` nearest rows of each query, (m,) int64, m at most `count`.

    Args:
        queries: (q, dim / 8) uint8.
    """
    count = min(count, len(graph))
    found = []
    for query in queries:
        # One at a time: usearch gives another type for one query, and pads short rows with sentinels. It looks at
        # `count` nodes at least, so that the setting it shares among threads need not be touched.
        rows = np.asarray(graph.search(query, count, threads=1).keys, dtype=np.int64).reshape(-1)
        found.append(np.unique(rows[(rows >= 0) & (rows < len(graph))]))
    return found


def save(graph: Graph, path: Path, fingerprint: str) -> None:
    """Write a graph beside its index file.

    Args:
        path: the index file.
        fingerprint: of what it is about to be.

    Raises:
        OSError: it cannot be written.
    """
    with unfinished_beside(path) as unfinished:
        try:
            graph.save(str(unfinished))
        except RuntimeError as error:
            raise OSError(f"the graph of {path} cannot be written ({error})") from error
        put_in_place(unfinished, path.with_name(f"{_begin(path, fingerprint)}{_digest(unfinished)}.graph"))


def remove_others(path: Path, fingerprint: str | None) -> None:
    """Remove the graphs of what an index file was before; of all that it was, where it has none now."""
    own = None if fingerprint is None else _begin(path, fingerprint)
    for other in beside(path, _ANY):
        if own is None or not other.name.startswith(own):
            try:
                other.unlink()
            except OSError:  # it is not used, and goes another time
                continue


def load(path: Path, fingerprint: str, rows: int, dim: int) -> Graph | None:
    """The graph that was saved with an index file; None where there is none, or another than was saved.

    What usearch loads it does not check: a file made to harm can crash the process.

    Args:
        rows, dim: of the index.
    """
    begin = _begin(path, fingerprint)
    for found in beside(path, _ANY):
        try:
            if found.name.startswith(begin) and found.name == f"{begin}{_digest(found)}.graph":
                graph = _empty(dim)
                graph.load(str(found))
                if (len(graph), graph.ndim, str(graph.dtype)) == (rows, dim, str(_empty(dim).dtype)):
                    return graph
        except (OSError, RuntimeError, ValueError):  # removed meanwhile, or no graph
            continue
    return None


def _empty(bits: int) -> Graph:
    # usearch is not loaded before a graph is wanted: a scan does without.
    if sys.platform == "linux":  # or its C++ library would be that of ONNX Runtime as well, see `encoding.ort`
        with suppress(OSError):
            ctypes.CDLL("libstdc++.so.6", mode=ctypes.RTLD_GLOBAL)
    from usearch import index as usearch

    return usearch.Index(
        ndim=bits,
        metric="hamming",
        dtype="b1",
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
        expansion_search=EXPANSION_SEARCH,
    )


def _begin(path: Path, fingerprint: str) -> str:
    return f"{path.name}.{fingerprint[:_HEX_DIGITS]}-"


def _digest(path: Path) -> str:
    return hash_file(path)[:_HEX_DIGITS]
