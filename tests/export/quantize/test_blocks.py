from __future__ import annotations

import re

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper, numpy_helper

from nestling.arrays import Bytes, Doubles, Floats
from nestling.export.quantize.blocks import Blocks, compensated, loss, nearest
from nestling.export.recipe.grid import Grid

# Squares of numbers below these leave float32.
FLOATS = st.floats(-4, 4, width=32, allow_subnormal=False).map(lambda value: value if abs(value) >= 1e-6 else 0.0)
SHAPES = st.tuples(st.integers(1, 70), st.integers(1, 4))
MATRICES = SHAPES.flatmap(lambda shape: arrays(np.float32, shape, elements=FLOATS))
GRIDS = st.builds(Grid, st.sampled_from([4, 8]), st.sampled_from([16, 32, 64]), st.booleans())
ALL_GRIDS = [Grid(bits, group, symmetric) for bits in (4, 8) for group in (16, 64) for symmetric in (True, False)]


def unpacked(packed: Bytes, bits: int, count: int) -> Bytes:
    """Codes of bytes along the last axis, the low half of a byte first."""
    if bits == 8:
        return packed
    halves = np.stack([packed & 15, packed >> 4], axis=-1)
    return halves.reshape(*packed.shape[:-1], -1)[..., :count]


def grouped(weights: Floats, grid: Grid) -> Doubles:
    """(groups, group, outputs), zeros behind the last input."""
    filled = np.zeros((-(-len(weights) // grid.group) * grid.group, weights.shape[1]))
    filled[: len(weights)] = weights
    return filled.reshape(-1, grid.group, weights.shape[1])


def full_range(group: Doubles, grid: Grid, share: float) -> Doubles:
    """One group rounded with the scale at which a share of its range just fits into the codes."""
    top, half = 2**grid.bits - 1, 2 ** (grid.bits - 1)
    low, high = min(group.min(), 0.0), max(group.max(), 0.0)
    scale = (high if high > -low else low) * share / -half if grid.symmetric else (high - low) * share / top
    if scale == 0:
        return np.zeros_like(group)
    zero = half if grid.symmetric else np.clip(np.round(-low * share / scale), 0, top)
    return np.asarray((np.clip(np.round(group / scale) + zero, 0, top) - zero) * scale)


def inputs_of(seed: int, rows: int, width: int) -> Floats:
    """Correlated inputs: most of what happens, happens in four directions."""
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(rows, 4)) @ random.normal(size=(4, width)) + 0.2 * random.normal(size=(rows, width))
    return np.asarray(inputs, dtype=np.float32)


def weights_of(seed: int, inputs: int, outputs: int) -> Floats:
    return np.random.default_rng(seed).normal(size=(inputs, outputs)).astype(np.float32)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(MATRICES, GRIDS)
def test_packed_arrays_unpack_to_the_codes(weights: Floats, grid: Grid) -> None:
    blocks = nearest(weights, grid)
    codes, scales, zeros = blocks.packed()
    groups, outputs = blocks.scales.shape
    assert codes.shape == (outputs, groups, grid.group * grid.bits // 8)
    assert (blocks.codes == unpacked(codes, grid.bits, grid.group).reshape(outputs, -1).T).all()
    assert (blocks.scales == scales.T).all()
    if grid.symmetric:
        assert zeros is None
        assert (blocks.zeros == 2 ** (grid.bits - 1)).all()
    else:
        assert zeros is not None
        assert (blocks.zeros == unpacked(zeros, grid.bits, groups).T).all()


@settings(max_examples=60, derandomize=True, deadline=None)
@given(MATRICES, GRIDS)
def test_bytes_are_those_of_the_packed_arrays(weights: Floats, grid: Grid) -> None:
    packed = nearest(weights, grid).packed()
    assert grid.bytes(*weights.shape) == sum(array.nbytes for array in packed if array is not None)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(MATRICES, GRIDS)
def test_a_value_is_its_code_less_the_zero_point_times_the_scale(weights: Floats, grid: Grid) -> None:
    blocks = nearest(weights, grid)
    values = blocks.values()
    assert values.shape == blocks.codes.shape
    for row in range(len(values)):
        for column in range(values.shape[1]):
            scale, zero = blocks.scales[row // grid.group, column], blocks.zeros[row // grid.group, column]
            assert values[row, column] == np.float32(int(blocks.codes[row, column]) - int(zero)) * scale


@settings(max_examples=100, derandomize=True, deadline=None)
@given(MATRICES, GRIDS)
def test_a_weight_becomes_the_nearest_value_of_its_group(weights: Floats, grid: Grid) -> None:
    blocks = nearest(weights, grid)
    wanted, found = grouped(weights, grid), grouped(blocks.values(), grid)
    scales, zeros = blocks.scales.astype(np.float64)[:, None], blocks.zeros.astype(np.float64)[:, None]
    codes = np.arange(2**grid.bits).reshape(-1, 1, 1, 1)
    best = np.abs((codes - zeros) * scales - wanted).min(axis=0)
    rounding = 1e-6 * np.abs(wanted) + 1e-12
    assert (np.abs(found - wanted) <= best + rounding).all()
    ends = np.sort(np.stack([(0 - zeros) * scales, (2**grid.bits - 1 - zeros) * scales]), axis=0)
    within = (wanted >= ends[0]) & (wanted <= ends[1])
    assert (np.abs(found - wanted) <= np.abs(scales) / 2 + rounding)[within].all()


@settings(max_examples=100, derandomize=True, deadline=None)
@given(MATRICES, GRIDS, st.sampled_from([0.7, 0.8, 0.9, 1.0]))
def test_no_group_is_worse_than_with_the_scale_of_its_range_or_a_share(
    weights: Floats, grid: Grid, share: float
) -> None:
    found = grouped(nearest(weights, grid).values(), grid)
    for group, rounded in zip(grouped(weights, grid), found, strict=True):
        for column in range(weights.shape[1]):
            simple = full_range(group[:, column], grid, share)
            wanted = ((simple - group[:, column]) ** 2).sum()
            error = ((rounded[:, column] - group[:, column]) ** 2).sum()
            assert error <= wanted * 1.001 + 1e-8 * np.square(group[:, column]).max()


@settings(max_examples=100, derandomize=True, deadline=None)
@given(MATRICES, GRIDS.filter(lambda grid: grid.symmetric))
def test_no_group_is_worse_than_with_its_largest_magnitude_at_the_last_code(weights: Floats, grid: Grid) -> None:
    half = 2 ** (grid.bits - 1)
    found = grouped(nearest(weights, grid).values(), grid)
    for group, rounded in zip(grouped(weights, grid), found, strict=True):
        for column in range(weights.shape[1]):
            simple = full_range(group[:, column], grid, half / (half - 1))
            wanted = ((simple - group[:, column]) ** 2).sum()
            error = ((rounded[:, column] - group[:, column]) ** 2).sum()
            assert error <= wanted * 1.001 + 1e-8 * np.square(group[:, column]).max()


@pytest.mark.parametrize("grid", ALL_GRIDS, ids=str)
def test_zeros_stay_zeros(grid: Grid) -> None:
    weights = np.zeros((70, 3), dtype=np.float32)
    assert (nearest(weights, grid).values() == 0).all()
    assert (compensated(weights, np.eye(70, dtype=np.float32), grid).values() == 0).all()


@settings(max_examples=20, derandomize=True, deadline=None)
@given(arrays(np.float32, (3, 2), elements=st.floats(2.0**-20, 2.0**20, width=32)), st.sampled_from([-1, 1]), GRIDS)
def test_a_group_of_one_value_is_exact(levels: Floats, sign: int, grid: Grid) -> None:
    weights = np.repeat(levels * np.float32(sign), grid.group, axis=0)
    for blocks in (nearest(weights, grid), compensated(weights, np.eye(len(weights), dtype=np.float32), grid)):
        if grid.symmetric:
            assert (blocks.values() == weights).all()
        else:
            assert np.allclose(blocks.values(), weights, rtol=2.0**-22, atol=0)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(MATRICES, GRIDS)
def test_what_fills_the_last_group_is_zero_and_changes_nothing(weights: Floats, grid: Grid) -> None:
    missing = -len(weights) % grid.group
    blocks = nearest(weights, grid)
    filled = nearest(np.pad(weights, ((0, missing), (0, 0))), grid)
    assert len(blocks.codes) == len(weights) + missing
    assert (blocks.values()[len(weights) :] == 0).all()
    assert (blocks.codes == filled.codes).all()
    assert (blocks.scales == filled.scales).all()
    moments = np.eye(len(weights), dtype=np.float32) + np.float32(0.5)
    assert (compensated(weights, moments, grid).values()[len(weights) :] == 0).all()


@pytest.mark.parametrize("width", [16, 150])
@pytest.mark.parametrize("grid", ALL_GRIDS, ids=str)
def test_making_up_for_errors_loses_less_on_correlated_inputs(grid: Grid, width: int) -> None:
    inputs, weights = inputs_of(1, 400, width), weights_of(1, width, 20)
    moments = inputs.T @ inputs / np.float32(len(inputs))
    simple = loss(weights, nearest(weights, grid), moments)
    assert loss(weights, compensated(weights, moments, grid), moments) < 0.5 * simple


@settings(max_examples=60, derandomize=True, deadline=None)
@given(MATRICES, GRIDS, st.floats(2.0**-10, 2.0**10))
def test_inputs_that_are_independent_make_up_for_nothing(weights: Floats, grid: Grid, size: float) -> None:
    simple = nearest(weights, grid)
    found = compensated(weights, np.float32(size) * np.eye(len(weights), dtype=np.float32), grid)
    assert (found.scales == simple.scales).all()
    assert (found.zeros == simple.zeros).all()
    positions = grouped(weights, grid) / simple.scales.astype(np.float64)[:, None]
    tie = np.abs(np.abs(positions - np.floor(positions)) - 0.5) < 1e-4
    different = (found.codes != simple.codes).reshape(tie.shape)
    assert not (different & ~tie).any()
    assert (np.abs(found.codes.astype(int) - simple.codes) <= 1).all()


@pytest.mark.parametrize("grid", ALL_GRIDS, ids=str)
def test_the_loss_is_the_share_of_the_output_that_changes(grid: Grid) -> None:
    inputs, weights = inputs_of(5, 300, 70).astype(np.float64), weights_of(5, 70, 9)
    blocks = nearest(weights, grid)
    exact, rounded = inputs @ weights, inputs @ blocks.values()[:70]
    expected = ((exact - rounded) ** 2).sum() / (exact**2).sum()
    assert loss(weights, blocks, (inputs.T @ inputs).astype(np.float32)) == pytest.approx(expected, rel=1e-3)


def test_exact_weights_lose_nothing() -> None:
    weights = np.repeat(weights_of(6, 4, 8), 16, axis=0)
    assert loss(weights, nearest(weights, Grid(4, 16, True)), np.eye(64, dtype=np.float32)) == 0


@pytest.mark.parametrize("bits", [0, 2, 3, 5, 16])
def test_codes_have_four_or_eight_bits(bits: int) -> None:
    with pytest.raises(ValueError, match=f"^bits is {bits}, expected 4 or 8$"):
        Grid(bits, 32, True)


@pytest.mark.parametrize("group", [-32, 0, 1, 8, 24, 33, 96])
def test_a_group_is_a_power_of_two(group: int) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'group is {group}, expected a power of two of at least 16')}$"):
        Grid(4, group, True)


def test_a_grid_says_what_it_is() -> None:
    assert str(Grid(4, 32, True)) == "4 bits, groups of 32"
    assert str(Grid(8, 128, False)) == "8 bits, groups of 128 with a zero point"


def product(blocks: Blocks, inputs: Floats) -> Floats:
    """Inputs times a rounded matrix, by ONNX Runtime in float32."""
    names = ("codes", "scales", "zeros")
    given = [(name, array) for name, array in zip(names, blocks.packed(), strict=True) if array is not None]
    stored = [numpy_helper.from_array(array, name) for name, array in given]
    node = helper.make_node(
        "MatMulNBits",
        ["x", *(tensor.name for tensor in stored)],
        ["y"],
        domain="com.microsoft",
        K=inputs.shape[1],
        N=blocks.scales.shape[1],
        bits=blocks.grid.bits,
        block_size=blocks.grid.group,
        accuracy_level=0,
    )
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy")
    graph = helper.make_graph([node], "product", [x], [y], stored)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": inputs})[0])


@pytest.mark.parametrize("width", [64, 70, 144])
@pytest.mark.parametrize("grid", [*ALL_GRIDS, Grid(4, 128, True), Grid(4, 32, False), Grid(8, 128, True)], ids=str)
def test_onnx_runtime_computes_with_the_values(grid: Grid, width: int) -> None:
    inputs, weights = inputs_of(7, 11, width), weights_of(7, width, 21)
    for blocks in (nearest(weights, grid), compensated(weights, inputs.T @ inputs, grid)):
        expected = inputs.astype(np.float64) @ blocks.values()[:width]
        assert np.abs(product(blocks, inputs) - expected).max() < 1e-5 * np.abs(expected).max()
