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
from .forms import Form, form_of

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
        model: a transformers encoder of a form that is known, see `forms`.
        widths: which parts, besides those that are there.
        texts: token ids, (n,) int64 each, that importance is measured and weights are fitted on.
    """
    form = form_of(model)
    for value in model.parameters():
        value.requires_grad_(False)
    begun = [form.begun(model, ids) for ids in texts]
    states, besides = [first for first, _ in begun], [rest for _, rest in begun]
    exact, narrow = states, dict.fromkeys(widths, states)
    for number, layer in enumerate(form.layers(model)):
        given = [one[number] for one in besides]
        into, out = (getattr(*place) for place in form.parts(layer)[1:3])
        with torch.inference_mode():
            middles = [form.attended(layer, state, rest) for state, rest in zip(exact, given, strict=True)]
            hidden = [form.neurons(layer, into, middle) for middle in middles]
            sums = [out(one) + middle for one, middle in zip(hidden, middles, strict=True)]
            exact = [form.ended(layer, one) for one in sums]
            order = important(out, hidden)
        parts = {}
        for width in widths:
            parts[width], narrow[width] = _narrow(form, layer, order, width, (narrow[width], given), sums)
        for place, (owner, name) in enumerate(form.parts(layer)):
            own = {WIDEST: getattr(owner, name)} | {width: part[place] for width, part in parts.items()}
            setattr(owner, name, PerWidth(own))


def use(model: Any, widths: Sequence[str]) -> None:
    """Let a nested model compute with the parts of these widths, one a layer."""
    form = form_of(model)
    for layer, width in zip(form.layers(model), widths, strict=True):
        for owner, name in form.parts(layer):
            getattr(owner, name).width = width


def sliced(model: Any, widths: Sequence[str]) -> Any:
    """A plain encoder with the parts of these widths, one a layer, of a nested one."""
    result, form = copy.deepcopy(model), form_of(model)
    for layer, width in zip(form.layers(result), widths, strict=True):
        for owner, name in form.parts(layer):
            setattr(owner, name, getattr(owner, name).parts[width])
    return result


def important(out: Any, hidden: Sequence[torch.Tensor]) -> torch.Tensor:
    """The order of a layer's neurons, (units,): by the spread of their values times their output weights' norm.

    Args:
        out: what leads out of them.
        hidden: the neurons' values for each text, (1, tokens, units).
    """
    spread = torch.cat([one[0] for one in hidden]).std(dim=0)
    return torch.argsort(spread * out.weight.norm(dim=0), descending=True, stable=True)


def prefix(into: Any, out: Any, order: torch.Tensor, width: str, gated: bool) -> tuple[Any, Any]:
    """The first neurons of an order, as many as the width has: what leads into them, and out of them."""
    kept = order[: int(len(order) * WIDTHS[width])]
    rows = torch.cat([kept, kept + len(order)]) if gated else kept
    return _linear(into.weight[rows], None if into.bias is None else into.bias[rows]), _linear(
        out.weight[:, kept], out.bias
    )


def _narrow(
    form: Form,
    layer: Any,
    order: torch.Tensor,
    width: str,
    given: tuple[list[torch.Tensor], list[dict[str, Any]]],
    sums: list[torch.Tensor],
) -> tuple[tuple[torch.nn.Module, ...], list[torch.Tensor]]:
    """A layer's parts for a width, in the order of `Form.parts`, and the states that they give.

    Args:
        order: of the neurons, the most important first.
        given: what the narrow layers before give for each text, (1, tokens, dim), and what the layer is called with
            besides.
        sums: what the whole model has for each text before the layer's last norm.
    """
    norm_place, into_place, out_place, last_place = form.parts(layer)
    into, cut = prefix(getattr(*into_place), getattr(*out_place), order, width, form.gated)
    with torch.inference_mode():
        middles = torch.cat([form.attended(layer, state, rest)[0] for state, rest in zip(*given, strict=True)])
        hidden = form.neurons(layer, into, middles)
        weight, bias = _fitted(hidden, torch.cat([one[0] for one in sums]) - middles, cut.weight, cut.bias is not None)
    out = _linear(weight, bias)
    first, last = (copy.deepcopy(getattr(*place)).requires_grad_(True) for place in (norm_place, last_place))
    with torch.inference_mode():
        found = form.ended(layer, out(hidden) + middles)
    parts = torch.split(found, [one.shape[1] for one in given[0]])
    return (first, into, out, last), [part[None] for part in parts]


def _fitted(
    hidden: torch.Tensor, expected: torch.Tensor, weight: torch.Tensor, biased: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Weights (outputs, units) and bias (outputs,) that give what is expected, by ridge regression towards the weights.

    Args:
        hidden: (tokens, units), expected: (tokens, outputs).
    """
    means = (hidden.mean(dim=0), expected.mean(dim=0)) if biased else (hidden.new_zeros(1), expected.new_zeros(1))
    inputs, outputs = (hidden - means[0]).double(), (expected - means[1]).double()
    moments = inputs.T @ inputs / len(inputs)
    ridge = _RIDGE * moments.diagonal().mean()
    left = moments + ridge * torch.eye(len(moments), dtype=torch.float64)
    found = torch.linalg.solve(left, inputs.T @ outputs / len(inputs) + ridge * weight.T.double()).float()
    return found.T, means[1] - means[0] @ found if biased else None


def _linear(weight: torch.Tensor, bias: torch.Tensor | None) -> torch.nn.Linear:
    result = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    result.weight.data = weight.detach().clone()
    if bias is not None:
        result.bias.data = bias.detach().clone()
    return result
