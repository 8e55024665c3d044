from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from nestling.export.activations import Floats, Ids, reach
from nestling.export.graph import optimized
from nestling.export.int8 import quantize_int8
from nestling.export.kernels import quicken

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
    quicken(int8)
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
    quicken(int8)
    products = [node for node in int8.graph.node if node.op_type == "DynamicQuantizeMatMul"]
    assert sum(any(node.input[4:]) for node in products) == len(biases) + attentions
    assert kinds(int8)["Add"] == adds + len(biases)


def test_a_float32_graph_keeps_its_vectors_to_the_last_digits(model: Any, texts: list[Ids]) -> None:
    expected = vectors(model, texts)
    quicken(model)
    assert not kinds(model)["SkipLayerNormalization"]
    assert np.abs(vectors(model, texts) - expected).max() < 1e-6


def test_a_graph_without_them_stays_as_it_is(int8: Any) -> None:
    quicken(int8)
    before = int8.SerializeToString(deterministic=True)
    quicken(int8)
    assert int8.SerializeToString(deterministic=True) == before
