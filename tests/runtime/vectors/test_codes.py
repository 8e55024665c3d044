from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nestling.vectors.codes import Int8Codes, to_bits, to_int8

FLOATS = st.floats(-1, 1, width=32)
VECTORS = st.integers(0, 6).flatmap(lambda rows: arrays(np.float32, (rows, 16), elements=FLOATS))


@settings(max_examples=100, derandomize=True, deadline=None)
@given(VECTORS)
def test_int8_is_within_half_a_step_of_the_vector(vectors: np.ndarray) -> None:
    codes = to_int8(vectors)
    assert codes.values.dtype == np.int8
    assert np.abs(codes.values.astype(int)).max(initial=0) <= 127
    bound = codes.scales[:, None].astype(np.float64) / 2 * (1 + 1e-5) + 1e-9
    assert (np.abs(codes.decode().astype(np.float64) - vectors) <= bound).all()


@settings(max_examples=100, derandomize=True, deadline=None)
@given(VECTORS)
def test_bits_are_the_signs_first_dimension_lowest(vectors: np.ndarray) -> None:
    bits = to_bits(vectors)
    assert bits.shape == (len(vectors), 2)
    for row in range(len(vectors)):
        for dim in range(16):
            assert (bits[row, dim // 8] >> (dim % 8)) & 1 == int(vectors[row, dim] > 0)


@settings(max_examples=50, derandomize=True, deadline=None)
@given(VECTORS)
def test_a_code_is_of_one_vector_alone(vectors: np.ndarray) -> None:
    together, reversed_ = to_int8(vectors), to_int8(vectors[::-1])
    assert (together.values == reversed_.values[::-1]).all()
    assert (together.scales == reversed_.scales[::-1]).all()
    for row in range(len(vectors)):
        assert (to_int8(vectors[row : row + 1]).values[0] == together.values[row]).all()
        assert (to_bits(vectors[row : row + 1])[0] == to_bits(vectors)[row]).all()


def test_the_largest_magnitude_becomes_127() -> None:
    codes = to_int8(np.array([[0.5, -1.0, 0.25, 0]], dtype=np.float32))
    assert codes.values.tolist() == [[64, -127, 32, 0]]
    assert codes.scales.tolist() == [np.float32(1 / 127)]


def test_a_vector_of_zeros_has_scale_zero() -> None:
    codes = to_int8(np.zeros((1, 8), dtype=np.float32))
    assert codes.scales.tolist() == [0.0]
    assert (codes.decode() == 0).all()


@pytest.mark.parametrize(
    ("values", "scales", "message"),
    [
        (np.zeros((2, 8), np.int16), np.zeros(2, np.float32), "values are int16 (2, 8), expected int8 (n, dim)"),
        (np.zeros(8, np.int8), np.zeros(8, np.float32), "values are int8 (8,), expected int8 (n, dim)"),
        (np.zeros((2, 8), np.int8), np.zeros(3, np.float32), "scales are float32 (3,), expected float32 (n,)"),
        (np.zeros((2, 8), np.int8), np.zeros(2), "scales are float64 (2,), expected float32 (n,)"),
    ],
)
def test_codes_that_do_not_fit_are_refused(values: np.ndarray, scales: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Int8Codes(values, scales)
    assert str(caught.value) == message
