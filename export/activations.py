"""What flows into a graph's matrices on real texts: how far each channel reaches, and how channels move together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

_TEXTS_A_PRODUCT = 64


def matrices(model: Any) -> list[Any]:
    """The nodes that multiply an activation by stored weights."""
    stored = {tensor.name for tensor in model.graph.initializer}
    return [node for node in model.graph.node if node.op_type in ("MatMul", "Attention") and node.input[1] in stored]


def reach(model: Any, texts: Sequence[Ids]) -> dict[str, Floats]:
    """By activation, the largest magnitude of each channel over the texts: (channels,) float32."""
    found: dict[str, Floats] = {}
    for activations in _probed(model, texts):
        for name, values in activations.items():
            found[name] = np.maximum(found.get(name, np.float32(0)), np.abs(values).max(axis=0))
    return found


def moments(model: Any, texts: Sequence[Ids]) -> dict[str, Floats]:
    """By activation, the second moments of its channels, every text counting alike: (channels, channels) float32."""
    found: dict[str, Floats] = {}
    waiting: dict[str, list[Floats]] = {}

    def add() -> None:
        for name, parts in waiting.items():
            rows = np.concatenate(parts)
            found[name] = found.get(name, np.float32(0)) + rows.T @ rows
        waiting.clear()

    for place, activations in enumerate(_probed(model, texts), start=1):
        for name, values in activations.items():
            waiting.setdefault(name, []).append(values / np.float32(np.sqrt(len(values) * len(texts))))
        if place % _TEXTS_A_PRODUCT == 0:
            add()
    add()
    return found


def paired_moments(exact: Any, rounded: Any, name: str, texts: Sequence[Ids]) -> tuple[Floats, Floats]:
    """An activation in two models of the same form, every text counting alike.

    Returns:
        second: (channels, channels) float32, second moments of what the rounded model has there.
        cross: (channels, channels) float32, its products with what the exact model has there.
    """
    sessions = [_session(_until(model, name)) for model in (rounded, exact)]
    second, cross = np.float32(0), np.float32(0)
    for begin in range(0, len(texts), _TEXTS_A_PRODUCT):
        parts: list[list[Floats]] = [[], []]
        for ids in texts[begin : begin + _TEXTS_A_PRODUCT]:
            for part, session in zip(parts, sessions, strict=True):
                values = session.run([name], {"input_ids": ids[None, :]})[0][0]
                part.append(values / np.float32(np.sqrt(len(values) * len(texts))))
        found, expected = (np.concatenate(part) for part in parts)
        second, cross = second + found.T @ found, cross + found.T @ expected
    return np.asarray(second), np.asarray(cross)


def _until(model: Any, name: str) -> Any:
    """The part of a model that an activation depends on, with it as the only output."""
    made_by = {output: place for place, node in enumerate(model.graph.node) for output in node.output}
    needed: set[int] = set()
    waiting = [name]
    while waiting:
        place = made_by.get(waiting.pop())
        if place is not None and place not in needed:
            needed.add(place)
            waiting += model.graph.node[place].input
    nodes = [model.graph.node[place] for place in sorted(needed)]
    read = {name for node in nodes for name in node.input}
    stored = [tensor for tensor in model.graph.initializer if tensor.name in read]
    output = helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "part", list(model.graph.input), [output], stored)
    return helper.make_model(graph, opset_imports=list(model.opset_import), ir_version=model.ir_version)


def _session(model: Any) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def _probed(model: Any, texts: Sequence[Ids]) -> Iterator[dict[str, Floats]]:
    """For each text the inputs of all matrices, (tokens, channels) float32."""
    names = list(dict.fromkeys(node.input[0] for node in matrices(model)))
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    session = _session(probe)
    for ids in texts:
        found = session.run(names, {"input_ids": ids[None, :]})
        yield {name: values[0] for name, values in zip(names, found, strict=True)}
