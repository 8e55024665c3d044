from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nestling.vectors.codes import FINE, Fine, FineCodes, record_bytes, to_bits, to_fine

FLOATS = st.floats(-1, 1, width=32)
DIM = 40  # a group of 32 and a shorter one
VECTORS = st.integers(0, 6).flatmap(lambda rows: arrays(np.float32, (rows, DIM), elements=FLOATS))
KINDS = st.sampled_from(FINE)


def bound(codes: FineCodes, vectors: np.ndarray) -> np.ndarray:
    """The error that `codes` states for each dimension."""
    if codes.kind == "float16":
        return np.maximum(np.abs(vectors.astype(np.float64)) * 2.0**-11, 2.0**-25)
    scales = codes.scales.astype(np.float64).repeat(32 if codes.kind == "int4" else DIM, axis=1)[:, :DIM]
    rounding = 1e-7  # of float32, in which vectors are coded and decoded
    return np.maximum(scales / 2, 2.0**-22 if codes.kind == "int4" else 0.0) + rounding


@settings(max_examples=200, derandomize=True, deadline=None)
@given(VECTORS, st.sampled_from(["float16", "int8", "int4"]))
def test_a_code_is_within_its_stated_error(vectors: np.ndarray, kind: Fine) -> None:
    codes = to_fine(vectors, kind)
    assert (np.abs(codes.decode().astype(np.float64) - vectors) <= bound(codes, vectors)).all()


@settings(max_examples=100, derandomize=True, deadline=None)
@given(VECTORS)
def test_bits_are_the_signs_first_dimension_lowest(vectors: np.ndarray) -> None:
    bits = to_bits(vectors)
    assert bits.shape == (len(vectors), DIM // 8)
    for row in range(len(vectors)):
        for dim in range(DIM):
            assert (bits[row, dim // 8] >> (dim % 8)) & 1 == int(vectors[row, dim] > 0)
    decoded = to_fine(vectors, "bits").decode()
    assert np.allclose(decoded, np.where(vectors > 0, DIM**-0.5, -(DIM**-0.5)))


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
@given(VECTORS, KINDS, arrays(np.int64, DIM, elements=st.integers(-(2**20), 2**20)))
def test_a_dot_product_is_that_of_the_decoded_vectors(vectors: np.ndarray, kind: Fine, query: np.ndarray) -> None:
    codes = to_fine(vectors, kind)
    expected = codes.decode().astype(np.float64) @ query.astype(np.float64)
    assert np.allclose(codes.dot(query.astype(np.float64)), expected, rtol=1e-6, atol=1.0)


@pytest.mark.parametrize("kind", FINE)
@pytest.mark.parametrize("dim", [8, 32, 40, 384])
def test_a_code_has_the_layout_that_is_stated(kind: Fine, dim: int) -> None:
    codes = to_fine(np.full((3, dim), 0.25, dtype=np.float32), kind)
    assert codes.dim == dim
    records = codes.records()
    assert (records.dtype, records.shape) == (np.uint8, (3, record_bytes(kind, dim)))


@settings(max_examples=100, derandomize=True, deadline=None)
@given(VECTORS, KINDS)
def test_records_give_the_codes_that_they_are_of(vectors: np.ndarray, kind: Fine) -> None:
    codes = to_fine(vectors, kind)
    again = FineCodes.of_records(kind, DIM, codes.records())
    assert (again.values == codes.values).all()
    assert (again.scales == codes.scales).all()
    assert (again.records() == codes.records()).all()


def test_a_record_is_its_scales_and_then_its_values() -> None:
    vector = np.array([[0.45, -1.0, 0.25, 0, 0, 0, 0, 0]], dtype=np.float32)
    record = to_fine(vector, "int8").records()[0].tobytes()
    assert record == np.float32(1 / 127).astype("<f4").tobytes() + bytes([57, 129, 32, 0, 0, 0, 0, 0])


def test_a_vector_of_384_takes_as_many_bytes_as_is_stated() -> None:
    vector = np.full((1, 384), 384**-0.5, dtype=np.float32)
    sizes = {kind: to_fine(vector, kind) for kind in FINE}
    bytes_ = {kind: codes.records().nbytes for kind, codes in sizes.items()}
    assert bytes_ == {"float16": 768, "int8": 388, "int4": 216, "bits": 48}


def test_the_groups_of_an_int4_code_have_scales_of_their_own() -> None:
    vector = np.zeros((1, 64), dtype=np.float32)
    vector[0, :32], vector[0, 32:] = 0.7, 0.07
    codes = to_fine(vector, "int4")
    assert codes.scales.tolist() == [[np.float16(0.1), np.float16(0.01)]]
    assert (codes.values == 0xFF).all()


def test_sums_of_int4_codes_are_exact_in_any_order() -> None:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(50, 384))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    codes = to_fine(vectors, "int4")
    query = np.rint(vectors[0].astype(np.float64) * 2**20)
    values = [[int(v) for v in row] for row in np.rint(codes.decode().astype(np.float64) * 2**24)]
    exact = [sum(v * int(q) for v, q in zip(row, query, strict=True)) for row in values]
    assert (codes.dot(query) * 2**24).tolist() == exact


def test_the_largest_magnitude_takes_the_last_step() -> None:
    vector = np.array([[0.45, -1.0, 0.25, 0, 0, 0, 0, 0]], dtype=np.float32)
    assert to_fine(vector, "int8").values.tolist() == [[57, -127, 32, 0, 0, 0, 0, 0]]
    assert to_fine(vector, "int8").scales.tolist() == [[np.float32(1 / 127)]]
    assert to_fine(vector, "int4").values.tolist() == [[11 | 1 << 4, 10 | 8 << 4, 0x88, 0x88]]
    assert to_fine(vector, "int4").scales.tolist() == [[np.float16(1 / 7)]]


@pytest.mark.parametrize("kind", ["int8", "int4", "float16"])
def test_a_vector_of_zeros_stays_one(kind: Fine) -> None:
    codes = to_fine(np.zeros((1, 8), dtype=np.float32), kind)
    assert (codes.scales == 0).all()
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
        (
            "int8",
            np.zeros((2, 8), np.int8),
            np.zeros(2, np.float32),
            "scales are float32 (2,), expected float32 (2, 1)",
        ),
        ("int4", np.zeros((2, 8), np.uint8), np.zeros((2, 1)), "scales are float64 (2, 1), expected float16 (2, 1)"),
        (
            "bits",
            np.zeros((2, 1), np.uint8),
            np.ones(2, np.float32),
            "scales are float32 (2,), expected float32 (2, 0)",
        ),
        ("int3", np.zeros((2, 8), np.int8), np.zeros(2), "fine is 'int3', expected one of float16, int8, int4, bits"),
    ],
)
def test_codes_that_do_not_fit_are_refused(kind: Fine, values: np.ndarray, scales: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        FineCodes(kind, values, scales)
    assert str(caught.value) == message
