"""What turns the states of a text's tokens into its vector: pooling, the model's own layers, and the unit length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...arrays import Floats
from ..errors import ExportError
from ..source.layers import Layer
from ..source.settings import Settings
from ..source.weights import read_weights

ROTATION = "rotation"


@dataclass(frozen=True, eq=False)
class Turn:
    """What the vectors of a family are against those of its source: turned, without what all have in common, and unit.

    Attributes:
        rotation: (dim, dim) float32, orthogonal.
        mean: (dim,) float32, of vectors that are turned already.
    """

    rotation: Floats
    mean: Floats

    def __call__(self, vectors: Floats) -> Floats:
        """Vectors (n, dim) of the source, unit rows, as the family has them."""
        found = vectors @ self.rotation - self.mean
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


class Head(torch.nn.Module):
    """From token states to unit vectors, without a mask: a run is given texts of one length.

    Args:
        pooling: see `recipe.parts.POOLINGS`; several are put one behind another.
        layers: each with its tensors by name, float32.
        turn: of a finished vector; None for as it is.
    """

    rotation: torch.Tensor | None
    mean: torch.Tensor | None

    def __init__(
        self,
        pooling: Sequence[str],
        layers: Sequence[tuple[Layer, Mapping[str, torch.Tensor]]] = (),
        turn: Turn | None = None,
    ) -> None:
        super().__init__()
        self.pooling = tuple(pooling)
        self.layers = tuple((layer, tuple(weights)) for layer, weights in layers)
        for number, (_, weights) in enumerate(layers):
            for name, values in weights.items():
                self.register_buffer(_buffer(number, name), values)
        self.register_buffer(ROTATION, None if turn is None else torch.from_numpy(turn.rotation))
        self.register_buffer("mean", None if turn is None else torch.from_numpy(turn.mean))

    def turned(self, turn: Turn) -> Head:
        """The same whose vectors are turned."""
        layers = [(layer, self._weights(number)) for number, (layer, _) in enumerate(self.layers)]
        return Head(self.pooling, layers, turn)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Unit vectors, (batch, dim), of token states, (batch, tokens, hidden)."""
        vectors = pooled(states, self.pooling)
        if self.layers:
            rows = vectors[:, None]  # matrices are multiplied with rows of tokens everywhere else
            for number, (layer, _) in enumerate(self.layers):
                rows = _applied(layer, self._weights(number), rows)
            vectors = rows[:, 0]
        if self.rotation is not None and self.mean is not None:
            vectors = torch.nn.functional.normalize(vectors, dim=1) @ self.rotation - self.mean
        return torch.nn.functional.normalize(vectors, dim=1)

    def _weights(self, number: int) -> dict[str, torch.Tensor]:
        """The tensors of a layer by name."""
        return {name: getattr(self, _buffer(number, name)) for name in self.layers[number][1]}


def _buffer(number: int, name: str) -> str:
    """What a layer's tensor is called in the head, where a dot would be a module."""
    return f"layer{number}_{name.replace('.', '_')}"


def pooled(states: torch.Tensor, pooling: Sequence[str]) -> torch.Tensor:
    """Token states of unpadded texts, (batch, tokens, hidden), to one state a text, (batch, hidden x poolings)."""
    found = [_POOLED[mode](states) for mode in pooling]
    return found[0] if len(found) == 1 else torch.cat(found, dim=1)


def _root_mean(states: torch.Tensor) -> torch.Tensor:
    return states.mean(dim=1) * torch.sqrt(torch.ones_like(states[:, :, 0]).sum(dim=1, keepdim=True))


def _weighted_mean(states: torch.Tensor) -> torch.Tensor:
    """The mean of the states, of which the last counts most (SGPT, arXiv 2202.08904)."""
    places = torch.cumsum(torch.ones_like(states[:, :, :1]), dim=1)
    return (states * places).sum(dim=1) / places.sum(dim=1)


_POOLED: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "cls": lambda states: states[:, 0],
    "max": lambda states: states.max(dim=1).values,
    "mean": lambda states: states.mean(dim=1),
    "mean_sqrt_len_tokens": _root_mean,
    "weightedmean": _weighted_mean,
    "lasttoken": lambda states: states[:, -1],
}


def _applied(layer: Layer, weights: Mapping[str, torch.Tensor], rows: torch.Tensor) -> torch.Tensor:
    """What a layer gives for (batch, 1, inputs)."""
    if layer.kind == "unit":
        return torch.nn.functional.normalize(rows, dim=2)
    if layer.kind == "cut":
        return rows[:, :, : layer.outputs]
    if layer.kind == "norm":
        return torch.nn.functional.layer_norm(
            rows, tuple(weights["norm.weight"].shape), weights["norm.weight"], weights["norm.bias"]
        )
    result: torch.Tensor = rows @ weights["linear.weight"].T
    if "linear.bias" in weights:
        result = result + weights["linear.bias"]
    result = getattr(torch.nn, layer.activation)()(result)
    if layer.residual:
        result = result + (rows @ weights["residual.weight"].T if "residual.weight" in weights else rows)
    return result


def read_head(folder: Path, settings: Settings) -> Head:
    """The head of a model's folder.

    Raises:
        ExportError: weights of a layer are missing, or of another shape than it says.
    """
    layers: list[tuple[Layer, dict[str, Any]]] = []
    dim = 0
    for layer in settings.layers:
        weights = read_weights(folder / layer.folder) if layer.folder else {}
        if layer.kind == "dense":
            matrix = weights.get("linear.weight")
            if matrix is None or len(matrix) != layer.outputs or (dim and matrix.shape[1] != dim):
                raise ExportError(f"{folder / layer.folder}: has no matrix to {layer.outputs} numbers, as it says")
        if layer.kind == "norm" and not {"norm.weight", "norm.bias"} <= weights.keys():
            raise ExportError(f"{folder / layer.folder}: has no norm.weight and norm.bias, expected a layer norm's")
        layers.append((layer, weights))
        dim = layer.outputs or dim
    return Head(settings.pooling, layers)
