from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nestling.arrays import Floats, Ids
from nestling.export.encoder.head import Head
from nestling.export.errors import ExportError
from nestling.export.train.nest import layer_widths, nest, sliced, use
from tiny import loaded


@pytest.fixture
def encoder(tiny: Path) -> Any:
    return loaded(tiny / "weights").trunk


def vectors(model: Any, texts: Sequence[Ids]) -> Floats:
    with torch.inference_mode():
        rows = [Head(["mean"])(model(input_ids=torch.from_numpy(ids[None, :])).last_hidden_state)[0] for ids in texts]
    return np.stack([row.numpy() for row in rows])


def nearness(model: Any, texts: Sequence[Ids], expected: Floats, *widths: str) -> float:
    use(model, widths)
    return float((vectors(model, texts) * expected).sum(axis=1).mean())


def test_nesting_leaves_the_widest_as_it_is(encoder: Any, texts: list[Ids]) -> None:
    expected = vectors(encoder, texts)
    nest(encoder, ["s", "m"], texts)
    assert (vectors(encoder, texts) == expected).all()


def test_the_most_important_neurons_are_kept(encoder: Any, texts: list[Ids]) -> None:
    before = [layer.intermediate.dense.weight.clone() for layer in encoder.encoder.layer]
    for layer in encoder.encoder.layer:
        layer.output.dense.weight.data[:, 5] *= 100
        layer.output.dense.weight.data[:, 9] = 0
    nest(encoder, ["s", "l"], texts)
    for layer, weight in zip(encoder.encoder.layer, before, strict=True):
        narrow, half = (layer.intermediate.dense.parts[width].weight for width in ("s", "l"))
        assert torch.equal(narrow[0], weight[5])
        assert torch.equal(narrow, half[:8])
        assert not (half == weight[9]).all(dim=1).any()


def test_neurons_that_add_nothing_can_be_left_out(encoder: Any, texts: list[Ids]) -> None:
    for layer in encoder.encoder.layer:
        layer.output.dense.weight.data[:, ::2] = 0
    expected = vectors(encoder, texts)
    nest(encoder, ["s", "l"], texts)
    assert nearness(encoder, texts, expected, "l", "l") > 0.9999
    assert nearness(encoder, texts, expected, "s", "s") < 0.999


def test_fitted_parts_are_nearer_than_cut_ones(encoder: Any, texts: list[Ids]) -> None:
    expected = vectors(encoder, texts)
    nest(encoder, ["s"], texts)
    fitted = nearness(encoder, texts, expected, "s", "s")
    for layer in encoder.encoder.layer:
        whole, part = layer.intermediate.dense.parts["xl"].weight, layer.intermediate.dense.parts["s"].weight
        kept = [int((whole == row).all(dim=1).nonzero()[0, 0]) for row in part]
        out = layer.output.dense.parts
        out["s"].weight.data, out["s"].bias.data = out["xl"].weight.data[:, kept], out["xl"].bias.data.clone()
    assert 1 - fitted < 0.8 * (1 - nearness(encoder, texts, expected, "s", "s"))


@pytest.mark.parametrize("widths", [("s", "s"), ("s", "l"), ("xl", "xl")])
def test_a_slice_is_a_plain_encoder_with_the_same_vectors(
    encoder: Any, texts: list[Ids], widths: tuple[str, ...]
) -> None:
    nest(encoder, ["s", "l"], texts)
    use(encoder, widths)
    plain = sliced(encoder, widths)
    assert {type(layer.intermediate.dense) for layer in plain.encoder.layer} == {torch.nn.Linear}
    units = {"s": 8, "l": 32, "xl": 64}
    assert [layer.intermediate.dense.out_features for layer in plain.encoder.layer] == [units[name] for name in widths]
    assert (vectors(plain, texts) == vectors(encoder, texts)).all()


def test_only_the_parts_that_are_used_are_trained(encoder: Any, texts: list[Ids]) -> None:
    nest(encoder, ["s", "m"], texts)
    use(encoder, ("s", "m"))
    encoder(input_ids=torch.from_numpy(texts[-1][None, :])).last_hidden_state.square().sum().backward()
    trained = {name for name, value in encoder.named_parameters() if value.grad is not None}
    parts = ("attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm")
    assert {name.rpartition(".")[0] for name in trained} == {
        f"encoder.layer.{layer}.{part}.parts.{width}" for layer, width in enumerate(("s", "m")) for part in parts
    }


def test_layers_have_one_width_or_each_its_own() -> None:
    assert layer_widths("m", 3) == ("m", "m", "m")
    assert layer_widths(["s", "m", "xl"], 3) == ("s", "m", "xl")


@pytest.mark.parametrize(
    ("width", "message"),
    [
        ("xs", "width is 'xs', expected one of s, m, l, xl"),
        (["m", "static"], "width is 'static', expected one of s, m, l, xl"),
        (["m", "s"], "the widths are m, s, expected none below that of the layer before"),
        (["m"], "the widths are m, expected one for each of 2 layers"),
    ],
)
def test_widths_that_layers_cannot_have_are_refused(width: str | list[str], message: str) -> None:
    with pytest.raises(ExportError, match=f"^{re.escape(message)}$"):
        layer_widths(width, 2)
