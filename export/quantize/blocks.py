"""Weights as small whole numbers in groups: rounding to the nearest, and rounding that makes up for its own errors.

A matrix is (inputs, outputs) float32. A group is a run of inputs of one output that share a scale and a zero point:
`weight = (code - zero) * scale`. This is the form that ONNX Runtime's MatMulNBits computes with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...arrays import Bytes, Doubles, Floats
from ..recipe.grid import Grid

_SHRINKS = np.linspace(0.7, 1.15, 19)
_DAMPING = 0.01


@dataclass(frozen=True)
class Blocks:
    """A rounded matrix.

    Attributes:
        grid: how it was rounded.
        codes: (inputs, outputs) uint8; inputs are filled up to a whole group.
        scales: (groups, outputs) float32.
        zeros: (groups, outputs) uint8.
    """

    grid: Grid
    codes: Bytes
    scales: Floats
    zeros: Bytes

    def values(self) -> Floats:
        """The weights that the codes stand for, (inputs, outputs) float32, filled up to a whole group."""
        group = self.grid.group
        centred = self.codes.astype(np.float32) - np.repeat(self.zeros, group, axis=0).astype(np.float32)
        return np.asarray(centred * np.repeat(self.scales, group, axis=0), dtype=np.float32)

    def packed(self) -> tuple[Bytes, Floats, Bytes | None]:
        """The arrays of MatMulNBits: codes (outputs, groups, bytes) uint8, scales (outputs, groups) float32, and zero
        points (outputs, bytes) uint8, None where the grid is symmetric. Of two codes in a byte the first is low."""
        groups, outputs = self.scales.shape
        codes = self.codes.T.reshape(outputs, groups, self.grid.group)
        zeros = np.ascontiguousarray(self.zeros.T)
        if self.grid.bits == 4:
            codes, zeros = pairs(codes), pairs(zeros)
        scales = np.ascontiguousarray(self.scales.T)
        return np.ascontiguousarray(codes), scales, None if self.grid.symmetric else zeros


def pairs(codes: Bytes) -> Bytes:
    """4-bit codes, two to a byte along the last axis, the first one low; an odd one is joined by a zero."""
    if codes.shape[-1] % 2:
        codes = np.concatenate([codes, np.zeros_like(codes[..., :1])], axis=-1)
    return np.asarray(codes[..., ::2] | codes[..., 1::2] << 4, dtype=np.uint8)


def nearest(weights: Floats, grid: Grid) -> Blocks:
    """Round every weight to the nearest code, with the scale of each group that leaves the least squared error."""
    weights = _filled(weights, grid.group)
    inputs, outputs = weights.shape
    groups = weights.T.reshape(outputs, inputs // grid.group, grid.group)
    scales, zeros = fitted(groups, grid)
    codes = _codes(groups, scales, zeros, grid)
    return Blocks(
        grid,
        np.ascontiguousarray(codes.reshape(outputs, inputs).T),
        np.ascontiguousarray(scales[..., 0].T),
        np.ascontiguousarray(zeros[..., 0].T.astype(np.uint8)),
    )


def compensated(weights: Floats, moments: Floats, grid: Grid) -> Blocks:
    """Round input by input, and let the inputs that are still to come make up for the error (GPTQ, arXiv 2210.17323).

    Args:
        weights: (inputs, outputs) float32.
        moments: (inputs, inputs) float32, second moments of the matrix's inputs over calibration texts.
    """
    missing = -len(weights) % grid.group
    left = _filled(weights, grid.group).astype(np.float64)
    second = np.pad(moments.astype(np.float64), (0, missing))
    second[np.diag_indices_from(second)] += _DAMPING * np.mean(np.diag(moments))
    spread = np.linalg.cholesky(np.linalg.inv(second)).T
    inputs, outputs = left.shape
    codes = np.empty((inputs, outputs), dtype=np.uint8)
    scales = np.empty((inputs // grid.group, outputs), dtype=np.float32)
    zeros = np.empty_like(scales)
    for begin in range(0, inputs, grid.group):
        end, group = begin + grid.group, begin // grid.group
        scale, zero = fitted(left[begin:end].T.astype(np.float32), grid)
        scales[group], zeros[group] = scale[:, 0], zero[:, 0]
        errors = np.empty((grid.group, outputs))
        for row in range(begin, end):
            codes[row] = _codes(left[row], scales[group], zeros[group], grid)
            error = left[row] - (codes[row] - zeros[group]) * scales[group].astype(np.float64)
            errors[row - begin] = error / spread[row, row]
            left[row + 1 : end] -= np.outer(spread[row, row + 1 : end], errors[row - begin])
        left[end:] -= spread[begin:end, end:].T @ errors
    return Blocks(grid, codes, scales, zeros.astype(np.uint8))


def loss(weights: Floats, blocks: Blocks, moments: Floats) -> float:
    """The share of a matrix's output that rounding changes: squared error over squared output, on the inputs whose
    second moments are given."""
    exact = weights.astype(np.float64)
    error = exact - blocks.values()[: len(weights)]
    second = moments.astype(np.float64)
    return float((error * (second @ error)).sum() / (exact * (second @ exact)).sum())


def fitted(groups: Floats, grid: Grid) -> tuple[Floats, Floats]:
    """The scale and zero point of each group that leave the least squared error, of some around the plain ones.

    Args:
        groups: (..., group) float32.

    Returns:
        scales: (..., 1) float32, never 0.
        zeros: (..., 1) float32, whole numbers.
    """
    high = groups.max(axis=-1, keepdims=True)
    low = groups.min(axis=-1, keepdims=True)
    top, half = 2**grid.bits - 1, 2 ** (grid.bits - 1)
    best = np.full(high.shape, np.inf, dtype=np.float32)
    scales, zeros = np.ones_like(best), np.zeros_like(best)
    for shrink in np.array([*_SHRINKS, half / (half - 1)] if grid.symmetric else _SHRINKS, dtype=np.float32):
        if grid.symmetric:
            # The larger end takes the code that has no mirror image, so the scale may be negative.
            scale = np.where(np.abs(high) > np.abs(low), high, low) * shrink / -half
        else:
            scale = (np.maximum(high, 0) - np.minimum(low, 0)) * shrink / top
        scale = np.where(scale == 0, 1, scale).astype(np.float32)
        zero = np.full_like(scale, half)
        if not grid.symmetric:
            zero = np.clip(np.round(-np.minimum(low, 0) * shrink / scale), 0, top)
        rounded = (np.clip(np.round(groups / scale) + zero, 0, top) - zero) * scale
        error = ((rounded - groups) ** 2).sum(axis=-1, keepdims=True)
        better = error < best
        best, scales, zeros = (np.where(better, a, b) for a, b in ((error, best), (scale, scales), (zero, zeros)))
    return scales, zeros


def _codes(values: Floats | Doubles, scales: Floats, zeros: Floats, grid: Grid) -> Bytes:
    return np.clip(np.round(values / scales) + zeros, 0, 2**grid.bits - 1).astype(np.uint8)


def _filled(weights: Floats, group: int) -> Floats:
    """The matrix with inputs of zero behind it, up to a whole group."""
    return np.pad(weights, ((0, -len(weights) % group), (0, 0)))
