"""Vectors of one encoder in the space of another."""

from __future__ import annotations

import numpy as np
import pytest

from nestling.arrays import Floats
from nestling.vectors.alignment import Alignment, compared, fitted


def drawn(count: int, dim: int, seed: int) -> Floats:
    """Unit rows, near one another as a text's are: some axes say more than others."""
    rows = np.random.default_rng(seed).normal(size=(count, dim)) * np.linspace(2, 0.2, dim) + 0.5
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def turned(rows: Floats, dim: int, seed: int, noise: float = 0.0) -> Floats:
    """The same in another space: turned, moved, cut to a length."""
    random = np.random.default_rng(seed)
    turn = np.linalg.qr(random.normal(size=(rows.shape[1], rows.shape[1])))[0][:, :dim]
    found = rows @ turn + random.normal(size=dim) * 0.1 + noise * random.normal(size=(len(rows), dim))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


@pytest.mark.parametrize("dim", [48, 32])
def test_what_was_turned_is_turned_back(dim: int) -> None:
    earlier = drawn(1200, 48, 0)
    later = turned(earlier, dim, 1)
    alignment = fitted(earlier[:1000], later[:1000])
    mapped = alignment.mapped(earlier[1000:])
    assert mapped.dtype == np.float32 and mapped.shape == (200, dim)
    assert np.abs(np.linalg.norm(mapped, axis=1) - 1).max() < 1e-5
    assert (mapped * later[1000:]).sum(axis=1).min() > (0.99 if dim == 48 else 0.95)
    found = compared(earlier, later)
    assert found.kept > 0.8
    assert found.mapped.gain == pytest.approx(1, abs=0.05) and found.mapped.offset == pytest.approx(0, abs=0.05)


def test_of_a_longer_vector_than_before_the_rest_is_found_as_well() -> None:
    earlier = drawn(1200, 32, 0)
    wide = np.random.default_rng(2).normal(size=(32, 64)) / 6
    later = earlier @ wide
    later /= np.linalg.norm(later, axis=1, keepdims=True)
    assert (fitted(earlier[:1000], later[:1000]).mapped(earlier[1000:]) * later[1000:]).sum(axis=1).min() > 0.95


def test_signs_are_asked_for_by_what_the_query_is_in_their_space() -> None:
    earlier = drawn(600, 32, 0)
    later = turned(earlier, 32, 1)
    alignment = fitted(earlier, later)
    asked = alignment.asked(later[:20])
    assert asked.shape == (20, 32)
    assert np.abs(np.linalg.norm(asked, axis=1) - 1).max() < 1e-5
    centred = earlier - earlier.mean(axis=0)
    assert ((asked @ centred.T).argmax(axis=1) == np.arange(20)).mean() > 0.8


def test_noise_costs_some_and_chance_keeps_nothing() -> None:
    earlier = drawn(1000, 32, 0)
    noisy = compared(earlier, turned(earlier, 32, 1, noise=0.1))
    assert 0.2 < noisy.kept < 0.9
    assert noisy.mapped.gain > 1  # mapped vectors lie nearer to the mean than they are
    assert compared(earlier, drawn(1000, 32, 5)).kept < 0.15


def test_scores_of_the_earlier_vectors_alone_are_brought_in_line() -> None:
    earlier = drawn(1000, 32, 0)
    later = earlier + 0.7 * earlier.mean(axis=0)  # all cosines are higher
    later /= np.linalg.norm(later, axis=1, keepdims=True)
    gain, offset = compared(earlier, later).alone
    held, other = earlier[::5], later[::5]
    pairs = ~np.eye(len(held), dtype=bool)
    assert (gain * (held @ held.T) + offset)[pairs].mean() == pytest.approx((other @ other.T)[pairs].mean(), abs=1e-4)
    assert gain < 1


def test_it_is_stored_and_read_back() -> None:
    earlier = drawn(100, 24, 0)
    alignment = fitted(earlier, turned(earlier, 16, 1))
    stored = alignment.to_bytes()
    again = Alignment.of_bytes(stored, 24, 16)
    assert again.to_bytes() == stored
    assert np.array_equal(again.mapped(earlier), alignment.mapped(earlier))
    with pytest.raises(ValueError, match="expected those of a map from 24 to 17 dimensions"):
        Alignment.of_bytes(stored, 24, 17)
    broken = np.frombuffer(stored, dtype="<f4").copy()
    broken[3] = np.nan
    with pytest.raises(ValueError, match="the map has numbers that are none"):
        Alignment.of_bytes(broken.tobytes(), 24, 16)


def test_vectors_of_nothing_are_mapped_to_something_finite() -> None:
    earlier = drawn(100, 16, 0)
    alignment = fitted(earlier, turned(earlier, 16, 1))
    assert np.isfinite(alignment.mapped(np.zeros((2, 16), dtype=np.float32))).all()
    assert np.isfinite(alignment.asked(np.zeros((2, 16), dtype=np.float32))).all()
