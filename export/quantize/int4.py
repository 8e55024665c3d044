"""A float32 graph to 4-bit weights: MatMulNBits nodes, each matrix with the groups that its part in the error earns.

In the manner of FineQuant (arXiv 2308.09723) the group size is chosen a matrix at a time, but from the whole: all
matrices share one budget of bytes, and the next bytes go where they take most from the error of the final vector.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ...arrays import Floats, Ids
from ..errors import ExportError
from ..memory import give_back
from ..recipe.grid import Grid
from ..recipe.parts import Int4Recipe
from .activations import Flow, follows, matrices, moments, paired_moments, session
from .blocks import Blocks, compensated, loss, nearest
from .embedding import TokenTable, compress_table, replace
from .onnx_graph import half_rotation

FOUR_BITS = tuple(Grid(4, group, symmetric) for group in (128, 64, 32, 16) for symmetric in (True, False))
GRIDS = (*FOUR_BITS, Grid(8, 128, True))
COARSEST = GRIDS[0]

_ATTENTION = ("query", "key", "value")
_PROBES = 48
_LEAST_LOSS = 1e-12
_PACKING_BYTES = 30_000
_RIDGE = 0.1


@dataclass(frozen=True)
class Matrix:
    """One matrix of the encoder; of attention's stored matrix a third.

    Attributes:
        name: unique, and the name of the node that will compute with it.
        tensor: the stored array that it is part of.
        first: its first column there.
        activation: name of what it is multiplied with.
        weights: (inputs, outputs) float32.
    """

    name: str
    tensor: str
    first: int
    activation: str
    weights: Floats


@dataclass(frozen=True, eq=False)
class Rounded:
    """The matrices of a family of models that were rounded so far.

    Attributes:
        grids: by the name of a matrix.
        blocks: by the sha256 of its weights.
    """

    grids: dict[str, Grid]
    blocks: dict[str, Blocks]


def quantize_int4(
    model: Any, exact: Any, texts: Sequence[Ids], table: TokenTable, recipe: Int4Recipe, wider: Rounded | None = None
) -> Rounded:
    """Round a model's matrices to 4 bits and put in its rounded token table, in place.

    Args:
        model: the float32 graph with the values of the rounded token table.
        exact: the float32 graph, which the rounded one is to follow.
        texts: token ids of the calibration texts, (n,) int64 each.
        recipe: says which groups all matrices have, or what all files of the widest model may take together.
        wider: of the wider models of a family: equal matrices are taken over, so that all share them, and the others
            get the grids of the widest. None for the widest.

    Returns:
        The matrices as they were rounded, those of wider models among them.

    Raises:
        ExportError: the budget is below what the coarsest groups take.
    """
    found = found_matrices(model)
    names = [sha256(matrix.weights.tobytes()).hexdigest() for matrix in found]
    if wider is None:
        plain = {matrix.name: Grid(4, recipe.group, False) for matrix in found}
        grids = GRIDS if recipe.eight_bits else FOUR_BITS
        chosen = chosen_grids(model, found, texts, table, recipe.max_bytes, grids) if recipe.max_bytes else plain
        wider = Rounded(chosen, {})
    known = wider.blocks
    shared = {matrix.name: known[name] for matrix, name in zip(found, names, strict=True) if name in known}
    rounded = rounded_in_order(model, exact, texts, found, [wider.grids[matrix.name] for matrix in found], shared)
    with_blocks(model, rounded)
    compress_table(model, table)
    blocks = {name: rounded[matrix.name] for matrix, name in zip(found, names, strict=True)}
    return Rounded(wider.grids, {**known, **blocks})


def chosen_grids(
    model: Any,
    found: Sequence[Matrix],
    texts: Sequence[Ids],
    table: TokenTable,
    max_bytes: int,
    grids: Sequence[Grid] = GRIDS,
) -> dict[str, Grid]:
    """One of the grids for each matrix by its name, so that all files take `max_bytes` at most, see `allocate`."""
    smallest = onnx.ModelProto()
    smallest.CopyFrom(model)
    with_blocks(smallest, {matrix.name: nearest(matrix.weights, COARSEST) for matrix in found})
    compress_table(smallest, table)
    half_rotation(smallest)
    least = sum(COARSEST.bytes(*matrix.weights.shape) for matrix in found)
    budget = max_bytes - _PACKING_BYTES - (smallest.ByteSize() - least)
    second = moments(model, texts)
    losses = [
        {grid: loss(matrix.weights, nearest(matrix.weights, grid), second[matrix.activation]) for grid in grids}
        for matrix in found
    ]
    weights = sensitivities(model, found, losses, texts[:: -(-len(texts) // _PROBES)])
    return dict(zip((matrix.name for matrix in found), allocate(found, losses, weights, budget), strict=True))


def rounded_in_order(
    model: Any,
    exact: Any,
    texts: Sequence[Ids],
    found: Sequence[Matrix],
    grids: Sequence[Grid],
    shared: Mapping[str, Blocks],
) -> dict[str, Blocks]:
    """Round the matrices from the first on, each to give what the exact model gives from what the rounded one has.

    Errors of all that was rounded before flow into what a matrix is multiplied with, so its weights are fitted to that
    first, and then rounded (GPTAQ, arXiv 2504.02692). The model is left with the values of the rounded matrices.

    Args:
        shared: matrices that are rounded already.
    """
    rounded: dict[str, Blocks] = {}
    ids = [text[None, :] for text in texts]
    flows = [Flow("input_ids", ids, ids)]
    activations = list(dict.fromkeys(matrix.activation for matrix in found))
    for activation, later in zip(activations, [*activations[1:], None], strict=True):
        # Both models are run on from the last activation that this one depends on through nothing else.
        start = next((flow for flow in flows if follows(model, flow.name, activation)), flows[-1])
        here = [(matrix, grid) for matrix, grid in zip(found, grids, strict=True) if matrix.activation == activation]
        for matrix, _ in here:
            if matrix.name in shared:
                rounded[matrix.name] = shared[matrix.name]
                _put(model, matrix, shared[matrix.name])
        here = [(matrix, grid) for matrix, grid in here if matrix.name not in shared]
        if not here:
            continue
        keep = later is not None and follows(model, activation, later)
        second, cross, flow = paired_moments(exact, model, start, activation, keep)
        for matrix, grid in here:
            rounded[matrix.name] = compensated(fitted_weights(matrix.weights, second, cross), second, grid)
            _put(model, matrix, rounded[matrix.name])
        flows = [*([flow] if flow else []), start, flows[-1]]
        give_back()
    return rounded


def fitted_weights(weights: Floats, second: Floats, cross: Floats) -> Floats:
    """The weights that come nearest to the exact products from inputs with errors, by ridge regression towards the
    weights themselves.

    Args:
        weights: (inputs, outputs) float32.
        second: (inputs, inputs) float32, second moments of the inputs with errors.
        cross: (inputs, inputs) float32, their products with the exact inputs.
    """
    exact = weights.astype(np.float64)
    ridge = _RIDGE * np.mean(np.diag(second), dtype=np.float64)
    left = second.astype(np.float64)
    left[np.diag_indices_from(left)] += ridge
    return np.asarray(np.linalg.solve(left, cross.astype(np.float64) @ exact + ridge * exact), dtype=np.float32)


def found_matrices(model: Any) -> list[Matrix]:
    """The encoder's matrices, those of query, key and value apart."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    found = []
    for node in matrices(model):
        tensor, activation = node.input[1], node.input[0]
        parts = _ATTENTION if node.op_type == "Attention" else ("",)
        width = stored[tensor].shape[1] // len(parts)
        for number, part in enumerate(parts):
            first = number * width
            weights = np.ascontiguousarray(stored[tensor][:, first : first + width])
            found.append(Matrix(_part(node.name, part), tensor, first, activation, weights))
    return found


def sensitivities(
    model: Any, found: Sequence[Matrix], losses: Sequence[dict[Grid, float]], texts: Sequence[Ids]
) -> list[float]:
    """How far the final vectors move for a matrix's loss, measured by rounding one matrix at a time.

    Returns:
        For each matrix the mean 1 - cosine of the final vectors, by loss.
    """
    exact = _vectors(model, texts)
    result = []
    for matrix, by_grid in zip(found, losses, strict=True):
        changed = onnx.ModelProto()
        changed.CopyFrom(model)
        _put(changed, matrix, nearest(matrix.weights, COARSEST))
        moved = 1 - (exact * _vectors(changed, texts)).sum(axis=1).mean()
        result.append(float(moved) / max(by_grid[COARSEST], _LEAST_LOSS))
    return result


def allocate(
    found: Sequence[Matrix], losses: Sequence[dict[Grid, float]], weights: Sequence[float], budget: int
) -> list[Grid]:
    """A grid for each matrix: from the coarsest on, the next bytes go where they save most.

    Args:
        losses: by grid, what each matrix loses.
        weights: how much the final vector suffers from each matrix's loss.
        budget: bytes for all matrices together.

    Raises:
        ExportError: the budget is below what the coarsest groups take.
    """
    grids = list(losses[0])
    prices = [{grid: grid.bytes(*matrix.weights.shape) for grid in grids} for matrix in found]
    chosen = [
        min(grids, key=lambda grid: (price[grid], lost[grid])) for price, lost in zip(prices, losses, strict=True)
    ]
    spent = sum(price[grid] for price, grid in zip(prices, chosen, strict=True))
    if spent > budget:
        raise ExportError(
            f"the matrices may take {budget} bytes, expected {spent} or more, what the coarsest groups take; "
            "raise max_bytes"
        )
    steps: list[tuple[float, int, int]] = []

    def offer(index: int) -> None:
        """Queue the step from the chosen grid that saves most a byte, of those that still fit."""
        now, price, lost = chosen[index], prices[index], losses[index]
        offers = [
            (-weights[index] * (lost[now] - lost[grid]) / (price[grid] - price[now]), index, choice)
            for choice, grid in enumerate(grids)
            if 0 < price[grid] - price[now] <= budget - spent and weights[index] * (lost[now] - lost[grid]) > 0
        ]
        if offers:
            heapq.heappush(steps, min(offers))

    for index in range(len(found)):
        offer(index)
    while steps:
        _, index, choice = heapq.heappop(steps)
        extra = prices[index][grids[choice]] - prices[index][chosen[index]]
        if spent + extra <= budget:
            spent += extra
            chosen[index] = grids[choice]
        offer(index)
    return chosen


def with_blocks(model: Any, rounded: dict[str, Blocks]) -> None:
    """Put MatMulNBits nodes in place of a model's matrices; attention becomes three of them and MultiHeadAttention."""
    arrays: dict[str, Any] = {}
    nodes: list[Any] = []
    inputs_of = {matrix.name: len(matrix.weights) for matrix in found_matrices(model)}
    replaced = {node.name for node in matrices(model)}

    def product(name: str, source: str, output: str) -> None:
        blocks = rounded[name]
        for kind, array in zip(("codes", "scales", "zeros"), blocks.packed(), strict=True):
            if array is not None:
                arrays[f"{name}.{kind}"] = array
        nodes.append(
            helper.make_node(
                "MatMulNBits", [source, *(key for key in arrays if key.rpartition(".")[0] == name)], [output],
                name=name, domain="com.microsoft", K=inputs_of[name], N=blocks.scales.shape[1],
                bits=blocks.grid.bits, block_size=blocks.grid.group, accuracy_level=4,
            )
        )  # fmt: skip

    for node in model.graph.node:
        if node.name not in replaced:
            nodes.append(node)
        elif node.op_type == "MatMul":
            product(node.name, node.input[0], node.output[0])
        else:
            parts = [_part(node.name, part) for part in _ATTENTION]
            for name in parts:
                product(name, node.input[0], f"{name}.out")
            heads = next(attribute.i for attribute in node.attribute if attribute.name == "num_heads")
            nodes.append(
                helper.make_node(
                    "MultiHeadAttention", [*(f"{name}.out" for name in parts), node.input[2]], [node.output[0]],
                    name=node.name, domain="com.microsoft", num_heads=heads,
                )
            )  # fmt: skip
    replace(model, nodes, arrays)


def _put(model: Any, matrix: Matrix, blocks: Blocks) -> None:
    """Give a model's matrix the values of a rounded one."""
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == matrix.tensor)
    inputs, outputs = matrix.weights.shape
    weights = numpy_helper.to_array(tensor).copy()
    weights[:, matrix.first : matrix.first + outputs] = blocks.values()[:inputs]
    tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))


def _part(node: str, part: str) -> str:
    return f"{node}.{part}" if part else node


def _vectors(model: Any, texts: Sequence[Ids]) -> Floats:
    """The unit vectors that a model gives for texts, (n, dim) float32."""
    run = session(model)
    return np.concatenate([run.run(["vector"], {"input_ids": ids[None, :]})[0] for ids in texts])
