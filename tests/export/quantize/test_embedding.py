from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from nestling.arrays import Floats, Ids
from nestling.export.encoder.head import Head
from nestling.export.quantize.blocks import Blocks, nearest
from nestling.export.quantize.embedding import (
    TABLE,
    WORDS,
    compress_table,
    plain_embedding,
    put_values,
    replace,
    rounded_table,
)
from nestling.export.recipe.grid import Codebooks, Grid
from tiny import loaded

GRIDS = [Grid(bits, group, symmetric) for bits in (4, 8) for group in (16, 32) for symmetric in (True, False)]
TOKENS, DIM, PLACES = 31, 32, 20


def run(model: Any, output: str, ids: Ids) -> Floats:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run([output], {"input_ids": ids[None, :]})[0])


def vectors(model: Any, texts: Sequence[Ids]) -> Floats:
    return np.concatenate([run(model, "vector", ids) for ids in texts])


def array(model: Any, name: str) -> Any:
    (found,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
    return numpy_helper.to_array(found)


def fused(cast_behind: str = "cast_behind", places: int = PLACES) -> Any:
    """An embedding as ONNX Runtime's optimizer leaves it, unnamed casts before it and one behind it."""
    random = np.random.default_rng(0)
    shapes = {"words.weight": (TOKENS, DIM), "places.weight": (places, DIM), "kinds.weight": (1, DIM), "gain": (DIM,)}
    stored = [numpy_helper.from_array(random.normal(size=s).astype(np.float32), n) for n, s in shapes.items()]
    stored.append(numpy_helper.from_array(random.normal(size=DIM).astype(np.float32), "shift"))
    zero = numpy_helper.from_array(np.zeros(1, dtype=np.int64))
    nodes = [
        helper.make_node("Shape", ["input_ids"], ["shape"], name="shape"),
        helper.make_node("ConstantOfShape", ["shape"], ["kinds"], name="kinds", value=zero),
        helper.make_node("Cast", ["kinds"], ["kinds32"], to=TensorProto.INT32),
        helper.make_node("Cast", ["input_ids"], ["ids32"], to=TensorProto.INT32),
        helper.make_node(
            "EmbedLayerNormalization",
            ["ids32", "kinds32", "words.weight", "places.weight", "kinds.weight", "gain", "shift"],
            ["embedded.states", "mask"],
            name="fused",
            domain="com.microsoft",
            epsilon=1e-3,
        ),
        helper.make_node("Cast", ["embedded.states"], ["vector"], name=cast_behind, to=TensorProto.FLOAT),
    ]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])
    vector = helper.make_tensor_value_info("vector", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "fused", [ids], [vector], stored)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def ids_of(length: int) -> Ids:
    return np.random.default_rng(length).integers(0, TOKENS, length)


@pytest.mark.parametrize("length", [1, 7, PLACES])
def test_a_plain_embedding_gives_the_states_of_the_fused_one(length: int) -> None:
    model = fused()
    expected = run(model, "vector", ids_of(length))
    plain_embedding(model, PLACES)
    assert "EmbedLayerNormalization" not in {node.op_type for node in model.graph.node}
    assert np.abs(run(model, "vector", ids_of(length)) - expected).max() < 5e-3 * np.abs(expected).max()


def test_only_the_rounding_of_positions_changes_a_state() -> None:
    model, plain = fused(), fused()
    plain_embedding(plain, PLACES)
    for tensor in model.graph.initializer:
        if tensor.name == "places.weight":
            tensor.CopyFrom(numpy_helper.from_array(array(plain, "positions").astype(np.float32), tensor.name))
        if tensor.name == "kinds.weight":
            tensor.CopyFrom(numpy_helper.from_array(np.zeros((1, DIM), dtype=np.float32), tensor.name))
    expected = run(model, "vector", ids_of(9))
    assert np.abs(run(plain, "vector", ids_of(9)) - expected).max() < 1e-5


def test_a_node_without_a_name_behind_the_embedding_stays() -> None:
    model = fused(cast_behind="")
    expected = run(model, "vector", ids_of(5))
    plain_embedding(model, PLACES)
    assert any("vector" in node.output for node in model.graph.node)
    assert np.abs(run(model, "vector", ids_of(5)) - expected).max() < 5e-3 * np.abs(expected).max()


def test_a_node_that_feeds_more_than_the_embedding_stays() -> None:
    model = fused()
    model.graph.node.append(helper.make_node("Identity", ["shape"], ["sizes"], name="sizes"))
    model.graph.output.append(helper.make_tensor_value_info("sizes", TensorProto.INT64, [2]))
    plain_embedding(model, PLACES)
    assert (run(model, "sizes", ids_of(5)) == [1, 5]).all()


def test_positions_behind_the_longest_text_are_gone() -> None:
    whole, cut = fused(), fused()
    plain_embedding(whole, PLACES)
    plain_embedding(cut, 8)
    assert array(whole, "positions").shape == (PLACES, DIM)
    assert array(cut, "positions").shape == (8, DIM)
    assert (run(cut, "vector", ids_of(8)) == run(whole, "vector", ids_of(8))).all()
    with pytest.raises(Exception, match="Name:'embedded'"):
        run(cut, "vector", ids_of(9))


def test_the_exported_graph_gives_the_vectors_of_the_weights(tiny: Path, model: Any, texts: list[Ids]) -> None:
    weights = loaded(tiny / "weights").trunk
    with torch.inference_mode():
        states = [weights(input_ids=torch.from_numpy(ids[None, :])).last_hidden_state for ids in texts]
        expected = np.concatenate([Head(["mean"])(state).numpy() for state in states])
    assert ((vectors(model, texts) * expected).sum(axis=1) > 0.9999).all()


def looked_up(model: Any, ids: Ids) -> Floats:
    """The rows of the table as the graph reads them."""
    probe = onnx.ModelProto.FromString(model.SerializeToString())
    probe.graph.output.append(helper.make_tensor_value_info(WORDS, TensorProto.FLOAT, None))
    return np.asarray(run(probe, WORDS, ids)[0])


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_the_rows_that_are_read_are_the_rounded_ones(model: Any, grid: Grid) -> None:
    table = array(model, TABLE)
    blocks = nearest(np.ascontiguousarray(table.T), grid)
    compress_table(model, blocks)
    every = np.arange(len(table))
    centred = (blocks.codes.astype(np.int16) - np.repeat(blocks.zeros, grid.group, axis=0)).astype(np.float16)
    in_half = centred * np.repeat(blocks.scales.astype(np.float16), grid.group, axis=0)
    found = looked_up(model, every)
    assert (found == in_half.T).all()
    assert np.allclose(found, blocks.values().T, rtol=2.0**-10, atol=0)
    assert (looked_up(model, every[::-1][:7]) == in_half.T[::-1][:7]).all()
    assert TABLE not in {tensor.name for tensor in model.graph.initializer}


@pytest.mark.parametrize("grid", [*GRIDS, Codebooks(4)], ids=str)
def test_a_compressed_table_gives_the_vectors_of_its_values(
    model: Any, texts: list[Ids], grid: Grid | Codebooks
) -> None:
    blocks = rounded_table(model, grid, np.eye(DIM, dtype=np.float32), 0)
    floats = onnx.ModelProto.FromString(model.SerializeToString())
    put_values(floats, blocks)
    assert (array(floats, TABLE) == blocks.values()[:DIM].T).all()
    compress_table(model, blocks)
    assert ((vectors(model, texts) * vectors(floats, texts)).sum(axis=1) > 0.99999).all()


@pytest.mark.parametrize("grid", [Grid(4, 64, False), Grid(8, 64, True)], ids=str)
def test_a_row_that_is_no_multiple_of_the_group_is_read(model: Any, grid: Grid) -> None:
    blocks = rounded_table(model, grid, np.eye(DIM, dtype=np.float32), 0)
    compress_table(model, blocks)
    assert np.allclose(looked_up(model, np.arange(5)), blocks.values()[:DIM, :5].T, rtol=2.0**-10, atol=0)


def error_along(blocks: Blocks, table: Floats, second: Floats) -> float:
    error = table - blocks.values().T
    return float(np.einsum("nd,de,ne->", error, second, error))


def test_a_table_is_rounded_most_exactly_where_vectors_depend_on_it(model: Any) -> None:
    table, random = array(model, TABLE), np.random.default_rng(0)
    few = random.normal(size=(200, 3)) @ random.normal(size=(3, DIM)) + 0.1 * random.normal(size=(200, DIM))
    second = (few.T @ few / 200).astype(np.float32)
    grid = Grid(4, 16, False)
    simple = nearest(np.ascontiguousarray(table.T), grid)
    assert error_along(rounded_table(model, grid, second, 0), table, second) < 0.5 * error_along(simple, table, second)


def test_arrays_that_nothing_reads_are_dropped(model: Any) -> None:
    before = {tensor.name for tensor in model.graph.initializer}
    replace(model, [node for node in model.graph.node if node.op_type != "BiasGelu"], {"unread": np.zeros(3)})
    assert before - {tensor.name for tensor in model.graph.initializer} == {"encoder.layer.0.intermediate.dense.bias"}
