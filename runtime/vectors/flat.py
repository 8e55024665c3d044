"""Exact scan of bits, then two rescorings: the default searcher and the yardstick for recall.

A query goes through three sieves, each finer and over fewer rows: the Hamming distance of its bits from those of all
rows; its float values against the bits of the shortlist; and against the fine codes of the best of these. The second
costs no more memory than the first, and lets the third read a tenth of what it would have to read without it.

Every figure is a whole number until the last multiplication (distances, and dot products with a query that is rounded
to so many bits that no sum is), so scores do not depend on the processor, on the number of queries in a call, or on
the order of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .codes import Bytes, FineCodes, Floats, Rows, to_bits
from .hamming import BLOCK_ROWS, Distances, distances
from .hits import Hits, empty_hits

Mask = npt.NDArray[np.bool_]
FetchBits = Callable[[Rows], Bytes]
FetchFine = Callable[[Rows], FineCodes]
Score = Callable[[Floats, "Segment", Rows], Floats]

# From the measured curve, see README: what keeps .97 of the ten nearest and of the hundred nearest.
OVERSAMPLE = 10
MIN_RESCORED = 200
SHORTLIST = 8

_QUERIES_AT_ONCE = 16
_QUERY_STEPS = float(1 << 20)
_SUM_BITS = 24  # whole numbers below 2 ** 24 are exact in float32
_RESCORED_AT_ONCE = 2048
# Below this share of rows, gathering their bits is cheaper than scanning all of them.
_GATHER_BELOW = 0.03


@dataclass(frozen=True, eq=False)
class Segment:
    """Codes of vectors under different keys.

    Attributes:
        keys: (n,) int64, ascending.
        blocks: the first so many bytes of all rows' bits, ready to be scanned.
        fetch_bits: the bits of some rows, (m, dim / 8) uint8.
        fetch_fine: the fine codes of some rows, given as (m,) int64 positions.
        mask: (n,) bool, the rows that may be found; None for all.
    """

    keys: Rows
    blocks: Callable[[int], Sequence[Any]]
    fetch_bits: FetchBits
    fetch_fine: FetchFine
    mask: Mask | None = None

    def allowed(self) -> Rows:
        """(m,) int64, the rows that may be found."""
        rows = np.arange(len(self.keys)) if self.mask is None else np.flatnonzero(self.mask)
        return rows.astype(np.int64, copy=False)


@dataclass(frozen=True, eq=False)
class Near:
    """Rows near one query.

    Attributes:
        distances: (m,) uint32 differing bits.
        keys: (m,) int64.
        rows: (m,) int64, positions counted through all segments.
    """

    distances: Distances
    keys: Rows
    rows: Rows

    def __len__(self) -> int:
        return len(self.keys)


def rescored_count(k: int, oversample: int | None) -> int | None:
    """How many rows are rescored by their fine codes; None for every row."""
    return None if oversample is None else max(k * oversample, MIN_RESCORED)


def search(
    queries: Floats, segments: Sequence[Segment], k: int, candidates: int | None, *, scan_dim: int | None = None
) -> Hits:
    """The k best keys for each query.

    Args:
        queries: (q, dim) float32, unit rows.
        segments: no key is in two of them.
        k: hits a query.
        candidates: rows to rescore by their fine codes, chosen from `SHORTLIST` times as many with the nearest bits;
            at equal distances or scores those of smaller keys. None for every row.
        scan_dim: dimensions whose bits are scanned, a multiple of 8; None for all. The shortlist is longer by as much
            as the prefix is shorter.
    """
    possible = sum(len(s.keys) if s.mask is None else int(np.count_nonzero(s.mask)) for s in segments)
    if candidates is None or candidates >= possible:
        return rescored(queries, segments, [_every_row(segments)] * len(queries), k)
    dim = queries.shape[1]
    scan_dim = dim if scan_dim is None else scan_dim
    shortlist = SHORTLIST * candidates * -(-dim // scan_dim)
    if shortlist >= possible:
        found = [_every_row(segments)] * len(queries)
    else:
        found = nearest(to_bits(queries)[:, : scan_dim // 8], segments, shortlist)
    return sieved(queries, segments, found, k, candidates)


def sieved(queries: Floats, segments: Sequence[Segment], found: Sequence[Rows], k: int, candidates: int) -> Hits:
    """The k best of the rows found for each query: the best `candidates` by their bits, and of these by fine codes.

    Args:
        queries: (q, dim) float32, unit rows.
        found: for each query, (m,) int64 positions counted through all segments.
    """
    best = [_best_by_bits(query, segments, rows, candidates) for query, rows in zip(queries, found, strict=True)]
    return rescored(queries, segments, best, k)


def rescored(queries: Floats, segments: Sequence[Segment], found: Sequence[Rows], k: int) -> Hits:
    """The k best of the rows found for each query, by their fine codes.

    Args:
        queries: (q, dim) float32, unit rows.
        found: for each query, (m,) int64 positions counted through all segments.
    """
    hits = empty_hits(len(queries), k)
    for place, (query, rows) in enumerate(zip(queries, found, strict=True)):
        keys, scores, _ = _scored(query, segments, rows, lambda q, s, inside: rescore(q, inside, s.fetch_fine))
        best = np.lexsort((keys, -scores))[:k]
        hits.keys[place, : len(best)] = keys[best]
        hits.scores[place, : len(best)] = scores[best]
    return hits


def nearest(queries: Bytes, segments: Sequence[Segment], count: int) -> list[Rows]:
    """For each query the `count` rows of smallest Hamming distance, of equal ones those of smaller keys.

    One pass over memory for 16 queries: a block of rows is compared with each of them while it is in the cache.
    What is no better than the `count` best so far is dropped at once.

    Args:
        queries: (q, width) uint8, all or the first bytes of their bits.

    Returns:
        (m,) int64 positions for each query, counted through all segments; fewer where there are fewer rows.
    """
    found: list[Rows] = []
    for begin in range(0, len(queries), _QUERIES_AT_ONCE):
        found += _nearest(queries[begin : begin + _QUERIES_AT_ONCE], segments, count)
    return found


def rescore(query: Floats, rows: Rows, fetch_fine: FetchFine) -> Floats:
    """Dot products of a query with the fine codes of some rows.

    The rounding of the query moves a score by at most `sqrt(dim) * 2 ** -21`, that of the codes by at most
    `sum(abs(query))` times the error of a dimension.

    Args:
        query: (dim,) float32.

    Returns:
        (m,) float32.
    """
    steps = np.rint(query.astype(np.float64) * _QUERY_STEPS)
    scores = np.empty(len(rows), dtype=np.float32)
    for begin in range(0, len(rows), _RESCORED_AT_ONCE):
        part = slice(begin, begin + _RESCORED_AT_ONCE)
        scores[part] = fetch_fine(rows[part]).dot(steps) / _QUERY_STEPS
    return scores


def score_bits(query: Floats, bits: Bytes) -> Floats:
    """Dot products of a query with bits of 1 and 0, which are in the order of those with the signs.

    The query is rounded so that no sum reaches 2 ** 24, below which float32 is exact.

    Args:
        query: (dim,) float32, unit.
        bits: (n, dim / 8) uint8.

    Returns:
        (n,) float32 whole numbers.
    """
    # sum(abs(query)) is at most sqrt(dim); one more bit for the rounding.
    steps = 2.0 ** (_SUM_BITS - 1 - int(np.ceil(np.log2(len(query)) / 2)))
    rounded = np.rint(query * np.float32(steps))
    # What a byte comes to, by its place and value: eight dimensions are one look-up.
    sums = np.zeros((len(query) // 8, 256), dtype=np.float32)
    for bit in range(8):
        sums.reshape(len(sums), -1, 2, 1 << bit)[:, :, 1] += rounded[bit::8, None, None]
    places = 256 * np.arange(len(sums), dtype=np.int32)
    scores = np.empty(len(bits), dtype=np.float32)
    for begin in range(0, len(bits), _RESCORED_AT_ONCE):
        part = slice(begin, begin + _RESCORED_AT_ONCE)
        scores[part] = sums.ravel().take(bits[part] + places).sum(axis=1)
    return scores


def _nearest(queries: Bytes, segments: Sequence[Segment], count: int) -> list[Rows]:
    """As `nearest`, for so many queries as there is memory for."""
    unlimited = 8 * queries.shape[1]
    pools: list[list[Near]] = [[] for _ in queries]
    limits = [unlimited] * len(queries)
    start = 0
    for segment in segments:
        for begin, rows, block, mask in _parts(segment, queries.shape[1]):
            for place, pool in enumerate(pools):
                found = distances(queries[place : place + 1], block)
                if limits[place] == unlimited and mask is None and len(found) > count:
                    limits[place] = _border(found, count)
                is_near = found <= limits[place]
                near = np.flatnonzero(is_near if mask is None else is_near & mask)
                inside = near + begin if rows is None else rows[near]
                pool.append(Near(found[near], segment.keys[inside], inside + start))
                if sum(map(len, pool)) >= 2 * count:
                    pool[:] = [_nearest_of(pool, count)]
                    limits[place] = int(pool[0].distances.max())
        start += len(segment.keys)
    return [_nearest_of(pool, count).rows for pool in pools]


def _nearest_of(pool: Sequence[Near], count: int) -> Near:
    """The `count` nearest of a pool, of equal distances those of smaller keys; in no order."""
    none = np.zeros(0, dtype=np.int64)
    found = np.concatenate([np.zeros(0, dtype=np.uint32), *(near.distances for near in pool)])
    keys = np.concatenate([none, *(near.keys for near in pool)])
    chosen = _smallest(found, keys, count)
    return Near(found[chosen], keys[chosen], np.concatenate([none, *(near.rows for near in pool)])[chosen])


def _best_by_bits(query: Floats, segments: Sequence[Segment], rows: Rows, count: int) -> Rows:
    """The `count` best rows by their bits and the query's values, of equal ones those of smaller keys; in no order."""
    keys, scores, rows = _scored(query, segments, rows, lambda q, s, inside: score_bits(q, s.fetch_bits(inside)))
    return rows[_smallest(-scores, keys, count)]


def _scored(query: Floats, segments: Sequence[Segment], rows: Rows, score: Score) -> tuple[Rows, Floats, Rows]:
    """The keys, the scores and the positions of rows that are counted through all segments, in one order."""
    rows = np.sort(rows)
    starts = np.cumsum([0] + [len(segment.keys) for segment in segments])
    borders = np.searchsorted(rows, starts)
    keys, scores = np.empty(len(rows), dtype=np.int64), np.empty(len(rows), dtype=np.float32)
    for segment, start, begin, end in zip(segments, starts, borders, borders[1:], strict=False):
        if end > begin:
            inside = rows[begin:end] - start
            keys[begin:end] = segment.keys[inside]
            scores[begin:end] = score(query, segment, inside)
    return keys, scores, rows


def _parts(segment: Segment, width: int) -> Iterator[tuple[int, Rows | None, Any, Mask | None]]:
    """The first row of each block, what `distances` compares, and the mask of its rows.

    Where a mask leaves few, these rows alone, and which they are.
    """
    if segment.mask is not None and np.count_nonzero(segment.mask) < _GATHER_BELOW * len(segment.keys):
        allowed = segment.allowed()
        for begin in range(0, len(allowed), BLOCK_ROWS):
            rows = allowed[begin : begin + BLOCK_ROWS]
            yield begin, rows, segment.fetch_bits(rows)[:, :width], None
        return
    begin = 0
    for block in segment.blocks(width):
        mask = None if segment.mask is None else segment.mask[begin : begin + BLOCK_ROWS]
        if mask is None or mask.any():
            yield begin, None, block, mask
        begin += BLOCK_ROWS


def _border(distances: Distances, count: int) -> int:
    """The `count`-th smallest distance."""
    return int(np.searchsorted(np.cumsum(np.bincount(distances)), count))


def _smallest(values: Distances | Floats, keys: Rows, count: int) -> Rows:
    """Places of the `count` smallest values, of equal ones those of smaller keys; in no order."""
    if len(values) <= count:
        return np.arange(len(values))
    border = np.partition(values, count - 1)[count - 1]
    inside, at_border = np.flatnonzero(values < border), np.flatnonzero(values == border)
    wanted = count - len(inside)
    if len(at_border) > wanted:
        at_border = at_border[np.argpartition(keys[at_border], wanted - 1)[:wanted]]
    return np.concatenate([inside, at_border])


def _every_row(segments: Sequence[Segment]) -> Rows:
    starts = np.cumsum([0] + [len(segment.keys) for segment in segments])
    parts = [segment.allowed() + start for segment, start in zip(segments, starts, strict=False)]
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])
