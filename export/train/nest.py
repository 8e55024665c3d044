"""One encoder that holds many: for each width feed-forward parts and layer norms of its own, and some attention.

In the manner of MatFormer (arXiv 2310.07707) a width says how many hidden neurons a layer's feed-forward part has, and
each narrow part begins as a prefix of the whole one, whose neurons are sorted by importance. Here the parts then go
their own ways, with the layer norms around them: with weights in common the widest encoder, which must stay as it is,
was pulled away by the narrow ones. The token table is that of the source, and so is the attention, but where some
widths are to share one of their own.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from ..errors import ExportError
from ..quantize.activations import Ids
from ..recipe.recipe import WIDEST, WIDTHS, AttentionRecipe

# How strongly refitted weights are held to those they had, as a part of the mean second moment.
_RIDGE = 1e-2


class OfWidth(torch.nn.Module):
    """A part of a layer of which widths may have others.

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


def _places(layer: Any) -> tuple[tuple[Any, str], ...]:
    """Where a layer has a part of each width: modules, and the names of their parts."""
    return (
        (layer.attention.output, "LayerNorm"),
        (layer.intermediate, "dense"),
        (layer.output, "dense"),
        (layer.output, "LayerNorm"),
    )


def _parts(layer: Any) -> list[tuple[Any, str, OfWidth]]:
    """What a nested layer has of each width: modules, the names of their parts, and the parts."""
    inside = [(owner, name, part) for owner in layer.modules() for name, part in owner.named_children()]
    return [(owner, name, part) for owner, name, part in inside if isinstance(part, OfWidth)]


def read_plan(plan: str | Sequence[str], layers: int) -> tuple[str, ...]:
    """The width of each layer under a plan.

    Args:
        plan: a width, or one a layer that never falls from one layer to the next (MatFormer's Mix'n'Match).

    Raises:
        ExportError: a width is unknown, or the plan is none for so many layers.
    """
    names = (plan,) * layers if isinstance(plan, str) else tuple(plan)
    if strange := [name for name in names if name not in WIDTHS]:
        raise ExportError(f"width is {strange[0]!r}, expected one of {', '.join(WIDTHS)}")
    if len(names) != layers:
        raise ExportError(f"the plan is {', '.join(names)}, expected a width for each of {layers} layers")
    if list(names) != sorted(names, key=list(WIDTHS).index):
        raise ExportError(f"the plan is {', '.join(names)}, expected widths that never fall from one layer to the next")
    return names


def nest(model: Any, widths: Sequence[str], texts: Sequence[Ids], attention: AttentionRecipe | None = None) -> None:
    """Give a model narrow feed-forward parts and their layer norms beside its own, in place; it computes what it did.

    A narrow part has the most important neurons, and output weights that are fitted to give, from what the narrow
    layers before it give, what the whole model has there.

    Args:
        model: a transformers encoder of BERT's form.
        widths: which parts, besides those that are there.
        texts: token ids, (n,) int64 each, that importance is measured and weights are fitted on.
        attention: which of the widths have another than the widest's, in common, and in which layers; it begins as
            the widest's.
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
        for place, (owner, name) in enumerate(_places(layer)):
            own = {WIDEST: getattr(owner, name)} | {width: part[place] for width, part in parts.items()}
            setattr(owner, name, OfWidth(own))
    if attention is not None:
        for number in attention.layers:
            _divide_attention(model.encoder.layer[number].attention, widths, attention.widths)


def _divide_attention(attention: Any, widths: Sequence[str], own: Sequence[str]) -> None:
    """Give some widths of a layer an attention in common beside the widest's, which the others keep."""
    inputs = [(attention.self, name) for name in ("query", "key", "value")]
    for owner, name in [*inputs, (attention.output, "dense")]:
        whole = getattr(owner, name)
        parts = dict.fromkeys([WIDEST, *widths], whole) | dict.fromkeys(own, _linear(whole.weight, whole.bias))
        setattr(owner, name, OfWidth(parts))


def use(model: Any, plan: Sequence[str]) -> None:
    """Let a nested model compute with the parts of these widths, one a layer."""
    for layer, width in zip(model.encoder.layer, plan, strict=True):
        for _, _, parts in _parts(layer):
            parts.width = width


def sliced(model: Any, plan: Sequence[str]) -> Any:
    """A plain encoder with the parts of these widths, one a layer, of a nested one."""
    result = copy.deepcopy(model)
    for layer, width in zip(result.encoder.layer, plan, strict=True):
        for owner, name, parts in _parts(layer):
            setattr(owner, name, parts.parts[width])
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
    """A layer's parts for a width, in the order of `_places`, and the states that they give.

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
