"""What `nest` must know of a kind of transformer: where a layer's parts are and how it computes, step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ...arrays import Ids
from ..errors import ExportError

# A module and the name of one of its parts.
Place = tuple[Any, str]


@dataclass(frozen=True)
class Form:
    """A kind of transformer.

    Attributes:
        layers: of a transformer.
        put: (transformer, layers) puts others in their place.
        parts: of a layer, what each width has of its own: the norm around attention, what leads into the hidden
            neurons, what leads out of them, and the other norm.
        attended: (layer, states, what the layer is called with besides) to the states behind attention.
        neurons: (layer, what leads into them, those states) to the hidden neurons' values.
        ended: (layer, the sum of what leads out and of those states) to the layer's states.
        gated: each neuron has two rows in what leads into it, one in either half.
        alike: any layer can be left out, since none depends on its number.
    """

    layers: Callable[[Any], Sequence[Any]]
    put: Callable[[Any, Any], None]
    parts: Callable[[Any], tuple[Place, Place, Place, Place]]
    attended: Callable[[Any, torch.Tensor, dict[str, Any]], torch.Tensor]
    neurons: Callable[[Any, Any, torch.Tensor], torch.Tensor]
    ended: Callable[[Any, torch.Tensor], torch.Tensor]
    gated: bool = False
    alike: bool = True

    def begun(self, model: Any, ids: Ids) -> tuple[torch.Tensor, list[dict[str, Any]]]:
        """What the first layer is given for a text, and what each is called with besides the states."""
        first: list[torch.Tensor] = []
        besides: list[dict[str, Any]] = []

        def heard(layer: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            states, *rest = given or (named.get("hidden_states"),)
            first.append(states)
            besides.append({"attention_mask": rest[0]} if rest else named)

        hooks = [layer.register_forward_pre_hook(heard, with_kwargs=True) for layer in self.layers(model)]
        try:
            with torch.inference_mode():
                model(input_ids=torch.from_numpy(ids[None, :]))
        finally:
            for hook in hooks:
                hook.remove()
        return first[0], besides


def form_of(kind: str) -> Form:
    """The form of a transformer of a `model_type`; raises ExportError where none is known."""
    if kind not in _FORMS:
        raise ExportError(f"a family cannot be made of {kind}, expected one of {', '.join(_FORMS)}")
    return _FORMS[kind]


def _modern_neurons(layer: Any, into: Any, middle: torch.Tensor) -> torch.Tensor:
    values, gate = into(layer.mlp_norm(middle)).chunk(2, dim=-1)
    hidden: torch.Tensor = layer.mlp.act(values) * gate
    return hidden


_BERT = Form(
    layers=lambda model: model.encoder.layer,
    put=lambda model, layers: setattr(model.encoder, "layer", layers),
    parts=lambda layer: (
        (layer.attention.output, "LayerNorm"),
        (layer.intermediate, "dense"),
        (layer.output, "dense"),
        (layer.output, "LayerNorm"),
    ),
    attended=lambda layer, states, _: layer.attention(states)[0],  # one text: there is nothing to be masked
    neurons=lambda layer, into, middle: layer.intermediate.intermediate_act_fn(into(middle)),
    ended=lambda layer, total: layer.output.LayerNorm(total),
)

_MODERN_BERT = Form(
    layers=lambda model: model.layers,
    put=lambda model, layers: setattr(model, "layers", layers),
    parts=lambda layer: ((layer, "attn_norm"), (layer.mlp, "Wi"), (layer.mlp, "Wo"), (layer, "mlp_norm")),
    attended=lambda layer, states, besides: states + layer.attn(layer.attn_norm(states), **besides)[0],
    neurons=_modern_neurons,
    ended=lambda layer, total: total,
    gated=True,
    alike=False,  # every third one attends to all tokens
)

_FORMS = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "modernbert": _MODERN_BERT,
}
