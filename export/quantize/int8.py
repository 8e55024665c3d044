"""A float32 graph to dynamic int8: a scale for each output channel of the weights, one for the activations of a text.

Three things make int8 hold, on every processor and for every text:

- A few input channels reach far beyond the others (in BERT-like encoders one neuron of the first token, over ten
  times), and they alone decide the step in which all activations are rounded. The farthest are multiplied in float32,
  as in LLM.int8() (arXiv 2208.07339), which halves the error of a text's vector.
- What still stands out is scaled down before each matrix, and its weights up by as much, as in SmoothQuant (arXiv
  2211.10438).
- With 7-bit weights two u8 x s8 products fit into 16 bits, so processors without VNNI do not saturate and count as
  those with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from ...arrays import Floats
from ..encoder.head import ROTATION
from .activations import matrices
from .embedding import replace
from .onnx_graph import write


def quantize_int8(
    model: Any, reached: Mapping[str, Floats], weight_bits: int, outlier_ratio: float, float_ratio: float, work: Path
) -> Any:
    """The int8 graph of a float32 one; the token table is left as it is.

    Args:
        model: the float32 graph; nothing is left in it.
        reached: by activation, how far each channel reaches, see `activations.reach`.
        weight_bits: 7 or 8.
        outlier_ratio: how far an input channel may reach beyond the median one.
        float_ratio: beyond how many times the median one a channel is multiplied in float32.
        work: a folder for temporary files.
    """
    kept = take_outliers(model, reached, outlier_ratio, float_ratio)
    scaled, quantized = work / "scaled.onnx", work / "quantized.onnx"
    write(model, scaled)
    model.Clear()  # the next step reads it from the file: a large one is not to be there twice
    quantize_dynamic(
        scaled,
        quantized,
        op_types_to_quantize=["MatMul", "Attention"],
        nodes_to_exclude=[*kept, ROTATION],
        per_channel=True,
        reduce_range=weight_bits == 7,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    result = onnx.load(quantized)
    scaled.unlink()
    quantized.unlink()
    return result


def take_outliers(model: Any, reached: Mapping[str, Floats], outlier_ratio: float, float_ratio: float) -> list[str]:
    """Scale down the inputs of each matrix that stand out, and multiply the farthest by themselves, in place.

    In exact arithmetic the graph computes what it did before. Attention, which is one node, is only scaled.

    Args:
        reached: by activation, how far each channel reaches.

    Returns:
        The names of the new nodes that multiply in float32.
    """
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    products = matrices(model)
    shared = [node.input[1] for node in products]
    arrays: dict[str, Any] = {}
    nodes: list[Any] = []
    kept = []
    names = {node.name for node in products}
    for node in model.graph.node:
        if node.name not in names or shared.count(node.input[1]) > 1:
            nodes.append(node)
            continue
        source, output, name = node.input[0], node.output[0], node.name
        # A channel that is never reached has no say in what is far.
        median = np.median(reached[source][reached[source] > 0]) if reached[source].any() else np.float32(1)
        scales = np.maximum(reached[source] / (outlier_ratio * median), 1.0).astype(np.float32)
        far = np.flatnonzero(reached[source] > float_ratio * median) if node.op_type == "MatMul" else np.zeros(0, int)
        if scales.max() == 1.0 and not far.size:
            nodes.append(node)
            continue
        weights = numpy_helper.to_array(stored[node.input[1]])
        rest, factors = weights * scales[:, None], 1.0 / scales
        rest[far], factors[far] = 0.0, 0.0
        stored[node.input[1]].CopyFrom(numpy_helper.from_array(rest, node.input[1]))
        arrays[f"{name}.factors"] = factors.astype(np.float32)
        nodes += [helper.make_node("Mul", [source, f"{name}.factors"], [f"{name}.near"], name=f"{name}.near"), node]
        node.input[0] = f"{name}.near"
        if far.size:
            kept.append(f"{name}.product")
            arrays |= {f"{name}.far": far.astype(np.int64), f"{name}.weights": weights[far]}
            node.output[0] = f"{name}.rest"
            nodes += [
                helper.make_node("Gather", [source, f"{name}.far"], [f"{name}.taken"], name=f"{name}.taken", axis=-1),
                helper.make_node("MatMul", [f"{name}.taken", f"{name}.weights"], [kept[-1]], name=kept[-1]),
                helper.make_node("Add", [f"{name}.rest", kept[-1]], [output], name=f"{name}.sum"),
            ]
    replace(model, nodes, arrays)
    return kept
