"""One encoder that holds many: for each width feed-forward parts and layer norms of its own.

In the manner of MatFormer (arXiv 2310.07707) a width says how many hidden neurons a layer's feed-forward part has, and
each narrow part begins as a prefix of the whole one, whose neurons are sorted by importance. Here the parts then go
their own ways, with the layer norms around them: with weights in common the widest encoder, which must stay as it is,
was pulled away by the narrow ones. The token table and the attention are those of the source.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from ...arrays import Ids
from ..errors import ExportError
from ..recipe.training import WIDEST, WIDTHS

# How strongly refitted weights are held to those they had, as a part of the mean second moment.
_RIDGE = 1e-2


class PerWidth(torch.nn.Module):
    """A part of a layer, of which each width has one of its own.

    Attributes:
        parts: by width.
        width: whose part is computed with.
    """

    def __init__(self, parts: dict[str, torch.nn.Module]) -> None:
        super().__init__()
        self.parts = torch.nn.ModuleDict(parts)
        self.width = WIDEST

    def forward(self, values: torch.Tensor) -> Any:
        return self.parts[self.width](values)


def _parts(layer: Any) -> tuple[tuple[Any, str], ...]:
    """What a layer has of each width: modules, and the names of their parts."""
    return (
        (layer.attention.output, "LayerNorm"),
        (layer.intermediate, "dense"),
        (layer.output, "dense"),
        (layer.output, "LayerNorm"),
    )


def layer_widths(width: str | Sequence[str], layers: int) -> tuple[str, ...]:
    """The width of each layer of a nested encoder.

    Args:
        width: one for all layers, or one a layer that never falls from one layer to the next (MatFormer's Mix'n'Match).

    Raises:
        ExportError: a width is unknown, or they are none for so many layers.
    """
    names = (width,) * layers if isinstance(width, str) else tuple(width)
    if strange := [name for name in names if name not in WIDTHS]:
        raise ExportError(f"width is {strange[0]!r}, expected one of {', '.join(WIDTHS)}")
    if len(names) != layers:
        raise ExportError(f"the widths are {', '.join(names)}, expected one for each of {layers} layers")
    if list(names) != sorted(names, key=list(WIDTHS).index):
        raise ExportError(f"the widths are {', '.join(names)}, expected none below that of the layer before")
    return names


def nest(model: Any, widths: Sequence[str], texts: Sequence[Ids]) -> None:
    """Give a model narrow feed-forward parts and their layer norms beside its own, in place; it computes what it did.

    A narrow part has the most important neurons, and output weights that are fitted to give, from what the narrow
    layers before it give, what the whole model has there.

    Args:
        model: a transformers encoder of BERT's form.
        widths: which parts, besides those that are there.
        texts: token ids, (n,) int64 each, that importance is measured and weights are fitted on.
    """
    for value in model.parameters():
        value.requires_grad_(False)
    with torch.inference_mode():
        states = [model.embeddings(input_ids=torch.from_numpy(ids[None, :])) for ids in texts]
    exact, narrow = states, dict.fromkeys(widths, states)
    for layer in model.encoder.layer:
        with torch.inference_mode():
            middles = [layer.attention(state)[0] for state in exact]
            hidden = [layer.intermediate(middle) for middle in middles]
            sums = [layer.output.dense(one) + middle for one, middle in zip(hidden, middles, strict=True)]
            exact = [layer.output.LayerNorm(one) for one in sums]
            order = important(layer, hidden)
        parts = {}
        for width in widths:
            parts[width], narrow[width] = _narrow(layer, order, width, narrow[width], sums)
        for number, (owner, name) in enumerate(_parts(layer)):
            own = {WIDEST: getattr(owner, name)} | {width: part[number] for width, part in parts.items()}
            setattr(owner, name, PerWidth(own))


def use(model: Any, widths: Sequence[str]) -> None:
    """Let a nested model compute with the parts of these widths, one a layer."""
    for layer, width in zip(model.encoder.layer, widths, strict=True):
        for owner, name in _parts(layer):
            getattr(owner, name).width = width


def sliced(model: Any, widths: Sequence[str]) -> Any:
    """A plain encoder with the parts of these widths, one a layer, of a nested one."""
    result = copy.deepcopy(model)
    for layer, width in zip(result.encoder.layer, widths, strict=True):
        for owner, name in _parts(layer):
            setattr(owner, name, getattr(owner, name).parts[width])
    return result


def important(layer: Any, hidden: Sequence[torch.Tensor]) -> torch.Tensor:
    """The order of a layer's neurons, (units,): by the spread of their values times their output weights' norm.

    Args:
        hidden: the neurons' values for each text, (1, tokens, units).
    """
    spread = torch.cat([one[0] for one in hidden]).std(dim=0)
    return torch.argsort(spread * layer.output.dense.weight.norm(dim=0), descending=True, stable=True)


def prefix(layer: Any, order: torch.Tensor, width: str) -> tuple[torch.nn.Linear, torch.nn.Linear]:
    """The first neurons of an order, as many as the width has: what leads into them, and out of them."""
    kept, into, out = order[: int(len(order) * WIDTHS[width])], layer.intermediate.dense, layer.output.dense
    return _linear(into.weight[kept], into.bias[kept]), _linear(out.weight[:, kept], out.bias)


def _narrow(
    layer: Any, order: torch.Tensor, width: str, states: list[torch.Tensor], sums: list[torch.Tensor]
) -> tuple[tuple[torch.nn.Module, ...], list[torch.Tensor]]:
    """A layer's parts for a width, in the order of `_parts`, and the states that they give.

    Args:
        order: of the neurons, the most important first.
        states: what the narrow layers before give for each text, (1, tokens, dim).
        sums: what the whole model has for each text before the layer's last norm.
    """
    into, cut = prefix(layer, order, width)
    with torch.inference_mode():
        middles = torch.cat([layer.attention(state)[0][0] for state in states])
        hidden = layer.intermediate.intermediate_act_fn(into(middles))
        weight, bias = _fitted(hidden, torch.cat([one[0] for one in sums]) - middles, cut.weight)
    out = _linear(weight, bias)
    first, norm = (copy.deepcopy(of.LayerNorm).requires_grad_(True) for of in (layer.attention.output, layer.output))
    with torch.inference_mode():
        found = norm(out(hidden) + middles)
    return (first, into, out, norm), [part[None] for part in found.split([one.shape[1] for one in states])]


def _fitted(hidden: torch.Tensor, expected: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (outputs, units) and bias (outputs,) that give what is expected, by ridge regression towards the weights.

    Args:
        hidden: (tokens, units), expected: (tokens, outputs).
    """
    means = hidden.mean(dim=0), expected.mean(dim=0)
    inputs, outputs = (hidden - means[0]).double(), (expected - means[1]).double()
    moments = inputs.T @ inputs / len(inputs)
    ridge = _RIDGE * moments.diagonal().mean()
    left = moments + ridge * torch.eye(len(moments), dtype=torch.float64)
    found = torch.linalg.solve(left, inputs.T @ outputs / len(inputs) + ridge * weight.T.double()).float()
    return found.T, means[1] - means[0] @ found


def _linear(weight: torch.Tensor, bias: torch.Tensor) -> torch.nn.Linear:
    result = torch.nn.Linear(weight.shape[1], weight.shape[0])
    result.weight.data, result.bias.data = weight.detach().clone(), bias.detach().clone()
    return result
