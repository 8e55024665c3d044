"""The layers that a model has behind its pooling: what each computes, and where its weights are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ExportError
from .json_file import read_object

# By their names in torch.nn; a name of a model's file is never imported.
ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid")
_VECTOR = "sentence_embedding"


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        kind: `dense`, a matrix with an activation; `norm`, a layer norm; `unit`, which makes vectors unit; `cut`, which
            keeps the first numbers.
        folder: where its weights are, inside the model's; empty where it has none.
        outputs: how many numbers it gives; 0 for as many as it is given.
        activation: of `dense`, see `ACTIVATIONS`.
        residual: of `dense`, what comes in is added to what comes out.
    """

    kind: str
    folder: str = ""
    outputs: int = 0
    activation: str = "Identity"
    residual: bool = False


def read_layer(listing: Path, kind: str, folder: Path, path: str, dim: int) -> Layer:
    """A module behind the pooling, from its own file.

    Args:
        listing: the file that names it, for messages.
        path: its folder inside the model's.
        dim: how many numbers it is given.

    Raises:
        ExportError: it is of another kind, or does not fit.
    """
    values = read_object(folder / "config.json")
    known = {"Dense": _dense, "LayerNorm": _norm, "Normalize": _unit}
    if kind not in known:
        raise ExportError(f"{listing}: has a module {kind}; behind Pooling only {', '.join(known)} can be exported")
    for key in ("module_input_name", "module_output_name"):
        if values.get(key, _VECTOR) not in (_VECTOR, None):
            raise ExportError(f"{folder}: {key} is {values[key]!r}, expected {_VECTOR}, a vector a text")
    return known[kind](folder, values, path, dim)


def _dense(folder: Path, values: dict[str, Any], path: str, dim: int) -> Layer:
    inputs, outputs = values.get("in_features"), values.get("out_features")
    if inputs != dim or type(outputs) is not int or outputs < 8:
        raise ExportError(f"{folder}: is of {inputs!r} to {outputs!r} numbers, expected {dim} to 8 or more")
    named = values.get("activation_function", "torch.nn.modules.activation.Tanh")
    activation = str(named).rpartition(".")[2]
    if activation not in ACTIVATIONS or not str(named).startswith("torch.nn."):
        raise ExportError(f"{folder}: activation_function is {named!r}, expected torch's {', '.join(ACTIVATIONS)}")
    return Layer("dense", path, outputs, activation, values.get("use_residual") is True)


def _norm(folder: Path, values: dict[str, Any], path: str, dim: int) -> Layer:
    if values.get("dimension") != dim:
        raise ExportError(f"{folder}: is of {values.get('dimension')!r} numbers, expected {dim}")
    return Layer("norm", path)


def _unit(folder: Path, values: dict[str, Any], path: str, dim: int) -> Layer:
    return Layer("unit")
