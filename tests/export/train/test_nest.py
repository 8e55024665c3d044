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
from nestling.export.recipe.training import Cut
from nestling.export.train.nest import nest
from tiny import loaded

MESSAGE = "layers of s names 2, the source's are 0 to 1"
S, L = Cut((0, 1), 1 / 8), Cut((0, 1), 1 / 2)


@pytest.fixture
def encoder(tiny: Path) -> Any:
    return loaded(tiny / "weights").trunk


def vectors(model: Any, texts: Sequence[Ids]) -> Floats:
    with torch.inference_mode():
        rows = [Head(["mean"])(model(input_ids=torch.from_numpy(ids[None, :])).last_hidden_state)[0] for ids in texts]
    return np.stack([row.numpy() for row in rows])


def nearness(model: Any, texts: Sequence[Ids], expected: Floats) -> float:
    return float((vectors(model, texts) * expected).sum(axis=1).mean())


def test_nesting_leaves_the_widest_as_it_is(encoder: Any, texts: list[Ids]) -> None:
    expected, layers = vectors(encoder, texts), encoder.config.num_hidden_layers
    nest(encoder, {"s": Cut((1,), 1 / 8)}, texts)
    assert (vectors(encoder, texts) == expected).all()
    assert encoder.config.num_hidden_layers == len(encoder.encoder.layer) == layers


def test_the_most_important_neurons_are_kept(encoder: Any, texts: list[Ids]) -> None:
    before = [layer.intermediate.dense.weight.clone() for layer in encoder.encoder.layer]
    for layer in encoder.encoder.layer:
        layer.output.dense.weight.data[:, 5] *= 100
        layer.output.dense.weight.data[:, 9] = 0
    narrow = nest(encoder, {"s": S, "l": L}, texts)
    for number, weight in enumerate(before):
        few, half = (narrow[width].encoder.layer[number].intermediate.dense.weight for width in ("s", "l"))
        assert torch.equal(few[0], weight[5])
        assert torch.equal(few, half[:8])
        assert not (half == weight[9]).all(dim=1).any()


def test_neurons_that_add_nothing_can_be_left_out(encoder: Any, texts: list[Ids]) -> None:
    for layer in encoder.encoder.layer:
        layer.output.dense.weight.data[:, ::2] = 0
    expected = vectors(encoder, texts)
    narrow = nest(encoder, {"s": S, "l": L}, texts)
    assert nearness(narrow["l"], texts, expected) > 0.9999
    assert nearness(narrow["s"], texts, expected) < 0.999


def test_a_layer_that_adds_nothing_can_be_left_out(encoder: Any, texts: list[Ids]) -> None:
    first = encoder.encoder.layer[0]
    for dense in (first.attention.output.dense, first.output.dense):
        dense.weight.data[:], dense.bias.data[:] = 0, 0
    expected = vectors(encoder, texts)
    narrow = nest(encoder, {"s": Cut((1,), 1.0), "m": Cut((0,), 1.0)}, texts)
    assert nearness(narrow["s"], texts, expected) > 0.999
    assert nearness(narrow["m"], texts, expected) < 0.99
    assert [len(one.encoder.layer) for one in narrow.values()] == [1, 1]


def test_fitted_parts_are_nearer_than_cut_ones(encoder: Any, texts: list[Ids]) -> None:
    expected = vectors(encoder, texts)
    narrow = nest(encoder, {"s": S}, texts)["s"]
    fitted = nearness(narrow, texts, expected)
    for mine, whole in zip(narrow.encoder.layer, encoder.encoder.layer, strict=True):
        kept = [
            int((whole.intermediate.dense.weight == row).all(dim=1).nonzero()[0, 0])
            for row in mine.intermediate.dense.weight
        ]
        mine.output.dense.weight.data = whole.output.dense.weight.data[:, kept]
        mine.output.dense.bias.data = whole.output.dense.bias.data.clone()
    assert 1 - fitted < 0.8 * (1 - nearness(narrow, texts, expected))


@pytest.mark.parametrize("own_attention", [True, False])
def test_only_what_is_a_widths_own_is_trained(encoder: Any, texts: list[Ids], own_attention: bool) -> None:
    narrow = nest(encoder, {"s": Cut((1,), 1 / 8, own_attention)}, texts)["s"]
    narrow(input_ids=torch.from_numpy(texts[-1][None, :])).last_hidden_state.square().sum().backward()
    trained = {name.rpartition(".")[0] for name, value in narrow.named_parameters() if value.grad is not None}
    parts = {"attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"}
    if own_attention:
        parts |= {"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"}
    assert trained == {f"encoder.layer.0.{part}" for part in parts}
    assert all(value.grad is None for value in encoder.parameters())


def test_layers_that_there_are_not_are_refused(encoder: Any, texts: list[Ids]) -> None:
    with pytest.raises(ExportError, match=f"^{re.escape(MESSAGE)}$"):
        nest(encoder, {"s": Cut((0, 2), 1.0)}, texts)
