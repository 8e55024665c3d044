from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nestling.vectors.codes import FINE, Fine, FineCodes, fine_shape, to_bits, to_fine

FLOATS = st.floats(-1, 1, width=32)
VECTORS = st.integers(0, 6).flatmap(lambda rows: arrays(np.float32, (rows, 16), elements=FLOATS))
KINDS = st.sampled_from(FINE)
STEPS = {"int8": 127, "int4": 7}


def bound(codes: FineCodes, vectors: np.ndarray) -> np.ndarray:
    """The error that `codes` states for each dimension."""
    if codes.kind == "float16":
        return np.maximum(np.abs(vectors.astype(np.float64)) * 2.0**-11, 2.0**-25)
    return np.broadcast_to(codes.scales[:, None].astype(np.float64) / 2 * (1 + 1e-5) + 1e-9, vectors.shape)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(VECTORS, st.sampled_from(["float16", "int8", "int4"]))
def test_a_code_is_within_its_stated_error(vectors: np.ndarray, kind: Fine) -> None:
    codes = to_fine(vectors, kind)
    assert (np.abs(codes.decode().astype(np.float64) - vectors) <= bound(codes, vectors)).all()


@settings(max_examples=100, derandomize=True, deadline=None)
@given(VECTORS)
def test_bits_are_the_signs_first_dimension_lowest(vectors: np.ndarray) -> None:
    bits = to_bits(vectors)
    assert bits.shape == (len(vectors), 2)
    for row in range(len(vectors)):
        for dim in range(16):
            assert (bits[row, dim // 8] >> (dim % 8)) & 1 == int(vectors[row, dim] > 0)
    decoded = to_fine(vectors, "bits").decode()
    assert (decoded == np.where(vectors > 0, 0.25, -0.25)).all()


@settings(max_examples=100, derandomize=True, deadline=None)
@given(VECTORS, KINDS)
def test_a_code_is_of_one_vector_alone(vectors: np.ndarray, kind: Fine) -> None:
    together, reversed_ = to_fine(vectors, kind), to_fine(vectors[::-1], kind)
    assert (together.values == reversed_.values[::-1]).all()
    assert (together.scales == reversed_.scales[::-1]).all()
    for row in range(len(vectors)):
        alone = to_fine(vectors[row : row + 1], kind)
        assert (alone.values == together[row : row + 1].values).all()
        assert (alone.scales == together[row : row + 1].scales).all()


@settings(max_examples=100, derandomize=True, deadline=None)
@given(VECTORS, KINDS, arrays(np.int64, 16, elements=st.integers(-(2**20), 2**20)))
def test_a_dot_product_is_that_of_the_decoded_vectors(vectors: np.ndarray, kind: Fine, query: np.ndarray) -> None:
    codes = to_fine(vectors, kind)
    expected = codes.decode().astype(np.float64) @ query.astype(np.float64)
    assert np.allclose(codes.dot(query.astype(np.float64)), expected, rtol=1e-6, atol=1.0)


@pytest.mark.parametrize("kind", FINE)
def test_a_code_has_the_shape_that_is_stated(kind: Fine) -> None:
    codes = to_fine(np.full((3, 16), 0.25, dtype=np.float32), kind)
    dtype, width, scales = fine_shape(kind, 16)
    assert (codes.values.dtype, codes.values.shape, codes.scales.shape) == (dtype, (3, width), (3 * scales,))


def test_the_largest_magnitude_takes_the_last_step() -> None:
    vector = np.array([[0.5, -1.0, 0.25, 0, 0, 0, 0, 0]], dtype=np.float32)
    assert to_fine(vector, "int8").values.tolist() == [[64, -127, 32, 0, 0, 0, 0, 0]]
    assert to_fine(vector, "int8").scales.tolist() == [np.float32(1 / 127)]
    assert to_fine(vector, "int4").values.tolist() == [[11 | 1 << 4, 10 | 8 << 4, 0x88, 0x88]]
    assert to_fine(vector, "int4").scales.tolist() == [np.float32(1 / 7)]


@pytest.mark.parametrize("kind", ["int8", "int4", "float16"])
def test_a_vector_of_zeros_stays_one(kind: Fine) -> None:
    codes = to_fine(np.zeros((1, 8), dtype=np.float32), kind)
    assert codes.scales.tolist() == ([] if kind == "float16" else [0.0])
    assert (codes.decode() == 0).all()


@pytest.mark.parametrize(
    ("kind", "values", "scales", "message"),
    [
        (
            "int8",
            np.zeros((2, 8), np.int16),
            np.zeros(2, np.float32),
            "values are int16 (2, 8), expected int8 (n, dim)",
        ),
        ("int8", np.zeros(8, np.int8), np.zeros(8, np.float32), "values are int8 (8,), expected int8 (n, dim)"),
        ("int8", np.zeros((2, 8), np.int8), np.zeros(3, np.float32), "scales are float32 (3,), expected float32 (2,)"),
        ("int4", np.zeros((2, 8), np.uint8), np.zeros(2), "scales are float64 (2,), expected float32 (2,)"),
        ("bits", np.zeros((2, 1), np.uint8), np.ones(2, np.float32), "scales are float32 (2,), expected float32 (0,)"),
        ("int3", np.zeros((2, 8), np.int8), np.zeros(2), "fine is 'int3', expected one of float16, int8, int4, bits"),
    ],
)
def test_codes_that_do_not_fit_are_refused(kind: Fine, values: np.ndarray, scales: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        FineCodes(kind, values, scales)
    assert str(caught.value) == message
