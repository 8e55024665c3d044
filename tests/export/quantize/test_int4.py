from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from nestling.arrays import Floats, Ids
from nestling.export.errors import ExportError
from nestling.export.quantize.activations import moments
from nestling.export.quantize.blocks import Blocks, compensated, loss, nearest
from nestling.export.quantize.embedding import rounded_table
from nestling.export.quantize.int4 import (
    COARSEST,
    GRIDS,
    Matrix,
    allocate,
    fitted_weights,
    found_matrices,
    quantize_int4,
    rounded_in_order,
    sensitivities,
    with_blocks,
)
from nestling.export.recipe.grid import Grid
from nestling.export.recipe.parts import Int4Recipe

Case = tuple[list[Matrix], list[dict[Grid, float]], list[float]]

TABLE_GRID = Grid(4, 16, False)
SHARES = st.floats(0, 1.1)


def matrix(inputs: int, outputs: int) -> Matrix:
    return Matrix("name", "tensor", 0, "activation", np.zeros((inputs, outputs), dtype=np.float32))


def copied(model: Any) -> Any:
    return onnx.ModelProto.FromString(model.SerializeToString())


def taken(found: Sequence[Matrix], grids: Sequence[Grid]) -> int:
    return sum(grid.bytes(*matrix.weights.shape) for matrix, grid in zip(found, grids, strict=True))


def suffered(case: Case, grids: Sequence[Grid]) -> float:
    """The error of the final vector that `allocate` is to make small."""
    _, losses, weights = case
    return sum(weight * by_grid[grid] for weight, by_grid, grid in zip(weights, losses, grids, strict=True))


def case_of(seed: int) -> Case:
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 6))
    losses = [dict(zip(GRIDS, map(float, random.random(len(GRIDS))), strict=True)) for _ in range(count)]
    return [matrix(*random.integers(1, 400, 2)) for _ in range(count)], losses, [*map(float, random.random(count))]


CASES = st.integers(0, 2**32).map(case_of)


def vectors(model: Any, texts: Sequence[Ids]) -> Floats:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["vector"], {"input_ids": ids[None, :]})[0] for ids in texts])


def with_values(model: Any, rounded: dict[str, Blocks]) -> Any:
    """The float32 graph with the rounded values as its weights."""
    result = onnx.ModelProto.FromString(model.SerializeToString())
    for found in found_matrices(model):
        (tensor,) = (tensor for tensor in result.graph.initializer if tensor.name == found.tensor)
        array = numpy_helper.to_array(tensor).copy()
        inputs, outputs = found.weights.shape
        array[:, found.first : found.first + outputs] = rounded[found.name].values()[:inputs]
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return result


def in_float(model: Any) -> Any:
    """The graph with activations that are not rounded to int8."""
    result = onnx.ModelProto.FromString(model.SerializeToString())
    for node in result.graph.node:
        for attribute in node.attribute:
            if attribute.name == "accuracy_level":
                attribute.i = 0
    return result


@settings(max_examples=200, derandomize=True, deadline=None)
@given(CASES, SHARES)
def test_the_budget_is_never_passed(case: Case, share: float) -> None:
    found, losses, weights = case
    least, most = (max(taken(found, [grid] * len(found)) for grid in grids) for grids in ([COARSEST], GRIDS))
    budget = least + int(share * (most - least))
    grids = allocate(found, losses, weights, budget)
    assert taken(found, grids) <= budget
    cheapest = [
        min(GRIDS, key=lambda grid: (grid.bytes(*matrix.weights.shape), lost[grid]))
        for matrix, lost in zip(found, losses, strict=True)
    ]
    assert suffered(case, grids) <= suffered(case, cheapest)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(CASES, st.tuples(SHARES, SHARES))
def test_more_bytes_never_make_it_worse(case: Case, shares: tuple[float, float]) -> None:
    found, losses, weights = case
    least, most = (max(taken(found, [grid] * len(found)) for grid in grids) for grids in ([COARSEST], GRIDS))
    small, large = (least + int(share * (most - least)) for share in sorted(shares))
    with_small, with_large = (suffered(case, allocate(found, losses, weights, budget)) for budget in (small, large))
    assert with_large <= with_small * (1 + 1e-9)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(CASES, SHARES)
def test_no_bytes_are_left_that_would_take_from_the_error(case: Case, share: float) -> None:
    found, losses, weights = case
    least, most = (max(taken(found, [grid] * len(found)) for grid in grids) for grids in ([COARSEST], GRIDS))
    budget = least + int(share * (most - least))
    grids = allocate(found, losses, weights, budget)
    for index in range(len(found)):
        for grid in GRIDS:
            other = [*grids[:index], grid, *grids[index + 1 :]]
            fits = taken(found, grids) < taken(found, other) <= budget
            assert not (fits and weights[index] * losses[index][grid] < weights[index] * losses[index][grids[index]])


def losses_of(inputs: int, outputs: int) -> dict[Grid, float]:
    """What a matrix of normal numbers loses on inputs that are independent."""
    weights = np.random.default_rng(0).normal(size=(inputs, outputs)).astype(np.float32)
    second = np.eye(inputs, dtype=np.float32)
    return {grid: loss(weights, nearest(weights, grid), second) for grid in GRIDS}


@pytest.mark.parametrize("affordable", [grid for grid in GRIDS if grid.group < 128], ids=str)
def test_the_matrix_that_weighs_more_gets_the_finer_groups(affordable: Grid) -> None:
    found, by_grid = [matrix(256, 64)] * 2, losses_of(256, 64)
    budget = COARSEST.bytes(256, 64) + affordable.bytes(256, 64)
    heavy, light = allocate(found, [by_grid] * 2, [100.0, 1.0], budget)
    assert by_grid[heavy] < by_grid[light]
    assert allocate(found, [by_grid] * 2, [1.0, 100.0], budget) == [light, heavy]


@pytest.mark.parametrize("inputs", [32, 312])
def test_groups_that_take_fewer_bytes_and_lose_less_are_taken(inputs: int) -> None:
    by_grid, budget = losses_of(inputs, 64), COARSEST.bytes(inputs, 64)
    (grid,) = allocate([matrix(inputs, 64)], [by_grid], [1.0], budget)
    assert by_grid[grid] == min(by_grid[other] for other in GRIDS if other.bytes(inputs, 64) <= budget)


def test_a_matrix_that_does_not_matter_stays_coarse() -> None:
    by_grid = {grid: 1 / grid.bytes(64, 64) for grid in GRIDS}
    cheapest = min(GRIDS, key=lambda grid: grid.bytes(64, 64))
    assert allocate([matrix(64, 64)] * 2, [by_grid] * 2, [0.0, -1e-9], 10**9) == [cheapest] * 2


def test_a_budget_below_the_coarsest_groups_is_refused() -> None:
    found, by_grid = [matrix(256, 64)] * 2, dict.fromkeys(GRIDS, 0.1)
    least = taken(found, [COARSEST] * 2)
    assert allocate(found, [by_grid] * 2, [1.0, 1.0], least) == [COARSEST] * 2
    expected = (
        f"the matrices may take {least - 1} bytes, expected {least} or more, what the coarsest groups take; "
        "raise max_bytes"
    )
    with pytest.raises(ExportError, match=f"^{re.escape(expected)}$"):
        allocate(found, [by_grid] * 2, [1.0, 1.0], least - 1)


def test_all_matrices_are_found_and_attention_is_three(model: Any) -> None:
    found = found_matrices(model)
    assert len({one.name for one in found}) == len(found) == 12
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for one in found:
        inputs, outputs = one.weights.shape
        assert (stored[one.tensor][:, one.first : one.first + outputs] == one.weights).all()
        assert inputs == len(stored[one.tensor])
    shares = Counter({one.tensor: 0 for one in found})
    for one in found:
        shares[one.tensor] += one.weights.shape[1]
    assert all(stored[tensor].shape[1] == columns for tensor, columns in shares.items())


def test_the_matrices_give_way_to_rounded_ones(model: Any) -> None:
    names = {one.name for one in found_matrices(model)}
    arrays = {one.tensor for one in found_matrices(model)}
    with_blocks(model, {one.name: nearest(one.weights, COARSEST) for one in found_matrices(model)})
    kinds = Counter(node.op_type for node in model.graph.node)
    assert (kinds["MatMulNBits"], kinds["MultiHeadAttention"]) == (12, 2)
    assert not {"MatMul", "Attention"} & set(kinds)
    assert {node.name for node in model.graph.node if node.op_type == "MatMulNBits"} == names
    assert not arrays & {tensor.name for tensor in model.graph.initializer}


def assert_computes_with(model: Any, rounded: Any, texts: list[Ids]) -> None:
    """A graph that is given rounded matrices computes what the same values give in float32."""
    expected = vectors(with_values(model, rounded), texts)
    with_blocks(model, rounded)
    cosines = (vectors(model, texts) * expected).sum(axis=1)
    assert cosines.mean() > 0.999
    assert cosines.min() > 0.99
    assert ((vectors(in_float(model), texts) * expected).sum(axis=1) > 0.999999).all()


@pytest.mark.parametrize("grid", [COARSEST, Grid(4, 128, False), Grid(4, 16, False), Grid(8, 128, True)], ids=str)
def test_the_graph_computes_with_the_rounded_values(model: Any, texts: list[Ids], grid: Grid) -> None:
    for tensor in model.graph.initializer:
        if tensor.name.endswith("qkv_bias"):
            bias = np.random.default_rng(0).normal(size=tensor.dims).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(bias, tensor.name))
    rounded = {one.name: nearest(one.weights, grid) for one in found_matrices(model)}
    assert_computes_with(model, rounded, texts)


def test_matrices_of_one_graph_may_have_grids_of_their_own(model: Any, texts: list[Ids]) -> None:
    found = found_matrices(model)
    second = moments(model, texts)
    rounded = {
        one.name: compensated(one.weights, second[one.activation], GRIDS[index % len(GRIDS)])
        for index, one in enumerate(found)
    }
    assert_computes_with(model, rounded, texts)


def test_a_sensitivity_is_how_far_the_vectors_move_by_loss(model: Any, texts: list[Ids]) -> None:
    found, second, before = found_matrices(model), moments(model, texts), model.SerializeToString()
    losses = [{COARSEST: loss(one.weights, nearest(one.weights, COARSEST), second[one.activation])} for one in found]
    result = sensitivities(model, found, losses, texts)
    assert model.SerializeToString() == before
    exact = vectors(model, texts)
    for index in (0, 4, 11):
        rounded = {one.name: nearest(one.weights, Grid(8, 16, False)) for one in found}
        exactly = with_values(model, rounded)
        rounded[found[index].name] = nearest(found[index].weights, COARSEST)
        moved = 1 - (exact * vectors(with_values(model, rounded), texts)).sum(axis=1).mean()
        assert result[index] * losses[index][COARSEST] == pytest.approx(moved, rel=0.2)
        assert 1 - (exact * vectors(exactly, texts)).sum(axis=1).mean() < 0.1 * moved


def test_weights_for_exact_inputs_stay() -> None:
    random = np.random.default_rng(0)
    inputs, weights = random.normal(size=(500, 16)).astype(np.float32), random.normal(size=(16, 8)).astype(np.float32)
    second = inputs.T @ inputs / 500
    assert np.allclose(fitted_weights(weights, second, second), weights, atol=1e-4)


def test_weights_are_fitted_to_inputs_with_errors() -> None:
    random = np.random.default_rng(0)
    exact, weights = random.normal(size=(500, 16)).astype(np.float32), random.normal(size=(16, 8)).astype(np.float32)
    skewed = exact @ (np.eye(16) + 0.2 * random.normal(size=(16, 16))).astype(np.float32)
    fitted = fitted_weights(weights, skewed.T @ skewed / 500, skewed.T @ exact / 500)
    errors = [np.square(skewed @ each - exact @ weights).mean() for each in (fitted, weights)]
    assert errors[0] < 0.2 * errors[1]


def test_rounding_in_order_makes_up_for_what_was_rounded_before(model: Any, texts: list[Ids]) -> None:
    exact, found = copied(model), found_matrices(model)
    second = moments(model, texts)
    alone = {one.name: compensated(one.weights, second[one.activation], COARSEST) for one in found}
    expected = vectors(exact, texts)
    before = 1 - (vectors(with_values(exact, alone), texts) * expected).sum(axis=1).mean()
    rounded = rounded_in_order(model, exact, texts, found, [COARSEST] * len(found), {})
    after = 1 - (vectors(with_values(exact, rounded), texts) * expected).sum(axis=1).mean()
    assert set(rounded) == set(alone)
    assert after < 0.9 * before
    assert (vectors(model, texts) == vectors(with_values(exact, rounded), texts)).all()


def test_without_a_budget_all_matrices_have_four_bits_in_groups_of_one_size(model: Any, texts: list[Ids]) -> None:
    table = rounded_table(model, Grid(4, 16, False), np.eye(32, dtype=np.float32), 0)
    found = quantize_int4(model, copied(model), texts[:8], table, Int4Recipe(group=16)).grids
    assert set(found.values()) == {Grid(4, 16, False)}
    nodes = [node for node in model.graph.node if node.op_type == "MatMulNBits"]
    assert len(nodes) == len(found) == 12
    assert {a.i for node in nodes for a in node.attribute if a.name == "bits"} == {4}


def test_a_budget_gives_no_matrix_eight_bits_unless_it_may(model: Any, texts: list[Ids]) -> None:
    table = rounded_table(model, Grid(4, 16, False), np.eye(32, dtype=np.float32), 0)
    for may, bits in ((False, {4}), (True, {8})):
        recipe = Int4Recipe(max_bytes=10_000_000, eight_bits=may)
        found = quantize_int4(copied(model), copied(model), texts[:8], table, recipe).grids
        assert {grid.bits for grid in found.values()} == bits


@pytest.mark.parametrize("max_bytes", [70_000, 90_000])
def test_an_encoder_is_rounded_within_its_bytes(model: Any, texts: list[Ids], max_bytes: int) -> None:
    exact = vectors(model, texts)
    names = {one.name for one in found_matrices(model)}
    table = rounded_table(model, TABLE_GRID, np.eye(32, dtype=np.float32), 0)
    grids = quantize_int4(model, copied(model), texts, table, Int4Recipe(max_bytes=max_bytes, eight_bits=True)).grids
    assert set(grids) == names
    room_to_pack = 15_000
    assert model.ByteSize() <= max_bytes - room_to_pack
    assert (vectors(model, texts) * exact).sum(axis=1).mean() > 0.95
    assert {"EmbedLayerNormalization", "Gather", "MatMul"}.isdisjoint(node.op_type for node in model.graph.node)


def test_an_encoder_that_does_not_fit_is_refused(model: Any, texts: list[Ids]) -> None:
    table = rounded_table(model, TABLE_GRID, np.eye(32, dtype=np.float32), 0)
    with pytest.raises(
        ExportError, match=r"^the matrices may take -?\d+ bytes, expected \d+ or more, .*raise max_bytes$"
    ):
        quantize_int4(model, copied(model), texts, table, Int4Recipe(max_bytes=20_000))
