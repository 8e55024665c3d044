"""Exact scan of bits, then rescoring: the default searcher and the yardstick for recall.

Every figure is a whole number until the last multiplication (Hamming distances, and dot products of fine codes
with a query rounded to 21 bits, summed in float64 where they are exact), so scores do not depend on the
processor, on the number of queries in a call, or on the order of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numkong
import numpy as np
import numpy.typing as npt

from .codes import Bytes, FineCodes, Floats, to_bits
from .hits import Hits, empty_hits

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
FetchFine = Callable[[Rows], FineCodes]

OVERSAMPLE = 20
MIN_CANDIDATES = 200

_QUERY_STEPS = float(1 << 20)
_BLOCK_DISTANCES = 1 << 16
_MIN_BLOCK_ROWS = 1 << 12
_RESCORED_AT_ONCE = 8192
# Below this share of rows, gathering their bits is cheaper than scanning all of them.
_GATHER_BELOW = 0.2


@dataclass(frozen=True)
class Segment:
    """Codes of vectors under different keys.

    Attributes:
        keys: (n,) int64, ascending.
        bits: (n, dim / 8) uint8.
        fetch_fine: the fine codes of some rows, given as (m,) int64 positions.
        mask: (n,) bool, the rows that may be found; None for all.
    """

    keys: Rows
    bits: Bytes
    fetch_fine: FetchFine
    mask: Mask | None = None


@dataclass(frozen=True)
class Candidates:
    """Rows for rescoring, found for one query.

    Attributes:
        distances: (m,) uint32 differing bits.
        keys: (m,) int64.
        rows: (m,) int64, positions counted through all segments.
    """

    distances: npt.NDArray[np.uint32]
    keys: Rows
    rows: Rows

    def __len__(self) -> int:
        return len(self.keys)


def candidate_count(k: int, oversample: int | None) -> int | None:
    """How many candidates the scan of the bits hands to rescoring; None for every row."""
    return None if oversample is None else max(k * oversample, MIN_CANDIDATES)


def search(queries: Floats, segments: Sequence[Segment], k: int, candidates: int | None) -> Hits:
    """The k best keys for each query: nearest `candidates` rows by their bits, then ordered by their fine codes.

    Args:
        queries: (q, dim) float32, unit rows.
        segments: no key is in two of them.
        k: hits a query.
        candidates: rows to rescore for each query, at equal distances those of smaller keys; None for every row.
    """
    possible = sum(len(s.keys) if s.mask is None else int(s.mask.sum()) for s in segments)
    if candidates is None or candidates >= possible:
        every = [_every_row(segments)] * len(queries)
        return rescored(queries, segments, every, k)
    return rescored(queries, segments, nearest(to_bits(queries), segments, candidates), k)


def rescored(queries: Floats, segments: Sequence[Segment], found: Sequence[Rows], k: int) -> Hits:
    """The k best of the rows found for each query, by their fine codes.

    Args:
        queries: (q, dim) float32, unit rows.
        found: for each query, (m,) int64 positions counted through all segments.
    """
    hits = empty_hits(len(queries), k)
    starts = np.cumsum([0] + [len(segment.keys) for segment in segments])
    for place, (query, rows) in enumerate(zip(queries, found, strict=True)):
        rows = np.sort(rows)
        borders = np.searchsorted(rows, starts)
        parts = [
            (segment, rows[begin:end] - start)
            for segment, start, begin, end in zip(segments, starts, borders, borders[1:], strict=False)
            if end > begin
        ]
        if not parts:
            continue
        keys = np.concatenate([segment.keys[inside] for segment, inside in parts])
        scores = np.concatenate([rescore(query, inside, segment.fetch_fine) for segment, inside in parts])
        best = np.lexsort((keys, -scores))[:k]
        hits.keys[place, : len(best)] = keys[best]
        hits.scores[place, : len(best)] = scores[best]
    return hits


def nearest(queries: Bytes, segments: Sequence[Segment], count: int) -> list[Rows]:
    """For each query the `count` rows of smallest Hamming distance, of equal ones those of smaller keys.

    One pass over memory for all queries: a block of rows is compared with each of them while it is in the cache.
    What is no better than the `count` best so far is dropped at once.

    Args:
        queries: (q, dim / 8) uint8.

    Returns:
        (m,) int64 positions for each query, counted through all segments; fewer where there are fewer rows.
    """
    none = np.zeros(0, dtype=np.int64)
    pools = [[Candidates(np.zeros(0, dtype=np.uint32), none, none)] for _ in queries]
    limits = np.full(len(queries), np.iinfo(np.uint32).max, dtype=np.uint32)
    pack = hamming_to(queries)
    start = 0
    for segment in segments:
        for rows, bits in _blocks(segment, max(_MIN_BLOCK_ROWS, _BLOCK_DISTANCES // max(1, len(queries)))):
            distances = pack(bits)
            for place in range(len(queries)):
                near = np.flatnonzero(distances[place] <= limits[place])
                if not len(near):
                    continue
                inside = near + rows if isinstance(rows, int) else rows[near]
                if segment.mask is not None and isinstance(rows, int):
                    kept = segment.mask[inside]
                    near, inside = near[kept], inside[kept]
                pools[place].append(Candidates(distances[place][near], segment.keys[inside], inside + start))
                if sum(map(len, pools[place])) >= 2 * count:
                    best = _best(pools[place], count)
                    pools[place] = [best]
                    limits[place] = best.distances.max()
        start += len(segment.keys)
    return [_best(pool, count).rows for pool in pools]


def hamming_to(queries: Bytes) -> Callable[[Bytes], npt.NDArray[np.uint32]]:
    """A function of (n, dim / 8) uint8 rows to their differing bits from each query, (q, n) uint32."""
    if not hasattr(numkong, "hammings_packed"):
        return lambda bits: _hamming_numpy(queries, bits)
    if len(queries) == 1:  # where the packed kernel takes twice as long
        return lambda bits: np.asarray(numkong.cdist(queries, bits, metric="hamming", dtype="uint1")).astype(np.uint32)
    packed = numkong.hammings_pack(queries, dtype="uint1")

    def distances(bits: Bytes) -> npt.NDArray[np.uint32]:
        return np.ascontiguousarray(np.asarray(numkong.hammings_packed(bits, packed)).T)

    return distances


def rescore(query: Floats, rows: Rows, fetch_fine: FetchFine) -> Floats:
    """Dot products of a query with the fine codes of some rows.

    The rounding of the query moves a score by less than 1e-5, that of the codes by at most
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


def _blocks(segment: Segment, size: int) -> Iterator[tuple[int | Rows, Bytes]]:
    """The first row of each block, or its rows where a mask leaves few, and their bits."""
    if segment.mask is not None and segment.mask.sum() < _GATHER_BELOW * len(segment.keys):
        allowed = np.flatnonzero(segment.mask).astype(np.int64)
        for begin in range(0, len(allowed), size):
            rows = allowed[begin : begin + size]
            yield rows, segment.bits[rows]
        return
    for begin in range(0, len(segment.keys), size):
        yield begin, segment.bits[begin : begin + size]


def _best(pool: Sequence[Candidates], count: int) -> Candidates:
    """The `count` nearest of a pool, of equal distances those of smaller keys; in no order."""
    distances = np.concatenate([part.distances for part in pool])
    keys = np.concatenate([part.keys for part in pool])
    rows = np.concatenate([part.rows for part in pool])
    if len(rows) > count:
        border = np.partition(distances, count - 1)[count - 1]
        inside, at_border = np.flatnonzero(distances < border), np.flatnonzero(distances == border)
        wanted = count - len(inside)
        if len(at_border) > wanted:
            at_border = at_border[np.argpartition(keys[at_border], wanted - 1)[:wanted]]
        chosen = np.concatenate([inside, at_border])
        distances, keys, rows = distances[chosen], keys[chosen], rows[chosen]
    return Candidates(distances, keys, rows)


def _every_row(segments: Sequence[Segment]) -> Rows:
    rows, start = [np.zeros(0, dtype=np.int64)], 0
    for segment in segments:
        allowed = np.arange(len(segment.keys)) if segment.mask is None else np.flatnonzero(segment.mask)
        rows.append(allowed.astype(np.int64) + start)
        start += len(segment.keys)
    return np.concatenate(rows)


def _hamming_numpy(queries: Bytes, bits: Bytes) -> npt.NDArray[np.uint32]:
    """Without numkong's kernel: (q, n) uint32."""
    return np.stack([_BITS_SET[bits ^ query].sum(axis=1, dtype=np.uint32) for query in queries])


_BITS_SET = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1).astype(np.uint8)
