"""Exact scan of bits, then rescoring: the default searcher and the yardstick for recall.

Every figure is a whole number until the last multiplication (Hamming distances, and dot products of int8 codes
with a query rounded to 21 bits, summed in float64 where they are exact), so scores do not depend on the
processor, on the number of queries in a call, or on the order of the rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numkong
import numpy as np
import numpy.typing as npt

from .codes import Bytes, Floats, Int8Codes, to_bits
from .hits import Hits, empty_hits

Rows = npt.NDArray[np.int64]
FetchFine = Callable[[Rows], Int8Codes]

OVERSAMPLE = 20
MIN_CANDIDATES = 200

_QUERY_STEPS = float(1 << 20)
_BLOCK_ROWS = 8192


def candidate_count(k: int, oversample: int | None) -> int | None:
    """How many candidates the scan of the bits hands to rescoring; None for every row."""
    return None if oversample is None else max(k * oversample, MIN_CANDIDATES)


def search(
    queries: Floats,
    keys: Rows,
    bits: Bytes,
    fetch_fine: FetchFine,
    k: int,
    candidates: int | None,
    rows: Rows | None = None,
) -> Hits:
    """The k best keys for each query: nearest `candidates` rows by their bits, then ordered by their int8 codes.

    Args:
        queries: (q, dim) float32, unit rows.
        keys: (n,) int64, ascending.
        bits: (n, dim / 8) uint8, of the vectors with these keys.
        fetch_fine: the int8 codes of some rows, given as (m,) int64 positions in `keys`.
        k: hits a query.
        candidates: rows to rescore for each query; None rescores every row.
        rows: (m,) int64 positions that may be found, ascending; None for all.
    """
    allowed = np.arange(len(keys), dtype=np.int64) if rows is None else rows
    hits = empty_hits(len(queries), k)
    if not len(allowed) or not len(queries):
        return hits
    if candidates is None or candidates >= len(allowed):
        chosen = [allowed] * len(queries)
    else:
        distances = hamming(to_bits(queries), bits if rows is None else bits[rows])
        chosen = [allowed[nearest(row, candidates)] for row in distances]
    for position, (query, found) in enumerate(zip(queries, chosen, strict=True)):
        scores = rescore(query, found, fetch_fine)
        best = np.lexsort((found, -scores))[:k]
        hits.keys[position, : len(best)] = keys[found[best]]
        hits.scores[position, : len(best)] = scores[best]
    return hits


def hamming(queries: Bytes, bits: Bytes) -> npt.NDArray[np.uint32]:
    """Differing bits of each query and each row: (q, n) uint32."""
    return np.asarray(numkong.cdist(queries, bits, metric="hamming", dtype="uint1")).astype(np.uint32)


def nearest(distances: npt.NDArray[np.uint32], count: int) -> Rows:
    """Positions of the `count` smallest distances, ascending; of equal distances the earlier rows."""
    if count >= len(distances):
        return np.arange(len(distances), dtype=np.int64)
    border = np.partition(distances, count - 1)[count - 1]
    inside = np.flatnonzero(distances < border)
    at_border = np.flatnonzero(distances == border)[: count - len(inside)]
    return np.sort(np.concatenate([inside, at_border])).astype(np.int64)


def rescore(query: Floats, rows: Rows, fetch_fine: FetchFine) -> Floats:
    """Dot products of a query with the int8 codes of some rows.

    The rounding of the query moves a score by less than 1e-5, that of the codes by at most
    `scale / 2 * sum(abs(query))`.

    Args:
        query: (dim,) float32.

    Returns:
        (m,) float32.
    """
    steps = np.rint(query.astype(np.float64) * _QUERY_STEPS)
    scores = np.empty(len(rows), dtype=np.float32)
    for begin in range(0, len(rows), _BLOCK_ROWS):
        codes = fetch_fine(rows[begin : begin + _BLOCK_ROWS])
        exact = codes.values.astype(np.float64) @ steps
        scores[begin : begin + _BLOCK_ROWS] = exact * codes.scales / _QUERY_STEPS
    return scores
