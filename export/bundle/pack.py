"""Graphs with their weights beside them: what several graphs hold alike is stored once.

An array of a graph is written to a data file, and the graph says where (ONNX external data: file, offset, length).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto

from ..quantize.onnx_graph import write

SHARED = "shared.bin"

_MIN_BYTES = 1024
_ALIGNED = 64


def pack(models: Mapping[str, Any], folder: Path) -> dict[str, tuple[str, ...]]:
    """Write graphs as `model.NAME.onnx`, with what all hold in `shared.bin`, and what one alone or some hold in a file
    of their own, so that none is given a file of which it needs nothing.

    Args:
        models: graphs by name, with all their arrays in them; changed on the way.

    Returns:
        By name, the data files of each graph.
    """
    holders: dict[str, set[str]] = {}
    for name, model in models.items():
        for tensor in _large(model):
            holders.setdefault(_digest(tensor), set()).add(name)
    contents: dict[str, bytearray] = {}
    offsets: dict[str, tuple[str, int]] = {}
    used: dict[str, set[str]] = {name: set() for name in models}
    for name, model in models.items():
        for tensor in _large(model):
            digest, raw = _digest(tensor), tensor.raw_data
            if digest not in offsets:
                file = _file(holders[digest], list(models))
                content = contents.setdefault(file, bytearray())
                content.extend(bytes(-len(content) % _ALIGNED))
                offsets[digest] = file, len(content)
                content.extend(raw)
            file, offset = offsets[digest]
            used[name].add(file)
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", file), ("offset", offset), ("length", len(raw))):
                entry = tensor.external_data.add()
                entry.key, entry.value = key, str(value)
    for file, content in contents.items():
        (folder / file).write_bytes(content)
    for name, model in models.items():
        write(model, folder / graph_name(name))
    return {name: tuple(sorted(files)) for name, files in used.items()}


def _file(holders: set[str], names: list[str]) -> str:
    """The data file of what some graphs hold."""
    if len(holders) == len(names) > 1:
        return SHARED
    return f"{'-'.join(name for name in names if name in holders)}.bin"


def graph_name(name: str) -> str:
    """The file name of a packed graph."""
    return f"model.{name}.onnx"


def _large(model: Any) -> list[Any]:
    """The stored arrays that are large enough to be kept outside the graph."""
    tensors = model.graph.initializer
    return [tensor for tensor in tensors if tensor.HasField("raw_data") and len(tensor.raw_data) >= _MIN_BYTES]


def _digest(tensor: onnx.TensorProto) -> str:
    shape = ",".join(map(str, tensor.dims))
    return hashlib.sha256(f"{tensor.data_type} {shape} ".encode() + tensor.raw_data).hexdigest()
