"""What flows into a graph's matrices on real texts: how far each channel reaches, and how channels move together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from ...arrays import Floats, Ids
from ..encoder.head import ROTATION

_TEXTS_A_PRODUCT = 64


def matrices(model: Any) -> list[Any]:
    """The nodes that multiply an activation by stored weights, but for the rotation of the finished vector."""
    stored = {tensor.name for tensor in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type in ("MatMul", "Attention") and node.name != ROTATION]
    return [node for node in products if node.input[1] in stored]


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

    for number, activations in enumerate(_probed(model, texts), start=1):
        for name, values in activations.items():
            waiting.setdefault(name, []).append(values / np.float32(np.sqrt(len(values) * len(texts))))
        if number % _TEXTS_A_PRODUCT == 0:
            add()
    add()
    return found


class Flow(NamedTuple):
    """What an exact and a rounded model of the same form hold at one activation.

    Attributes:
        name: of the activation; models are run on from there.
        exact, rounded: by text what a run is given there, (1, tokens, channels) float32, or token ids (1, tokens).
    """

    name: str
    exact: list[Any]
    rounded: list[Any]


def paired_moments(exact: Any, rounded: Any, before: Flow, name: str, keep: bool) -> tuple[Floats, Floats, Flow | None]:
    """Run two models of the same form on to an activation; every text counts alike.

    Args:
        before: where to start from.
        keep: return the values too.

    Returns:
        second: (channels, channels) float32, second moments of what the rounded model has there.
        cross: (channels, channels) float32, its products with what the exact model has there.
        flow: the values of both, None unless kept.
    """
    sessions = [session(_part(model, before.name, name)) for model in (exact, rounded)]
    flow = Flow(name, [], [])
    second, cross = np.float32(0), np.float32(0)
    for begin in range(0, len(before.exact), _TEXTS_A_PRODUCT):
        weighed: list[Floats] = []
        for run, given, kept in zip(sessions, before[1:], flow[1:], strict=True):
            values = [run.run([name], {before.name: one})[0] for one in given[begin : begin + _TEXTS_A_PRODUCT]]
            kept += values if keep else []
            scales = [np.float32(np.sqrt(one.shape[1] * len(given))) for one in values]
            weighed.append(np.concatenate([one[0] / scale for one, scale in zip(values, scales, strict=True)]))
        expected, found = weighed
        second, cross = second + found.T @ found, cross + found.T @ expected
    return np.asarray(second), np.asarray(cross), flow if keep else None


def follows(model: Any, start: str, name: str) -> bool:
    """Whether an activation depends on the texts only through another."""
    inputs = {value.name for value in model.graph.input}
    return start != name and not inputs & needed(model, start, name)[1]


def needed(model: Any, start: str, name: str) -> tuple[list[Any], set[str]]:
    """The nodes, in order, that lead from one value to another, and what they are not given by each other."""
    made_by = {output: index for index, node in enumerate(model.graph.node) for output in node.output}
    needed: set[int] = set()
    given: set[str] = set()
    waiting = [name]
    while waiting:
        value = waiting.pop()
        index = None if value == start else made_by.get(value)
        if index is None:
            given.add(value)
        elif index not in needed:
            needed.add(index)
            waiting += filter(None, model.graph.node[index].input)
    return [model.graph.node[index] for index in sorted(needed)], given - {start}


def _part(model: Any, start: str, name: str) -> Any:
    """The part of a model from one value to another, as a model."""
    nodes, given = needed(model, start, name)
    stored = [tensor for tensor in model.graph.initializer if tensor.name in given]
    inputs = [value for value in model.graph.input if value.name == start]
    inputs = inputs or [helper.make_tensor_value_info(start, onnx.TensorProto.FLOAT, [1, None, None])]
    output = helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "part", inputs, [output], stored)
    return helper.make_model(graph, opset_imports=list(model.opset_import), ir_version=model.ir_version)


def session(model: Any) -> onnxruntime.InferenceSession:
    """A model in memory, ready to run.

    It goes through a file, which is smaller than its bytes beside what ONNX Runtime makes of them.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _probed(model: Any, texts: Sequence[Ids]) -> Iterator[dict[str, Floats]]:
    """For each text the inputs of all matrices, (tokens, channels) float32."""
    names = list(dict.fromkeys(node.input[0] for node in matrices(model)))
    outputs = len(model.graph.output)
    model.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    try:
        run = session(model)
    finally:
        del model.graph.output[outputs:]
    for ids in texts:
        found = run.run(names, {"input_ids": ids[None, :]})
        yield {name: values[0] for name, values in zip(names, found, strict=True)}
