"""What a search over vectors ought to find: plain numpy over float32, within the stated errors of the codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from nestling.vectors.codes import Fine


class Cascade(NamedTuple):
    """How many rows are rescored, of how many whose bits in the first dimensions are nearest."""

    candidates: int
    shortlist: int
    scan_dim: int


def assert_best(
    found: list[tuple[int, float]],
    stored: Mapping[int, np.ndarray],
    query: np.ndarray,
    k: int,
    fine: Fine,
    cascade: Cascade | None = None,
) -> None:
    """What is found are the k best of what is stored; with a cascade, of what that lets through.

    Args:
        stored: (dim,) float32, unit, by key.
        query: (dim,) float32, unit.
    """
    assert len(found) == len({key for key, _ in found}) == min(k, len(stored))
    assert found == sorted(found, key=lambda hit: (-hit[1], hit[0]))
    if not stored:
        return
    keys, query = np.array(sorted(stored)), query.astype(np.float64)
    vectors = np.stack([stored[key] for key in keys.tolist()]).astype(np.float64)
    rescored = perhaps = np.ones(len(keys), dtype=np.bool_)
    if cascade is not None and cascade.candidates < len(keys):
        rescored, perhaps = _let_through(vectors, keys, query, cascade)
    dim = len(query)
    nearest = np.where(vectors > 0, dim**-0.5, -(dim**-0.5)) if fine == "bits" else vectors
    scores = nearest @ query
    off = _error(nearest, fine) @ np.abs(query) + dim**0.5 * 2.0**-21 + 2.0**-23  # of codes, query and float32
    rows = np.searchsorted(keys, [key for key, _ in found])
    assert keys[rows].tolist() == [key for key, _ in found]
    assert perhaps[rows].all()
    assert (np.abs(scores[rows] - [score for _, score in found]) <= off[rows]).all()
    others = np.setdiff1d(np.flatnonzero(rescored), rows)
    assert (scores[others] - off[others] <= found[-1][1]).all()
    for row in rows:  # of equal vectors those of smaller keys
        assert (keys[others[(vectors[others] == vectors[row]).all(axis=1)]] > keys[row]).all()


def _let_through(
    vectors: np.ndarray, keys: np.ndarray, query: np.ndarray, cascade: Cascade
) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are rescored, and which may be, where two are as near by their bits as a query is rounded."""
    distances = ((vectors > 0) != (query > 0))[:, : cascade.scan_dim].sum(axis=1)
    shortlist = np.lexsort((keys, distances))[: cascade.shortlist]
    by_bits = ((vectors[shortlist] > 0) * query).sum(axis=1)
    certain = np.lexsort((keys[shortlist], -by_bits))[: cascade.candidates]
    close = np.abs(by_bits - by_bits[certain[-1]]) <= 2 * len(query) ** 1.5 * 2.0**-23
    unsure = close & (len(set(by_bits[close])) > 1)
    rescored, perhaps = np.zeros(len(keys), dtype=np.bool_), np.zeros(len(keys), dtype=np.bool_)
    rescored[shortlist[certain[~unsure[certain]]]] = True
    perhaps[shortlist[certain]] = perhaps[shortlist[unsure]] = True
    return rescored, perhaps


def _error(vectors: np.ndarray, fine: Fine) -> np.ndarray:
    """The most that each dimension may be off, as the table of `codes` states it; of bits, those of the signs."""
    magnitudes = np.abs(vectors)
    if fine == "float16":
        return np.maximum(magnitudes * 2.0**-11, 2.0**-25)
    if fine == "bits":
        return np.full(vectors.shape, 2.0**-24)
    group, steps = (32, 7) if fine == "int4" else (vectors.shape[1], 127)
    largest = np.maximum.reduceat(magnitudes, np.arange(0, vectors.shape[1], group), axis=1)
    scales = (largest / steps).astype(np.float16 if fine == "int4" else np.float32).astype(np.float64)
    rounding = 2.0**-22 if fine == "int4" else 2.0**-23  # of float32, in which vectors are coded and decoded
    return (scales / 2 + rounding).repeat(group, axis=1)[:, : vectors.shape[1]]
