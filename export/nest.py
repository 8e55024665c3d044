"""One encoder that holds many: hidden neurons are sorted by importance, so that every prefix of them is an encoder.

In the manner of MatFormer (arXiv 2310.07707). A width says how many hidden neurons of each layer's feed-forward part
count; attention, layer norms and the token table are the same for all.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .activations import Floats, Ids
from .errors import ExportError

WIDTHS = {"s": 1 / 8, "m": 1 / 4, "l": 1 / 2, "xl": 1.0}


class PrefixLinear(torch.nn.Linear):
    """A linear layer of which the first inputs and outputs count.

    Attributes:
        inputs, outputs: how many.
    """

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__(linear.in_features, linear.out_features)
        self.weight, self.bias = linear.weight, linear.bias
        self.inputs, self.outputs = linear.in_features, linear.out_features

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(values, self.weight[: self.outputs, : self.inputs], self.bias[: self.outputs])


def hidden_units(plan: str | Sequence[int], layers: int, units: int) -> tuple[int, ...]:
    """How many hidden neurons each layer has under a plan.

    Args:
        plan: a width's name, or a number a layer that never falls from one layer to the next.
        layers, units: of the whole encoder.

    Raises:
        ExportError: the width is unknown, or the plan is none for this encoder.
    """
    if isinstance(plan, str):
        if plan not in WIDTHS:
            raise ExportError(f"width is {plan!r}, expected one of {', '.join(WIDTHS)}")
        return (int(units * WIDTHS[plan]),) * layers
    if len(plan) != layers or not all(0 < count <= units for count in plan):
        raise ExportError(f"the plan is {list(plan)}, expected {layers} numbers from 1 to {units}")
    if list(plan) != sorted(plan):
        raise ExportError(f"the plan is {list(plan)}, expected numbers that never fall from one layer to the next")
    return tuple(plan)


def importance(model: Any, texts: Sequence[Ids]) -> list[Floats]:
    """What each hidden neuron adds: its mean magnitude over the texts' tokens times the norm of its output weights.

    Args:
        model: a transformers encoder of BERT's form.
        texts: token ids, (n,) int64 each.

    Returns:
        For each layer (units,) float32.
    """
    totals = [torch.zeros(layer.output.dense.in_features) for layer in model.encoder.layer]
    tokens = 0

    def adding(total: torch.Tensor) -> Any:
        return lambda module, given, found: total.add_(found.abs().sum(dim=(0, 1)))

    hooks = [
        layer.intermediate.register_forward_hook(adding(total))
        for layer, total in zip(model.encoder.layer, totals, strict=True)
    ]
    with torch.inference_mode():
        for ids in texts:
            model(input_ids=torch.from_numpy(ids[None, :]))
            tokens += len(ids)
    for hook in hooks:
        hook.remove()
    return [
        np.asarray((total / tokens * layer.output.dense.weight.detach().norm(dim=0)).numpy(), dtype=np.float32)
        for layer, total in zip(model.encoder.layer, totals, strict=True)
    ]


def nest(model: Any, ranks: Sequence[Floats]) -> None:
    """Sort a model's hidden neurons, the most important first, and let prefixes of them be used, in place.

    The whole model computes what it did before.

    Args:
        ranks: for each layer the importance of its neurons, (units,).
    """
    for layer, rank in zip(model.encoder.layer, ranks, strict=True):
        order = torch.from_numpy(np.argsort(-rank, kind="stable"))
        into, out = layer.intermediate.dense, layer.output.dense
        into.weight.data, into.bias.data = into.weight.data[order], into.bias.data[order]
        out.weight.data = out.weight.data[:, order]
        layer.intermediate.dense, layer.output.dense = PrefixLinear(into), PrefixLinear(out)


def use(model: Any, units: Sequence[int]) -> None:
    """Let a nested model compute with so many hidden neurons a layer."""
    for layer, count in zip(model.encoder.layer, units, strict=True):
        layer.intermediate.dense.outputs = layer.output.dense.inputs = count


def sliced(model: Any, units: Sequence[int]) -> Any:
    """A plain encoder with so many hidden neurons a layer, the first of a nested one."""
    result = copy.deepcopy(model)
    for layer, count in zip(result.encoder.layer, units, strict=True):
        layer.intermediate.dense = _part(layer.intermediate.dense, count, layer.intermediate.dense.in_features)
        layer.output.dense = _part(layer.output.dense, layer.output.dense.out_features, count)
    return result


def _part(linear: torch.nn.Linear, outputs: int, inputs: int) -> torch.nn.Linear:
    result = torch.nn.Linear(inputs, outputs)
    result.weight.data = linear.weight.data[:outputs, :inputs].clone()
    result.bias.data = linear.bias.data[:outputs].clone()
    return result
