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
from nestling.export.errors import ExportError
from nestling.export.quantize.activations import reach
from nestling.export.quantize.int8 import quantize_int8
from nestling.export.quantize.kernels import rewrite_slow_nodes
from nestling.export.quantize.onnx_graph import optimized

SLOW = {"SkipLayerNormalization", "QAttention", "DynamicQuantizeLinear"}


def vectors(model: Any, texts: list[Ids]) -> Floats:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["vector"], {"input_ids": ids[None, :]})[0] for ids in texts])


def kinds(model: Any) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


@pytest.fixture
def int8(model: Any, texts: list[Ids], tmp_path: Path) -> Any:
    """The tiny encoder in int8, whose biases are no zeros, with outliers in float32."""
    for tensor in model.graph.initializer:
        if tensor.name.endswith("bias"):
            values = np.random.default_rng(0).normal(0, 0.1, tuple(tensor.dims)).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    reached = reach(model, texts)
    return optimized(quantize_int8(model, reached, 7, 1.2, 1.5, tmp_path), tmp_path)


def test_what_is_slow_is_gone_and_the_vectors_are_the_same(int8: Any, texts: list[Ids]) -> None:
    before, expected = kinds(int8), vectors(int8, texts)
    rewrite_slow_nodes(int8)
    onnx.checker.check_model(int8)
    after = kinds(int8)
    assert set(before) >= SLOW
    assert not SLOW & set(after)
    assert after["MultiHeadAttention"] == before["QAttention"]
    assert after["LayerNormalization"] == before["LayerNormalization"] + before["SkipLayerNormalization"]
    # What is rounded to int8 may fall to the other side where it lies between two steps.
    assert (vectors(int8, texts) * expected).sum(axis=1).min() > 0.999


def test_the_bias_of_a_norm_goes_to_the_product_before_it(int8: Any) -> None:
    biases = [node.input[4] for node in int8.graph.node if node.op_type == "SkipLayerNormalization"]
    adds, attentions = kinds(int8)["Add"], kinds(int8)["QAttention"]
    assert all(biases)
    rewrite_slow_nodes(int8)
    products = [node for node in int8.graph.node if node.op_type == "DynamicQuantizeMatMul"]
    assert sum(any(node.input[4:]) for node in products) == len(biases) + attentions
    assert kinds(int8)["Add"] == adds + len(biases)


def test_a_float32_graph_keeps_its_vectors_to_the_last_digits(model: Any, texts: list[Ids]) -> None:
    expected = vectors(model, texts)
    rewrite_slow_nodes(model)
    assert not kinds(model)["SkipLayerNormalization"]
    assert np.abs(vectors(model, texts) - expected).max() < 1e-6


def test_a_graph_without_them_stays_as_it_is(int8: Any) -> None:
    rewrite_slow_nodes(int8)
    before = int8.SerializeToString(deterministic=True)
    rewrite_slow_nodes(int8)
    assert int8.SerializeToString(deterministic=True) == before


def _graph(nodes: list[Any], outputs: list[str]) -> Any:
    """A graph of (1, 4, 8) to values of the same shape, with what the nodes ask for stored."""
    random = np.random.default_rng(0)
    arrays = {
        "weights": random.integers(-60, 60, (8, 8)).astype(np.int8), "scale": np.full(8, 0.01, np.float32),
        "zero": np.zeros(8, np.int8),
    }  # fmt: skip
    arrays |= {name: random.normal(size=8).astype(np.float32) for name in ("gain", "shift", "bias")}
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4, 8]) for name in ("input", *outputs)]
    stored = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], stored)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _product(output: str) -> Any:
    inputs = ["input", "weights", "scale", "zero"]
    return helper.make_node("DynamicQuantizeMatMul", inputs, [output], domain="com.microsoft")


def _norm(first: str, second: str, output: str = "normed", *, shift: str = "shift") -> Any:
    inputs = [first, second, "gain", shift, "bias"]
    return helper.make_node("SkipLayerNormalization", inputs, [output], domain="com.microsoft", epsilon=1e-5)


ADD = helper.make_node("Add", ["product", "input"], ["sum"])
TWICE = helper.make_node("Add", ["product", "product"], ["sum"])
OTHER = helper.make_node("Neg", ["product"], ["other"])
GRAPHS: dict[str, tuple[list[Any], list[str]]] = {
    "of a product": ([_product("product"), _norm("product", "input")], ["normed"]),
    "of a sum": ([_product("product"), ADD, _norm("sum", "input")], ["normed"]),
    "of twice the product": ([_product("product"), TWICE, _norm("sum", "input")], ["normed"]),
    "of a product and itself": ([_product("product"), _norm("product", "product")], ["normed"]),
    "of a product that is an output": ([_product("product"), _norm("product", "input")], ["normed", "product"]),
    "of a product that another reads": ([_product("product"), OTHER, _norm("product", "input")], ["normed", "other"]),
    "of a sum that is an output": ([_product("product"), ADD, _norm("sum", "input")], ["normed", "sum"]),
    "two of one product": (
        [_product("product"), _norm("product", "input"), _norm("product", "input", "more")], ["normed", "more"]
    ),
    "of no product": ([_norm("input", "input")], ["normed"]),
    "without a shift": ([_product("product"), _norm("product", "input", shift="")], ["normed"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", GRAPHS)
def test_a_norm_of_any_sum_stays_the_same(kind: str) -> None:
    model = _graph(*GRAPHS[kind])

    def results() -> list[Floats]:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        given = np.random.default_rng(1).normal(size=(1, 4, 8)).astype(np.float32)
        return [np.asarray(one) for one in session.run(None, {"input": given})]

    expected = results()
    rewrite_slow_nodes(model)
    assert not kinds(model)["SkipLayerNormalization"]
    for found, before in zip(results(), expected, strict=True):
        assert np.abs(found - before).max() < 1e-5


def test_attention_that_is_not_an_encoders_is_refused(int8: Any) -> None:
    def changed(change: Any) -> Any:
        model = onnx.ModelProto.FromString(int8.SerializeToString())
        change(next(node for node in model.graph.node if node.op_type == "QAttention"))
        return model

    def masked(node: Any) -> None:
        node.input[5] = "mask"

    def ordered(node: Any) -> None:
        next(attribute for attribute in node.attribute if attribute.name == "unidirectional").i = 1

    def scaled(node: Any) -> None:
        node.attribute.append(helper.make_attribute("scale", 2.0))

    for change in (masked, ordered, scaled):
        with pytest.raises(ExportError, match=r"^attention .* has more than an encoder's, expected no mask, past or"):
            rewrite_slow_nodes(changed(change))
    with pytest.raises(ExportError, match=r"^attention .* has an input of int8, expected one that is rounded before"):
        rewrite_slow_nodes(changed(lambda node: node.input.__setitem__(0, "elsewhere")))
