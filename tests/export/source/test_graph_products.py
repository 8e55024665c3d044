"""Matrices out of nodes against what ONNX Runtime computes with the same nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from nestling.export.errors import ExportError
from nestling.export.source.graph_weights import named_weights

RANDOM = np.random.default_rng(0)
INPUTS, OUTPUTS = 48, 8


def model_of(nodes: list[Any], arrays: dict[str, Any], given: int = TensorProto.FLOAT) -> Any:
    tensors = [
        values if isinstance(values, onnx.TensorProto) else numpy_helper.from_array(np.asarray(values), name)
        for name, values in arrays.items()
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", given, None)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], tensors,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def run(model: Any, values: Any) -> Any:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": values})[0]


def codes(kind: Any, *shape: int) -> Any:
    limits = np.iinfo(kind)
    return RANDOM.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)


def scales(*shape: int) -> Any:
    return RANDOM.uniform(0.01, 0.02, shape).astype(np.float32)


def small(name: str, kind: int, values: Any) -> Any:
    """A tensor of 4-bit numbers."""
    return helper.make_tensor(name, kind, values.shape, values.reshape(-1).tolist())


def blocks(bits: int, zeros: bool, size: int = INPUTS - 1) -> tuple[list[Any], dict[str, Any]]:
    groups = -(-size // 16)
    arrays = {"dense.weight_Q": codes(np.uint8, OUTPUTS, groups, 16 * bits // 8), "s": scales(OUTPUTS * groups)}
    if zeros:
        arrays["z"] = codes(np.uint8, OUTPUTS * -(-groups * bits // 8))
    node = helper.make_node("MatMulNBits", ["x", *arrays], ["y"], domain="com.microsoft", K=size, N=OUTPUTS, bits=bits,
                            block_size=16)  # fmt: skip
    return [node], arrays


def dequantize(kind: Any, axis: int, zeros: bool) -> tuple[list[Any], dict[str, Any]]:
    long = (INPUTS, OUTPUTS)[axis]
    arrays = {"dense.weight_quantized": codes(kind, INPUTS, OUTPUTS), "dense.weight_scale": scales(long)}
    if zeros:
        arrays["dense.weight_zero_point"] = codes(kind, long)
    return [
        helper.make_node("DequantizeLinear", list(arrays), ["w"], axis=axis),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ], arrays


def whole_numbers(zero: int) -> tuple[list[Any], dict[str, Any]]:
    arrays = {"dense.weight_quantized": codes(np.uint8, INPUTS, OUTPUTS), "bz": np.uint8(zero), "bs": scales(OUTPUTS)}
    return [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["a", "as", "az"]),
        helper.make_node("MatMulInteger", ["a", "dense.weight_quantized", "az", "bz"], ["sums"]),
        helper.make_node("Mul", ["as", "bs"], ["factor"]),
        helper.make_node("Cast", ["sums"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "factor"], ["y"]),
    ], arrays


def gemm() -> tuple[list[Any], dict[str, Any]]:
    arrays = {"one": np.float32(1 / 127), "none": np.uint8(0), "bs": np.float32(0.01), "bz": np.int8(3),
              "dense.weight_quantized": codes(np.int8, OUTPUTS, INPUTS)}  # fmt: skip
    return [
        helper.make_node("QuantizeLinear", ["x", "one", "none"], ["a"]),
        helper.make_node("QGemm", ["a", "one", "none", "dense.weight_quantized", "bs", "bz"], ["y"],
                         domain="com.microsoft", alpha=2.0, transB=1),
    ], arrays  # fmt: skip


PRODUCTS = {
    "4 bits": blocks(4, False), "4 bits with zeros": blocks(4, True), "8 bits": blocks(8, False),
    "8 bits with zeros": blocks(8, True),
    "QDQ by output": dequantize(np.int8, 1, True), "QDQ by input": dequantize(np.uint8, 0, True),
    "QDQ without zeros": dequantize(np.int8, 1, False),
    "whole numbers": whole_numbers(128), "whole numbers from 0": whole_numbers(0), "QGemm": gemm(),
}  # fmt: skip


@pytest.mark.parametrize("kind", PRODUCTS)
def test_a_matrix_is_what_onnx_runtime_multiplies_with(kind: str) -> None:
    model = model_of(*PRODUCTS[kind])
    size = INPUTS - 1 if "bits" in kind else INPUTS
    expected = run(model, np.eye(size, dtype=np.float32)).T
    found = named_weights(model, {"dense.weight": (OUTPUTS, size)})["dense.weight"]
    assert np.abs(found - expected).max() <= 0.005 * np.abs(expected).max()


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("kind", ["INT4", "UINT4", "UINT8"])
def test_a_table_is_what_onnx_runtime_looks_up(kind: str, zeros: bool) -> None:
    rows, least = 6, -8 if kind == "INT4" else 0
    values = RANDOM.integers(least, least + 16, (rows, 64))
    points = RANDOM.integers(least, least + 16, (rows, 4))
    arrays: dict[str, Any] = {"words.weight_Q": values, "s": scales(rows, 4)}
    arrays |= {"z": points} if zeros else {}
    for name in ("words.weight_Q", "z"):
        if name in arrays and kind == "UINT8":
            arrays[name] = (arrays[name][..., ::2] | arrays[name][..., 1::2] << 4).astype(np.uint8)
        elif name in arrays:
            arrays[name] = small(name, getattr(TensorProto, kind), arrays[name])
    names = ["words.weight_Q", "x", "s", *(["z"] if zeros else [])]
    node = helper.make_node("GatherBlockQuantized", names, ["y"], domain="com.microsoft", gather_axis=0,
                            quantize_axis=1, block_size=16, **({"bits": 4} if kind == "UINT8" else {}))  # fmt: skip
    model = model_of([node], arrays, TensorProto.INT64)
    found = named_weights(model, {"words.weight": (rows, 64)})["words.weight"]
    assert np.allclose(found, run(model, np.arange(rows)), atol=1e-6)


def test_a_scale_is_not_taken_for_what_it_scales() -> None:
    arrays = {"norm.weight_scale": scales(OUTPUTS), "norm.weight_quantized": codes(np.int8, OUTPUTS)}
    nodes = [
        helper.make_node("DequantizeLinear", ["norm.weight_quantized", "norm.weight_scale"], ["w"], axis=0),
        helper.make_node("Mul", ["x", "w"], ["y"]),
    ]
    model = model_of(nodes, arrays)
    found = named_weights(model, {"norm.weight": (OUTPUTS,)})["norm.weight"]
    assert np.allclose(found, run(model, np.ones(OUTPUTS, dtype=np.float32)))


def test_a_zero_point_that_is_not_stored_is_not_taken_for_none() -> None:
    nodes, arrays = dequantize(np.uint8, 1, True)
    nodes[0].input[2] = "other"
    nodes.insert(0, helper.make_node("Identity", ["dense.weight_zero_point"], ["other"]))
    with pytest.raises(ExportError, match="its DequantizeLinear hold weights in a form that is not read"):
        named_weights(model_of(nodes, arrays), {"dense.weight": (OUTPUTS, INPUTS)})


def test_two_matrices_of_one_module_are_not_taken_for_each_other() -> None:
    arrays = {name: RANDOM.normal(size=(INPUTS, INPUTS)).astype(np.float32) for name in ("a", "b")}
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["m"], name="/dense/MatMul"),
        helper.make_node("MatMul", ["m", "b"], ["y"], name="/dense/lora/MatMul"),
    ]
    with pytest.raises(ExportError, match="it has b too, which the configuration has no place for"):
        named_weights(model_of(nodes, arrays), {"dense.weight": (INPUTS, INPUTS)})


def test_masks_and_numbers_are_no_weights() -> None:
    weights = RANDOM.normal(size=(INPUTS, OUTPUTS)).astype(np.float32)
    arrays = {"mask": np.ones((INPUTS, OUTPUTS), bool), "places": np.ones((1, OUTPUTS), np.int32),
              "none": np.float32(0), "dense.weight": weights}  # fmt: skip
    nodes = [
        helper.make_node("MatMul", ["x", "dense.weight"], ["m"]),
        helper.make_node("Where", ["mask", "m", "none"], ["n"]),
        helper.make_node("Cast", ["places"], ["p"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["n", "p"], ["y"]),
    ]
    assert named_weights(model_of(nodes, arrays), {"dense.weight": (OUTPUTS, INPUTS)})


def test_names_of_many_layers_are_told_apart_in_a_moment() -> None:
    layers = 48
    arrays = {f"w{number}": RANDOM.normal(size=(16, 16)).astype(np.float32) for number in range(layers)}
    nodes = [
        helper.make_node("MatMul", [f"v{number}" if number else "x", f"w{number}"], [f"v{number + 1}"],
                         name=f"/encoder/layer.{number}/dense/MatMul")
        for number in range(layers)
    ]  # fmt: skip
    nodes[-1].output[0] = "y"
    wanted = {f"encoder.layer.{number}.dense.weight": (16, 16) for number in reversed(range(layers))}
    found = named_weights(model_of(nodes, arrays), wanted)
    assert all(
        (found[f"encoder.layer.{number}.dense.weight"] == arrays[f"w{number}"].T).all() for number in range(layers)
    )
