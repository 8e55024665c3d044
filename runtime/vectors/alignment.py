"""Vectors of one encoder brought into the space of another, by what both say of the same texts.

The map is affine: means apart, least squares between what is left, drawn towards the orthogonal map that is nearest to
it (Schönemann, Psychometrika 31, 1966), which alone is the layer of Ricci et al., Backward-Compatible Aligned
Representations by an Orthogonal Transformation Layer (arXiv 2408.08793). Of 2,000 pairs it keeps more than either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..arrays import Doubles, Floats, Rows

NEIGHBOURS = 10
# How much the orthogonal map weighs, in pairs of vectors along each axis; 3 to 30 do as well on three collections.
_PRIOR = 10.0
_HELD_OUT = 5  # every one of so many pairs
_STEPS = float(1 << 20)  # so that what processors add up differently is no other vector


@dataclass(frozen=True, eq=False)
class Alignment:
    """A map from the vectors of an earlier encoder to those of a later one.

    Attributes:
        matrix: (earlier dim, later dim) float32.
        before, after: (earlier dim,) and (later dim,) float32, the means of both.
    """

    matrix: Floats
    before: Floats
    after: Floats

    def __post_init__(self) -> None:
        shape = (len(self.before), len(self.after))
        if self.matrix.shape != shape:
            raise ValueError(f"matrix is {self.matrix.shape}, expected {shape}")
        if not all(np.isfinite(part).all() for part in (self.matrix, self.before, self.after)):
            raise ValueError("the map has numbers that are none")

    def mapped(self, vectors: Floats) -> Floats:
        """Where vectors of the earlier encoder lie for the later one: (n, later dim) float32, unit rows.

        Args:
            vectors: (n, earlier dim) float32.
        """
        rows = (vectors.astype(np.float64) - self.before) @ self.matrix.astype(np.float64) + self.after
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(np.rint(_STEPS * rows / np.where(lengths > 0, lengths, 1)) / _STEPS, dtype=np.float32)

    def asked(self, queries: Floats) -> Floats:
        """What the signs of the earlier vectors are compared with in place of queries: (q, earlier dim) float32, unit.

        Args:
            queries: (q, later dim) float32, unit rows, of the later encoder.
        """
        rows = queries.astype(np.float64) @ self.matrix.T.astype(np.float64)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(np.rint(_STEPS * rows / np.where(lengths > 0, lengths, 1)) / _STEPS, dtype=np.float32)

    def to_bytes(self) -> bytes:
        """As float32, little-endian: matrix, before, after."""
        return b"".join(part.astype("<f4").tobytes() for part in (self.matrix, self.before, self.after))

    @classmethod
    def of_bytes(cls, stored: bytes, earlier: int, later: int) -> Alignment:
        """What `to_bytes` gave of a map between vectors of these lengths; raises ValueError for anything else."""
        if len(stored) != 4 * (earlier * later + earlier + later):
            raise ValueError(f"{len(stored)} bytes, expected those of a map from {earlier} to {later} dimensions")
        numbers = np.frombuffer(stored, dtype="<f4").astype(np.float32)
        matrix, before, after = np.split(numbers, [earlier * later, earlier * later + earlier])
        return cls(matrix.reshape(earlier, later), before, after)


class Scale(NamedTuple):
    """What cosines of one kind are among those of another: `gain * cosine + offset`."""

    gain: float
    offset: float


AS_IT_IS = Scale(1.0, 0.0)


class Comparison(NamedTuple):
    """What vectors of one encoder say of those of another.

    Attributes:
        alignment: the map that was fitted on all of them.
        kept: of the ten nearest by the later vectors, the share that is among the ten nearest once the others are
            mapped, for texts that the map was not fitted on; 0 to 1.
        mapped: of cosines of later vectors with mapped ones among those of later vectors, so that pairs which are the
            nearest by these have the same mean.
        alone: of cosines of earlier vectors, so that the nearest pairs of both have the same mean.
    """

    alignment: Alignment
    kept: float
    mapped: Scale
    alone: Scale


def fitted(earlier: Floats, later: Floats) -> Alignment:
    """The map that brings vectors of one encoder to those of another for the same texts.

    Args:
        earlier: (n, earlier dim) float32.
        later: (n, later dim) float32.
    """
    before, after = earlier.mean(axis=0, dtype=np.float64), later.mean(axis=0, dtype=np.float64)
    one, other = earlier - before, later - after
    left, _, right = np.linalg.svd(one.T @ other, full_matrices=False)
    prior = _PRIOR * np.eye(len(before))
    matrix = np.linalg.solve(one.T @ one + prior, one.T @ other + prior @ (left @ right))
    return Alignment(*(np.asarray(part, dtype=np.float32) for part in (matrix, before, after)))


def compared(earlier: Floats, later: Floats) -> Comparison:
    """What vectors of one encoder say of those of another for the same texts.

    A fifth of the texts is left out of a map, and it is looked at what that makes of them.

    Args:
        earlier, later: as `fitted` takes them; more than 50, unit rows.
    """
    held = np.arange(len(earlier)) % _HELD_OUT == 0
    one, other = earlier[held].astype(np.float64), later[held].astype(np.float64)
    mapped = fitted(earlier[~held], later[~held]).mapped(earlier[held])
    expected, by_map, by_itself = other @ other.T, other @ mapped.T, one @ one.T
    nearest = _near(expected, 1)
    both = zip(_near(expected, NEIGHBOURS), _near(by_map, NEIGHBOURS), strict=True)
    return Comparison(
        alignment=fitted(earlier, later),
        kept=float(np.mean([len(set(a) & set(b)) / NEIGHBOURS for a, b in both])),
        mapped=_scale(expected, nearest, by_map, nearest),
        alone=_scale(expected, nearest, by_itself, _near(by_itself, 1)),
    )


def _scale(expected: Doubles, nearest: Rows, found: Doubles, near: Rows) -> Scale:
    """The line through two means: of all pairs, and of those that are near."""
    others = ~np.eye(len(expected), dtype=np.bool_)
    far, found_far = float(expected[others].mean()), float(found[others].mean())
    rise = float(np.take_along_axis(expected, nearest, axis=1).mean()) - far
    run = float(np.take_along_axis(found, near, axis=1).mean()) - found_far
    gain = rise / run if run > 0 else 1.0
    return Scale(gain, far - gain * found_far)


def _near(cosines: Doubles, count: int) -> Rows:
    """The rows that are nearest to each row, (n, count), but for itself."""
    others = np.where(np.eye(len(cosines), dtype=np.bool_), -np.inf, cosines)
    return np.argsort(-others, axis=1, kind="stable")[:, :count]
