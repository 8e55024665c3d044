"""A float32 graph to dynamic int8: a scale for each output channel of the weights, one for the activations of a text.

Two things make int8 hold on every processor:

- A few input channels reach far beyond the others (in BERT-like encoders one neuron of the first token, up to ten
  times), and they alone decide the step in which all activations are rounded. They are scaled down before each matrix,
  and their weights up by as much, as in SmoothQuant (arXiv 2211.10438), but for the outliers only.
- With 7-bit weights two u8 x s8 products fit into 16 bits, so processors without VNNI do not saturate and count as
  those with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from .graph import write

Ids = npt.NDArray[np.int64]


def quantize_int8(graph: Path, path: Path, calibration: Sequence[Ids], weight_bits: int, outlier_ratio: float) -> None:
    """Quantize a graph's matrices and token table.

    Args:
        graph: the float32 graph.
        path: the int8 graph to write.
        calibration: token ids of some texts, (n,) int64 each.
        weight_bits: 7 or 8.
        outlier_ratio: how far an input channel may reach beyond the median one.
    """
    model = onnx.load(graph)
    _scale_outliers(model, _reach(model, calibration), outlier_ratio)
    scaled, quantized = path.with_suffix(".scaled.onnx"), path.with_suffix(".quantized.onnx")
    write(model, scaled)
    quantize_dynamic(
        scaled,
        quantized,
        per_channel=True,
        reduce_range=weight_bits == 7,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    write(onnx.load(quantized), path)
    scaled.unlink()
    quantized.unlink()


def _matrices(model: Any) -> list[Any]:
    """The nodes that multiply an activation by stored weights."""
    stored = {tensor.name for tensor in model.graph.initializer}
    return [node for node in model.graph.node if node.op_type in ("MatMul", "Attention") and node.input[1] in stored]


def _reach(model: Any, calibration: Sequence[Ids]) -> dict[str, npt.NDArray[np.float32]]:
    """By activation, the largest magnitude of each channel over the calibration texts: (channels,) float32."""
    names = list(dict.fromkeys(node.input[0] for node in _matrices(model)))
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    reach: dict[str, npt.NDArray[np.float32]] = {}
    for ids in calibration:
        for name, values in zip(names, session.run(names, {"input_ids": ids[None, :]}), strict=True):
            largest = np.abs(values[0]).max(axis=0)
            reach[name] = np.maximum(reach.get(name, 0.0), largest)
    return reach


def _scale_outliers(model: Any, reach: dict[str, npt.NDArray[np.float32]], ratio: float) -> None:
    """Put a multiplication before each matrix whose input has outliers, and the inverse into its weights."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    shared = [node.input[1] for node in _matrices(model)]
    before: dict[str, Any] = {}
    for node in _matrices(model):
        values = reach[node.input[0]]
        scales = np.maximum(values / (ratio * np.median(values)), 1.0).astype(np.float32)
        if scales.max() == 1.0 or shared.count(node.input[1]) > 1:
            continue
        name = f"{node.name}/outliers"
        tensor = weights[node.input[1]]
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * scales[:, None], tensor.name))
        model.graph.initializer.append(numpy_helper.from_array((1.0 / scales).astype(np.float32), f"{name}/scale"))
        before[node.name] = helper.make_node("Mul", [node.input[0], f"{name}/scale"], [name], name=name)
        node.input[0] = name
    nodes = [new for node in model.graph.node for new in (before.get(node.name), node) if new is not None]
    ordered = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(ordered)
