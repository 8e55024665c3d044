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
Stored = Callable[[str], Any]
_ABSENT = object()


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


def dequantized(node: Any, stored: Stored) -> Floats | None:
    """What a DequantizeLinear makes of stored numbers; None where it is given others."""
    codes, scale, zero = stored(node.input[0]), stored(node.input[1]), _zero(node, 2, stored)
    if codes is None or scale is None or zero is _ABSENT:
        return None
    return _values(codes, scale, zero, attribute(node, "axis", 1), attribute(node, "block_size", 0))


def looked_up(node: Any, behind: list[Any], stored: Stored) -> Floats | None:
    """The whole table that rows are looked up in, where they are stored in few bits; None for other nodes.

    Args:
        behind: the nodes that read the rows.
    """
    if node.op_type == "GatherBlockQuantized":
        codes, scales, zeros = stored(node.input[0]), stored(node.input[2]), _zero(node, 3, stored)
        bits = attribute(node, "bits", 4)
        if codes is None or scales is None or zeros is _ABSENT or bits not in (4, 8):
            return None
        packed = codes.dtype == np.uint8 and bits == 4
        if zeros is None:  # ONNX Runtime takes the middle for bytes alone
            zeros = np.full(scales.shape, 2 ** (bits - 1) if codes.dtype == np.uint8 else 0)
        elif packed:
            zeros = _unpacked(zeros)
        codes, zeros = _unpacked(codes) if packed else codes, zeros[..., : scales.shape[-1]]
        return _values(codes, scales, zeros, attribute(node, "quantize_axis", 1), attribute(node, "block_size", 128))
    if node.op_type == "Gather":
        for reader in behind:
            if reader.op_type == "DequantizeLinear" and reader.input[0] == node.output[0]:
                codes, scale, zero = stored(node.input[0]), stored(reader.input[1]), _zero(reader, 2, stored)
                known = codes is not None and scale is not None and zero is not _ABSENT
                if known and codes.ndim == 2 and scale.size == 1:
                    return _values(codes, scale, zero, 0, 0)
    return None


def _float(node: Any, arrays: Arrays, stored: Stored, scale: Floats | None) -> list[Product]:
    matrix = arrays.get(node.input[1])
    if matrix is None or matrix.ndim != 2:
        return []
    bias = arrays.get(node.input[2]) if node.op_type == "Gemm" and len(node.input) > 2 else None
    alpha, beta = attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)
    matrix = matrix if alpha == 1 else matrix * np.float32(alpha)
    bias = bias if bias is None or beta == 1 else bias * np.float32(beta)
    turned = matrix if attribute(node, "transB", 0) else matrix.T
    return [Product(node.input[1], turned, bias)]


def _sums(node: Any, arrays: Arrays, stored: Stored, scale: Floats | None) -> list[Product]:
    """MatMulInteger gives sums of whole numbers, which nodes behind it multiply with the scales."""
    codes, zero = stored(node.input[1]), _zero(node, 3, stored)
    if codes is None or codes.ndim != 2 or scale is None or zero is _ABSENT:
        return []
    return [Product(node.input[1], _values(codes, scale, zero, 1, 0).T)]


def _fused_sums(node: Any, arrays: Arrays, stored: Stored, scale: Floats | None) -> list[Product]:
    """MatMulIntegerToFloat and DynamicQuantizeMatMul hold scale, zero point and bias."""
    scales, zeros, biases = {"MatMulIntegerToFloat": (3, 5, 6), "DynamicQuantizeMatMul": (2, 3, 4)}[node.op_type]
    codes, name, zero = stored(node.input[1]), node.input[scales], _zero(node, zeros, stored)
    if codes is None or name not in arrays or zero is _ABSENT:
        return []
    bias = arrays.get(node.input[biases]) if len(node.input) > biases else None
    return [Product(node.input[1], _values(codes, arrays[name], zero, 1, 0).T, bias)]


def _linear(node: Any, arrays: Arrays, stored: Stored, scale: Floats | None) -> list[Product]:
    """QLinearMatMul and QGemm, whose inputs are scaled too."""
    codes, name, zero = stored(node.input[3]), node.input[4], _zero(node, 5, stored)
    if codes is None or name not in arrays or zero is _ABSENT:
        return []
    turned = attribute(node, "transB", 0)
    matrix = _values(codes, arrays[name], zero, 0 if turned else 1, 0) * np.float32(attribute(node, "alpha", 1.0))
    bias = None
    if node.op_type == "QGemm" and len(node.input) > 6 and (sums := stored(node.input[6])) is not None:
        bias = np.asarray(sums * arrays[node.input[1]] * arrays[name], dtype=np.float32).reshape(-1)
    return [Product(node.input[3], matrix if turned else matrix.T, bias)]


def _blocks(node: Any, arrays: Arrays, stored: Stored, scale: Floats | None) -> list[Product]:
    """MatMulNBits: codes of few bits in a byte, outputs first, a scale for each block of inputs."""
    codes = stored(node.input[1])
    if codes is None or node.input[2] not in arrays:
        return []
    inputs, outputs = attribute(node, "K", 0), attribute(node, "N", 0)
    bits, block = attribute(node, "bits", 4), attribute(node, "block_size", 32)
    zero = _zero(node, 3, stored)
    if bits not in (4, 8) or block < 16 or (len(node.input) > 4 and node.input[4]) or zero is _ABSENT:
        return []
    groups = -(-inputs // block)
    codes = codes.reshape(outputs, -1)
    if bits == 4:
        codes = _unpacked(codes)
    scales = arrays[node.input[2]].reshape(outputs, groups)
    zeros: Any = np.full((outputs, groups), 2 ** (bits - 1))
    if zero is not None:
        zeros = zero.reshape(outputs, -1)
        if zero.dtype == np.uint8 and bits == 4:
            zeros = _unpacked(zeros)[:, :groups]
    matrix = _values(codes[:, : groups * block], scales, zeros, 1, block)[:, :inputs]
    bias = arrays.get(node.input[5]) if len(node.input) > 5 else None
    return [Product(node.input[1], matrix, bias)]


def _attention(node: Any, arrays: Arrays, stored: Stored, scale: Floats | None) -> list[Product]:
    """Query, key and value in one matrix, in thirds."""
    if node.op_type == "Attention":
        matrix, bias = arrays.get(node.input[1]), arrays.get(node.input[2])
    else:
        codes, name, zero = stored(node.input[1]), node.input[4], _zero(node, 7, stored)
        bias, known = arrays.get(node.input[2]), codes is not None and name in arrays and zero is not _ABSENT
        matrix = _values(codes, arrays[name], zero, 1, 0) if known else None
    if matrix is None or matrix.shape[1] % 3:
        return []
    thirds = np.split(matrix, 3, axis=1)
    biases = [None] * 3 if bias is None else np.split(bias, 3)
    return [Product(node.input[1], third.T, own) for third, own in zip(thirds, biases, strict=True)]


# What reads a node of each kind: given the node, known float arrays, stored ones, and the stored factor behind it.
PRODUCTS: dict[str, Callable[[Any, Arrays, Stored, Floats | None], list[Product]]] = {
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


def _zero(node: Any, place: int, stored: Stored) -> Any:
    """A node's stored zero point, None where it has none, `_ABSENT` where it has one that is not stored."""
    if len(node.input) <= place or not node.input[place]:
        return None
    found = stored(node.input[place])
    return _ABSENT if found is None else found


def _values(codes: Any, scale: Any, zero: Any, axis: int, block: int) -> Floats:
    """The numbers that codes stand for.

    Args:
        scale, zero: one each, one along an axis, or one for each block along it.
    """
    scale = np.asarray(scale, dtype=np.float32)
    zero = np.zeros(scale.shape, dtype=np.float32) if zero is None else np.asarray(zero).astype(np.float32)
    if block:
        groups = np.arange(codes.shape[axis]) // block
        scale, zero = (one.take(groups, axis=axis) for one in (scale, zero))
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
