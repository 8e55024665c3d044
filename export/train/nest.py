"""Narrow encoders out of one: some of its layers, and of their feed-forward parts the most important neurons.

In the manner of MatFormer (arXiv 2310.07707) each narrow feed-forward part begins as a prefix of the whole one, whose
neurons are sorted by importance; with fewer layers attention is saved too. The parts then go their own ways, with the
layer norms around them: with weights in common the widest encoder, which must stay as it is, was pulled away by the
narrow ones. The token table is the source's, and so is the attention unless a recipe says otherwise.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from ...arrays import Ids
from ..errors import ExportError
from ..recipe.training import Cut
from .forms import Form, form_of

# How strongly refitted weights are held to those they had, as a part of the mean second moment.
_RIDGE = 1e-2


def nest(source: Any, cuts: Mapping[str, Cut], texts: Sequence[Ids]) -> dict[str, Any]:
    """Narrow encoders by width, of the source's own class, whose arrays they share but for what is their own.

    A narrow layer has the most important neurons, and output weights that are fitted to give, from what the narrow
    layers before it give, what the source has there; so it stands for the layers that are left out before it too.

    Args:
        source: a transformers encoder of a form that is known, see `forms`; none of its weights is trained from now on.
        cuts: by width, what it has of the source.
        texts: token ids, (n,) int64 each, that importance is measured and weights are fitted on.

    Returns:
        By width, an encoder whose own weights can be trained: feed-forward parts, norms, and attention where it is its
        own.

    Raises:
        ExportError: the source has no such layers, or they are not alike.
    """
    form = form_of(source.config.model_type)
    for width, cut in cuts.items():
        require_layers(width, cut, form, source.config.num_hidden_layers)
    for value in source.parameters():
        value.requires_grad_(False)
    begun = [form.begun(source, ids) for ids in texts]
    states, besides = [first for first, _ in begun], [rest for _, rest in begun]
    exact, narrow = states, dict.fromkeys(cuts, states)
    results = {width: _empty(source, form, cut) for width, cut in cuts.items()}
    layers: dict[str, list[Any]] = {width: [] for width in cuts}
    for number, layer in enumerate(form.layers(source)):
        given = [one[number] for one in besides]
        into, out = (getattr(*place) for place in form.parts(layer)[1:3])
        with torch.inference_mode():
            middles = [form.attended(layer, state, rest) for state, rest in zip(exact, given, strict=True)]
            hidden = [form.neurons(layer, into, middle) for middle in middles]
            sums = [out(one) + middle for one, middle in zip(hidden, middles, strict=True)]
            exact = [form.ended(layer, one) for one in sums]
            order = important(out, hidden)
        for width, cut in cuts.items():
            if number in cut.layers:
                mine = _copied(layer, [] if cut.own_attention else layer.parameters(), source, results[width])
                narrow[width] = _narrowed(
                    form, mine, order[: int(len(order) * cut.neurons)], (narrow[width], given), sums
                )
                layers[width].append(mine.requires_grad_(True) if cut.own_attention else mine)
    for width, result in results.items():
        form.put(result, torch.nn.ModuleList(layers[width]))
        result.eval()
    return results


def require_layers(width: str, cut: Cut, form: Form, layers: int) -> None:
    """Raise ExportError where a source of so many layers cannot be cut so."""
    if cut.layers[-1] >= layers:
        raise ExportError(f"layers of {width} names {cut.layers[-1]}, the source's are 0 to {layers - 1}")
    if len(cut.layers) < layers and not form.alike:
        raise ExportError(f"layers of {width} leaves some out, expected all of a source whose layers are not alike")


def important(out: Any, hidden: Sequence[torch.Tensor]) -> torch.Tensor:
    """The order of a layer's neurons, (units,): by the spread of their values times their output weights' norm.

    Args:
        out: what leads out of them.
        hidden: the neurons' values for each text, (1, tokens, units).
    """
    spread = torch.cat([one[0] for one in hidden]).std(dim=0)
    return torch.argsort(spread * out.weight.norm(dim=0), descending=True, stable=True)


def narrow_config(config: Any, cut: Cut) -> Any:
    """The configuration of a width."""
    narrow = copy.deepcopy(config)
    narrow.intermediate_size = int(config.intermediate_size * cut.neurons)
    narrow.num_hidden_layers = len(cut.layers)
    return narrow


def _empty(source: Any, form: Form, cut: Cut) -> Any:
    """A transformer of a width without layers, which shares all arrays with the source."""
    layers = form.layers(source)
    form.put(source, torch.nn.ModuleList())
    try:
        memo: dict[int, Any] = {id(value): value for value in source.parameters()}
        memo[id(source.config)] = narrow_config(source.config, cut)
        return copy.deepcopy(source, memo)
    finally:
        form.put(source, layers)


def _copied(layer: Any, shared: Iterable[Any], source: Any, result: Any) -> Any:
    """A layer with the configuration of the encoder that it is put into, and arrays of its own but for the shared."""
    memo: dict[int, Any] = {id(value): value for value in shared}
    return copy.deepcopy(layer, {**memo, id(source.config): result.config})


def _narrowed(
    form: Form,
    layer: Any,
    kept: torch.Tensor,
    given: tuple[list[torch.Tensor], list[dict[str, Any]]],
    sums: list[torch.Tensor],
) -> list[torch.Tensor]:
    """Give a layer norms and feed-forward parts of its own, in place; returns the states that it gives then.

    Args:
        kept: which of the neurons stay, the most important first.
        given: what the narrow layers before give for each text, (1, tokens, dim), and what the layer is called with
            besides.
        sums: what the source has for each text before the layer's last norm.
    """
    norm_place, into_place, out_place, last_place = form.parts(layer)
    into, cut = prefix(getattr(*into_place), getattr(*out_place), kept, form.gated)
    with torch.inference_mode():
        middles = torch.cat([form.attended(layer, state, rest)[0] for state, rest in zip(*given, strict=True)])
        hidden = form.neurons(layer, into, middles)
        weight, bias = _fitted(hidden, torch.cat([one[0] for one in sums]) - middles, cut.weight, cut.bias is not None)
    parts = [copy.deepcopy(getattr(*norm_place)), into, _linear(weight, bias), copy.deepcopy(getattr(*last_place))]
    with torch.inference_mode():
        found = form.ended(layer, parts[2](hidden) + middles)
    for (owner, name), part in zip((norm_place, into_place, out_place, last_place), parts, strict=True):
        setattr(owner, name, part.requires_grad_(True))
    return [part[None] for part in torch.split(found, [one.shape[1] for one in given[0]])]


def prefix(into: Any, out: Any, kept: torch.Tensor, gated: bool) -> tuple[Any, Any]:
    """Some neurons of a layer: what leads into them, and out of them."""
    rows = torch.cat([kept, kept + out.weight.shape[1]]) if gated else kept
    return _linear(into.weight[rows], None if into.bias is None else into.bias[rows]), _linear(
        out.weight[:, kept], out.bias
    )


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
