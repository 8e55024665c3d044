"""Exact scan of bits, then rescoring: the default searcher and the yardstick for recall.

A search has three steps, each more precise and over fewer rows. The scan takes the Hamming distance of the query's bits
from those of all rows and keeps the nearest, the shortlist. The query's float values against the bits of the shortlist
choose the candidates. Rescoring takes the query against the fine codes of these. The second step needs no more memory
than the scan, and lets the third read a tenth of what it would have to read without it.

Every figure is a whole number until the last multiplication (distances, and dot products with a query that is rounded
to so many bits that no sum is), so scores do not depend on the processor, on the number of queries in a call, or on
the order of the rows. Where there are several segments their rows are counted through all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Bytes, Floats, Keys, Mask, Rows
from .codes import FineCodes, to_bits
from .hamming import BLOCK_ROWS, Distances, distances
from .hits import Hits, empty_hits

BitsOf = Callable[[Rows], Bytes]
FineOf = Callable[[Rows], FineCodes]
Score = Callable[[Floats, "Segment", Rows], Floats]

# From the measured curve, see tests/bench/README.md: what keeps .97 of the ten nearest and of the hundred nearest.
OVERSAMPLE = 10
MIN_CANDIDATES = 200
SHORTLIST_FACTOR = 8

_QUERIES_AT_ONCE = 16
_QUERY_STEPS = float(1 << 20)
_SUM_BITS = 24  # whole numbers below 2 ** 24 are exact in float32
_RESCORED_AT_ONCE = 2048
# Below this share of rows, gathering their bits is cheaper than scanning all of them.
_GATHER_BELOW = 0.03


@dataclass(frozen=True, eq=False)
class Segment:
    """Codes of vectors under different keys, as a search reads them.

    Attributes:
        keys: (n,) int64, ascending.
        blocks: the first so many bytes of all rows' bits, ready to be scanned, see `hamming.blocks`.
        bits_of: the bits of some rows, (m, dim / 8) uint8, given as (m,) int64.
        fine_of: the fine codes of some rows, given likewise.
        mask: (n,) bool, the rows that may be found; None for all.
    """

    keys: Keys
    blocks: Callable[[int], Sequence[Any]]
    bits_of: BitsOf
    fine_of: FineOf
    mask: Mask | None = None

    def allowed(self) -> Rows:
        """(m,) int64, the rows that may be found."""
        rows = np.arange(len(self.keys)) if self.mask is None else np.flatnonzero(self.mask)
        return rows.astype(np.int64, copy=False)


def candidate_count(k: int, oversample: int | None) -> int | None:
    """How many rows are rescored by their fine codes; None for every row."""
    return None if oversample is None else max(k * oversample, MIN_CANDIDATES)


def search(
    queries: Floats,
    segments: Sequence[Segment],
    k: int,
    candidates: int | None,
    *,
    scan_dim: int | None = None,
    shortlist_factor: int = SHORTLIST_FACTOR,
    bit_queries: Floats | None = None,
) -> Hits:
    """The k best keys for each query.

    Args:
        queries: (q, dim) float32, unit rows.
        segments: no key is in two of them.
        k: hits a query.
        candidates: rows to rescore by their fine codes, chosen from a shortlist; at equal distances or scores those of
            smaller keys. None for every row.
        scan_dim: dimensions whose bits are scanned, a multiple of 8; None for all. The shortlist is longer by as much
            as the prefix is shorter.
        shortlist_factor: length of the shortlist, as a multiple of `candidates`.
        bit_queries: what the bits are compared with, where they are of other vectors than the fine codes: (q, dim of
            the bits) float32, unit rows.
    """
    for_bits = queries if bit_queries is None else bit_queries
    possible = sum(len(s.keys) if s.mask is None else int(np.count_nonzero(s.mask)) for s in segments)
    if candidates is None or candidates >= possible:
        return best_by_fine(queries, segments, [_every_row(segments)] * len(queries), k)
    dim = for_bits.shape[1]
    scan_dim = dim if scan_dim is None else scan_dim
    length = shortlist_factor * candidates * -(-dim // scan_dim)
    if length >= possible:
        shortlists = [_every_row(segments)] * len(queries)
    else:
        shortlists = scan(to_bits(for_bits)[:, : scan_dim // 8], segments, length)
    return best_of_shortlists(queries, segments, shortlists, k, candidates, for_bits)


def best_of_shortlists(
    queries: Floats,
    segments: Sequence[Segment],
    shortlists: Sequence[Rows],
    k: int,
    candidates: int,
    bit_queries: Floats | None = None,
) -> Hits:
    """The k best of each query's shortlist: by their fine codes, of the best `candidates` by their bits.

    Args:
        queries: (q, dim) float32, unit rows.
        shortlists: (m,) int64 rows for each query.
        bit_queries: see `search`.
    """
    for_bits = queries if bit_queries is None else bit_queries
    asked = zip(for_bits, shortlists, strict=True)
    chosen = [_best_by_bits(query, segments, rows, candidates) for query, rows in asked]
    return best_by_fine(queries, segments, chosen, k)


def best_by_fine(queries: Floats, segments: Sequence[Segment], candidates: Sequence[Rows], k: int) -> Hits:
    """The k best of each query's candidates, by their fine codes.

    Args:
        queries: (q, dim) float32, unit rows.
        candidates: (m,) int64 rows for each query.
    """
    hits = empty_hits(len(queries), k)
    for number, (query, rows) in enumerate(zip(queries, candidates, strict=True)):
        keys, scores, _ = _scored(query, segments, rows, lambda q, s, inside: rescore(q, inside, s.fine_of))
        best = np.lexsort((keys, -scores))[:k]
        hits.keys[number, : len(best)] = keys[best]
        hits.scores[number, : len(best)] = scores[best]
    return hits


def scan(
    queries: Bytes,
    segments: Sequence[Segment],
    count: int,
    *,
    block_rows: int = BLOCK_ROWS,
    queries_at_once: int = _QUERIES_AT_ONCE,
) -> list[Rows]:
    """For each query the `count` rows of smallest Hamming distance, of equal ones those of smaller keys.

    One pass over memory for so many queries at once: a block of rows is compared with each of them while it is in the
    cache. What is no better than the `count` best so far is dropped at once.

    Args:
        queries: (q, width) uint8, all or the first bytes of their bits.
        block_rows: of the segments' blocks.

    Returns:
        (m,) int64 rows for each query, in no order; fewer where there are fewer.
    """
    found: list[Rows] = []
    for begin in range(0, len(queries), queries_at_once):
        found += _scan(queries[begin : begin + queries_at_once], segments, count, block_rows)
    return found


def rescore(query: Floats, rows: Rows, fine_of: FineOf) -> Floats:
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
        scores[part] = fine_of(rows[part]).dot(steps) / _QUERY_STEPS
    return scores


def score_bits(query: Floats, bits: Bytes) -> Floats:
    """Dot products of a query with bits of 1 and 0, which are in the order of those with the signs.

    The query is rounded so that no sum reaches 2 ** 24, below which float32 is exact; a value of a unit query by at
    most `sqrt(dim) * 2 ** -23`.

    Args:
        query: (dim,) float32, unit.
        bits: (n, dim / 8) uint8.

    Returns:
        (n,) float32 whole numbers.
    """
    # sum(abs(query)) is at most sqrt(dim); one more bit for the rounding.
    steps = 2.0 ** (_SUM_BITS - 1 - int(np.ceil(np.log2(len(query)) / 2)))
    rounded = np.rint(query * np.float32(steps))
    # What each value of each byte adds: eight dimensions are one look-up.
    sums = np.zeros((len(query) // 8, 256), dtype=np.float32)
    for bit in range(8):
        sums.reshape(len(sums), -1, 2, 1 << bit)[:, :, 1] += rounded[bit::8, None, None]
    offsets = 256 * np.arange(len(sums), dtype=np.int32)
    scores = np.empty(len(bits), dtype=np.float32)
    for begin in range(0, len(bits), _RESCORED_AT_ONCE):
        part = slice(begin, begin + _RESCORED_AT_ONCE)
        scores[part] = sums.ravel().take(bits[part] + offsets).sum(axis=1)
    return scores


def _scan(queries: Bytes, segments: Sequence[Segment], count: int, block_rows: int) -> list[Rows]:
    """As `scan`, for so many queries as are compared at once."""
    unlimited = 8 * queries.shape[1]
    # For each query the nearest so far, in parts of (3, m) int64: their distances, keys and rows.
    pools: list[list[Rows]] = [[] for _ in queries]
    limits = [unlimited] * len(queries)
    start = 0
    for segment in segments:
        for begin, rows, block, mask in _blocks(segment, queries.shape[1], block_rows):
            for number, pool in enumerate(pools):
                found = distances(queries[number : number + 1], block)
                if limits[number] == unlimited and mask is None and len(found) > count:
                    limits[number] = _kth_smallest(found, count)
                is_near = found <= limits[number]
                near = np.flatnonzero(is_near if mask is None else is_near & mask)
                inside = near + begin if rows is None else rows[near]
                pool.append(np.stack([found[near], segment.keys[inside], inside + start]))
                if sum(part.shape[1] for part in pool) >= 2 * count:
                    pool[:] = [_nearest(pool, count)]
                    limits[number] = int(pool[0][0].max())
        start += len(segment.keys)
    return [_nearest(pool, count)[2] for pool in pools]


def _nearest(pool: Sequence[Rows], count: int) -> Rows:
    """The `count` nearest of a pool, (3, m) int64, of equal distances those of smaller keys; in no order."""
    found = np.concatenate([np.zeros((3, 0), dtype=np.int64), *pool], axis=1)
    return found[:, _smallest(found[0], found[1], count)]


def _best_by_bits(query: Floats, segments: Sequence[Segment], rows: Rows, count: int) -> Rows:
    """The `count` best rows by their bits and the query's values, of equal ones those of smaller keys; in no order."""
    keys, scores, rows = _scored(query, segments, rows, lambda q, s, inside: score_bits(q, s.bits_of(inside)))
    return rows[_smallest(-scores, keys, count)]


def _scored(query: Floats, segments: Sequence[Segment], rows: Rows, score: Score) -> tuple[Keys, Floats, Rows]:
    """The keys and the scores of rows, and these, ascending."""
    rows = np.sort(rows)
    starts = _starts(segments)
    borders = np.searchsorted(rows, starts)
    keys, scores = np.empty(len(rows), dtype=np.int64), np.empty(len(rows), dtype=np.float32)
    for segment, start, begin, end in zip(segments, starts, borders, borders[1:], strict=False):
        if end > begin:
            inside = rows[begin:end] - start
            keys[begin:end] = segment.keys[inside]
            scores[begin:end] = score(query, segment, inside)
    return keys, scores, rows


def _blocks(segment: Segment, width: int, block_rows: int) -> Iterator[tuple[int, Rows | None, Any, Mask | None]]:
    """The first row of each block, what `distances` compares, and the mask of its rows.

    Where a mask leaves few, these rows alone, and which they are.
    """
    if segment.mask is not None and np.count_nonzero(segment.mask) < _GATHER_BELOW * len(segment.keys):
        allowed = segment.allowed()
        for begin in range(0, len(allowed), block_rows):
            rows = allowed[begin : begin + block_rows]
            yield begin, rows, segment.bits_of(rows)[:, :width], None
        return
    begin = 0
    for block in segment.blocks(width):
        mask = None if segment.mask is None else segment.mask[begin : begin + block_rows]
        if mask is None or mask.any():
            yield begin, None, block, mask
        begin += block_rows


def _kth_smallest(distances: Distances, count: int) -> int:
    """The `count`-th smallest distance."""
    return int(np.searchsorted(np.cumsum(np.bincount(distances)), count))


def _smallest(values: Rows | Floats, keys: Keys, count: int) -> Rows:
    """Positions of the `count` smallest values, of equal ones those of smaller keys; in no order."""
    if len(values) <= count:
        return np.arange(len(values))
    border = np.partition(values, count - 1)[count - 1]
    inside, at_border = np.flatnonzero(values < border), np.flatnonzero(values == border)
    wanted = count - len(inside)
    if len(at_border) > wanted:
        at_border = at_border[np.argpartition(keys[at_border], wanted - 1)[:wanted]]
    return np.concatenate([inside, at_border])


def _every_row(segments: Sequence[Segment]) -> Rows:
    parts = [segment.allowed() + start for segment, start in zip(segments, _starts(segments), strict=False)]
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def _starts(segments: Sequence[Segment]) -> Rows:
    """The first row of each segment, and the number of all."""
    return np.cumsum([0] + [len(segment.keys) for segment in segments])
