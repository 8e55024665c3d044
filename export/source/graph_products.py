"""Nodes of an ONNX graph that hold a matrix, quantized or not, and the matrix in float32.

A quantized number stands for `(code - zero point) * scale`. What each operator takes is in
docs/Operators.md of github.com/onnx/onnx and docs/ContribOperators.md of github.com/microsoft/onnxruntime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arrays import Floats

Arrays = Mapping[str, Floats]
# A stored array as it is by its name, None where there is none.
Integers = Callable[[str], Any]


@dataclass(frozen=True, eq=False)
class Product:
    """A matrix that activations are multiplied with.

    Attributes:
        name: of the stored array.
        matrix: (outputs, inputs) float32, as torch has it.
        bias: (outputs,) float32, where the node adds one.
    """

    name: str
    matrix: Floats
    bias: Floats | None = None


def attribute(node: Any, name: str, default: Any) -> Any:
    """A number among a node's attributes."""
    for one in node.attribute:
        if one.name == name:
            return one.f if one.type == one.FLOAT else one.i
    return default


def dequantized(node: Any, integers: Integers) -> Floats | None:
    """What a DequantizeLinear makes of stored numbers; None where it is given others."""
    codes, scale, *rest = (integers(name) if name else None for name in node.input)
    if codes is None or scale is None:
        return None
    zero = rest[0] if rest else None
    return _values(codes, scale, zero, attribute(node, "axis", 1), attribute(node, "block_size", 0))


def looked_up(node: Any, behind: list[Any], integers: Integers) -> Floats | None:
    """The whole table that rows are looked up in, where they are stored in few bits; None for other nodes.

    Args:
        behind: the nodes that read the rows.
    """
    if node.op_type == "GatherBlockQuantized":
        codes, scales = integers(node.input[0]), integers(node.input[2])
        zeros = integers(node.input[3]) if len(node.input) > 3 else None
        bits = attribute(node, "bits", 4)
        if codes.dtype == np.uint8 and bits == 4:
            codes, zeros = _unpacked(codes), None if zeros is None else _unpacked(zeros)
        if zeros is None:
            zeros = np.full(scales.shape, 2 ** (bits - 1) if codes.dtype.name.startswith("uint") else 0)
        zeros = zeros[..., : scales.shape[-1]]
        return _values(codes, scales, zeros, attribute(node, "quantize_axis", 1), attribute(node, "block_size", 128))
    if node.op_type == "Gather" and integers(node.input[0]) is not None and integers(node.input[0]).ndim == 2:
        for reader in behind:
            if reader.op_type == "DequantizeLinear" and reader.input[0] == node.output[0]:
                scale, *rest = (integers(name) for name in reader.input[1:])
                if scale is not None and scale.size == 1:
                    return _values(integers(node.input[0]), scale, rest[0] if rest else None, 0, 0)
    return None


def _float(node: Any, arrays: Arrays, integers: Integers, scale: Floats | None) -> list[Product]:
    matrix = arrays.get(node.input[1])
    if matrix is None or matrix.ndim != 2:
        return []
    bias = arrays.get(node.input[2]) if node.op_type == "Gemm" and len(node.input) > 2 else None
    if node.op_type == "Gemm":
        matrix = matrix * np.float32(attribute(node, "alpha", 1.0))
        bias = bias if bias is None else bias * np.float32(attribute(node, "beta", 1.0))
    turned = matrix if attribute(node, "transB", 0) else matrix.T
    return [Product(node.input[1], turned, bias)]


def _sums(node: Any, arrays: Arrays, integers: Integers, scale: Floats | None) -> list[Product]:
    """MatMulInteger gives sums of whole numbers, which nodes behind it multiply with the scales."""
    codes = integers(node.input[1])
    if codes is None or codes.ndim != 2 or scale is None:
        return []
    zero = integers(node.input[3]) if len(node.input) > 3 else None
    return [Product(node.input[1], _values(codes, scale, zero, 1, 0).T)]


def _fused_sums(node: Any, arrays: Arrays, integers: Integers, scale: Floats | None) -> list[Product]:
    """MatMulIntegerToFloat and DynamicQuantizeMatMul hold scale, zero point and bias."""
    places = {"MatMulIntegerToFloat": (3, 5, 6), "DynamicQuantizeMatMul": (2, 3, 4)}[node.op_type]
    name, zero, bias = (node.input[place] if place < len(node.input) else "" for place in places)
    codes = integers(node.input[1])
    if codes is None or name not in arrays:
        return []
    return [Product(node.input[1], _values(codes, arrays[name], integers(zero), 1, 0).T, arrays.get(bias))]


def _linear(node: Any, arrays: Arrays, integers: Integers, scale: Floats | None) -> list[Product]:
    """QLinearMatMul and QGemm, whose inputs are scaled too."""
    codes, name = integers(node.input[3]), node.input[4]
    if codes is None or name not in arrays:
        return []
    turned = attribute(node, "transB", 0)
    matrix = _values(codes, arrays[name], integers(node.input[5]), 0 if turned else 1, 0)
    bias = None
    if node.op_type == "QGemm" and len(node.input) > 6 and (sums := integers(node.input[6])) is not None:
        bias = np.asarray(sums * arrays[node.input[1]] * arrays[name], dtype=np.float32).reshape(-1)
    return [Product(node.input[3], matrix if turned else matrix.T, bias)]


def _blocks(node: Any, arrays: Arrays, integers: Integers, scale: Floats | None) -> list[Product]:
    """MatMulNBits: codes of few bits in a byte, outputs first, a scale for each block of inputs."""
    codes = integers(node.input[1])
    if codes is None or node.input[2] not in arrays:
        return []
    inputs, outputs = attribute(node, "K", 0), attribute(node, "N", 0)
    bits, block = attribute(node, "bits", 4), attribute(node, "block_size", 32)
    if bits not in (4, 8) or (len(node.input) > 4 and node.input[4]):
        return []
    groups = -(-inputs // block)
    codes = codes.reshape(outputs, -1)
    if bits == 4:
        codes = _unpacked(codes)
    scales = arrays[node.input[2]].reshape(outputs, groups)
    zeros: Any = np.full((outputs, groups), 2 ** (bits - 1))
    if len(node.input) > 3 and node.input[3]:
        packed = integers(node.input[3])
        zeros = packed.reshape(outputs, -1)
        if packed.dtype == np.uint8 and bits == 4:
            zeros = _unpacked(zeros)[:, :groups]
    matrix = _values(codes[:, : groups * block], scales, zeros, 1, block)[:, :inputs]
    bias = arrays.get(node.input[5]) if len(node.input) > 5 else None
    return [Product(node.input[1], matrix, bias)]


def _attention(node: Any, arrays: Arrays, integers: Integers, scale: Floats | None) -> list[Product]:
    """Query, key and value in one matrix, in thirds."""
    if node.op_type == "Attention":
        matrix, bias = arrays.get(node.input[1]), arrays.get(node.input[2])
    else:
        codes, name = integers(node.input[1]), node.input[4]
        zero = integers(node.input[7]) if len(node.input) > 7 and node.input[7] else None
        bias = arrays.get(node.input[2])
        matrix = None if codes is None or name not in arrays else _values(codes, arrays[name], zero, 1, 0)
    if matrix is None or matrix.shape[1] % 3:
        return []
    thirds = np.split(matrix, 3, axis=1)
    biases = [None] * 3 if bias is None else np.split(bias, 3)
    return [Product(node.input[1], third.T, own) for third, own in zip(thirds, biases, strict=True)]


# What reads a node of each kind: given the node, known float arrays, stored ones, and the stored factor behind it.
PRODUCTS: dict[str, Callable[[Any, Arrays, Integers, Floats | None], list[Product]]] = {
    "MatMul": _float,
    "Gemm": _float,
    "MatMulInteger": _sums,
    "MatMulIntegerToFloat": _fused_sums,
    "DynamicQuantizeMatMul": _fused_sums,
    "QLinearMatMul": _linear,
    "QGemm": _linear,
    "MatMulNBits": _blocks,
    "Attention": _attention,
    "QAttention": _attention,
}


def _values(codes: Any, scale: Any, zero: Any, axis: int, block: int) -> Floats:
    """The numbers that codes stand for.

    Args:
        scale, zero: one each, one along an axis, or one for each block along it.
    """
    scale = np.asarray(scale, dtype=np.float32)
    zero = np.zeros(scale.shape, dtype=np.float32) if zero is None else np.asarray(zero).astype(np.float32)
    if block:
        size = codes.shape[axis]
        scale, zero = (np.repeat(one, block, axis=axis).take(range(size), axis=axis) for one in (scale, zero))
    elif scale.size > 1 and scale.ndim == 1:
        shape = [1] * codes.ndim
        shape[axis] = -1
        scale = scale.reshape(shape)
        zero = zero.reshape(shape) if zero.size > 1 else zero
    elif scale.size == 1:
        scale, zero = scale.reshape(()), zero.reshape(()) if zero.size == 1 else zero
    return np.asarray((codes.astype(np.float32) - zero) * scale, dtype=np.float32)


def _unpacked(packed: Any) -> Any:
    """Numbers of 4 bits, two in a byte, the first one low."""
    pairs = np.stack([packed & 15, packed >> 4], axis=-1)
    return pairs.reshape(*packed.shape[:-1], -1)
