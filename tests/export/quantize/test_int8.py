from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from nestling.arrays import Floats, Ids
from nestling.export.quantize.activations import matrices, reach
from nestling.export.quantize.int8 import quantize_int8, take_outliers

NEVER = 1e9


def vectors(model: Any, texts: list[Ids]) -> Floats:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["vector"], {"input_ids": ids[None, :]})[0] for ids in texts])


def rows(model: Any, ids: Ids) -> Floats:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["vector"], {"input_ids": ids[None, :]})[0][0])


def copied(model: Any) -> Any:
    return onnx.ModelProto.FromString(model.SerializeToString())


@pytest.fixture
def outlying(model: Any, texts: list[Ids]) -> Any:
    """The tiny encoder with one channel of a layer norm that reaches 20 times as far as the others."""
    name = next(n.input[2] for n in model.graph.node if n.op_type == "SkipLayerNormalization")
    for tensor in model.graph.initializer:
        if tensor.name == name:
            gain = numpy_helper.to_array(tensor).copy()
            gain[5] *= 20
            tensor.CopyFrom(numpy_helper.from_array(gain, name))
    return model


def test_taking_outliers_apart_changes_no_vector(outlying: Any, texts: list[Ids]) -> None:
    expected = vectors(outlying, texts)
    reached = reach(outlying, texts)
    kept = take_outliers(outlying, reached, outlier_ratio=1.2, float_ratio=2.0)
    assert kept
    assert np.abs(vectors(outlying, texts) - expected).max() < 1e-5


def test_channels_that_are_never_reached_have_no_say(model: Any, texts: list[Ids]) -> None:
    expected = vectors(model, texts)
    reached = reach(model, texts)
    mostly_dead = {name: values * (np.arange(len(values)) < 3) for name, values in reached.items()}
    for case in (mostly_dead, {name: np.zeros_like(values) for name, values in reached.items()}):
        changed = copied(model)
        take_outliers(changed, case, outlier_ratio=1.2, float_ratio=2.0)
        assert np.abs(vectors(changed, texts) - expected).max() < 1e-5


def test_attention_is_scaled_but_has_no_products_of_its_own(model: Any, texts: list[Ids]) -> None:
    expected = vectors(model, texts)
    attention = [node.name for node in model.graph.node if node.op_type == "Attention"]
    inputs = {node.input[0] for node in model.graph.node if node.op_type == "Attention"}
    far = {
        name: values * np.where(np.arange(len(values)) == 3, 50, 1) if name in inputs else values * 0 + 1
        for name, values in reach(model, texts).items()
    }
    assert take_outliers(model, far, 2.0, 4.0) == []
    scaled = {node.input[0] for node in model.graph.node if node.op_type == "Attention"}
    assert scaled == {f"{name}.near" for name in attention}
    assert np.abs(vectors(model, texts) - expected).max() < 1e-5


def test_a_model_without_outliers_is_left_alone(model: Any, texts: list[Ids]) -> None:
    before = copied(model)
    assert take_outliers(model, reach(model, texts), NEVER, NEVER) == []
    assert [node.name for node in model.graph.node] == [node.name for node in before.graph.node]
    assert (vectors(model, texts) == vectors(before, texts)).all()


def one_matrix() -> Any:
    """A look-up and one matrix, of whose inputs one reaches 50 times as far as the others and counts for as much."""
    random = np.random.default_rng(0)
    table = random.normal(size=(100, 64)).astype(np.float32)
    weights = random.normal(size=(64, 32)).astype(np.float32)
    table[:, 5] *= 50
    weights[5] /= 50
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])
    vector = helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", "sequence", 32])
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["words"], name="words"),
        helper.make_node("MatMul", ["words", "weights"], ["vector"], name="product"),
    ]
    stored = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(weights, "weights")]
    graph = helper.make_graph(nodes, "one", [ids], [vector], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_a_far_channel_spoils_products_where_it_is_not_taken_apart(texts: list[Ids], tmp_path: Path) -> None:
    model = one_matrix()
    expected = np.concatenate([rows(model, ids) for ids in texts])
    errors = {}
    for ratios in ((NEVER, NEVER), (2.0, NEVER), (2.0, 4.0)):
        found = quantize_int8(copied(model), reach(model, texts), 7, *ratios, tmp_path)
        errors[ratios] = np.square(np.concatenate([rows(found, ids) for ids in texts]) - expected).mean()
    assert errors[2.0, 4.0] < 0.25 * errors[NEVER, NEVER]
    assert errors[2.0, 4.0] < 0.9 * errors[2.0, NEVER]
    assert list(tmp_path.iterdir()) == []


def test_every_matrix_is_int8_but_the_products_that_were_taken_apart(
    outlying: Any, texts: list[Ids], tmp_path: Path
) -> None:
    before = Counter(node.op_type for node in matrices(outlying))
    found = quantize_int8(outlying, reach(outlying, texts), 7, 2.0, 3.0, tmp_path)
    after = Counter(node.op_type for node in found.graph.node)
    assert after["MatMulInteger"] == before["MatMul"]
    assert after["QAttention"] == before["Attention"]
    floats = [node for node in found.graph.node if node.op_type == "MatMul" and node.name.endswith(".product")]
    assert 0 < len(floats) == after["MatMul"]
    largest = {t.name: np.abs(numpy_helper.to_array(t)).max() for t in found.graph.initializer if t.data_type == 3}
    assert largest
    assert max(largest.values()) <= 64
