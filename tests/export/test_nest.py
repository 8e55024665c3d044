from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nestling.export.activations import Floats, Ids
from nestling.export.errors import ExportError
from nestling.export.graph import load_model, pool
from nestling.export.nest import hidden_units, importance, nest, sliced, use


@pytest.fixture
def encoder(tiny: Path) -> Any:
    return load_model(tiny / "weights")


def vectors(model: Any, texts: Sequence[Ids]) -> Floats:
    with torch.inference_mode():
        rows = [pool(model(input_ids=torch.from_numpy(ids[None, :])).last_hidden_state, "mean")[0] for ids in texts]
    return np.stack([row.numpy() for row in rows])


def test_nesting_changes_no_vector(encoder: Any, texts: list[Ids]) -> None:
    expected = vectors(encoder, texts)
    nest(encoder, importance(encoder, texts))
    assert np.abs(vectors(encoder, texts) - expected).max() < 1e-5


def test_the_important_neurons_come_first(encoder: Any, texts: list[Ids]) -> None:
    for layer in encoder.encoder.layer:
        layer.output.dense.weight.data[:, 5] *= 100
        layer.output.dense.weight.data[:, 9] = 0
    nest(encoder, importance(encoder, texts))
    for found in importance(encoder, texts):
        assert (np.diff(found) <= 1e-6).all()
        assert found[0] > 2 * found[1]
        assert found[-1] == 0


def test_neurons_that_add_nothing_can_be_left_out(encoder: Any, texts: list[Ids]) -> None:
    for layer in encoder.encoder.layer:
        layer.output.dense.weight.data[:, ::2] = 0
    expected = vectors(encoder, texts)
    nest(encoder, importance(encoder, texts))
    use(encoder, (32, 32))
    assert np.abs(vectors(encoder, texts) - expected).max() < 1e-5
    use(encoder, (16, 32))
    assert np.abs(vectors(encoder, texts) - expected).max() > 1e-3


@pytest.mark.parametrize("units", [(8, 8), (8, 32), (64, 64)])
def test_a_slice_is_a_plain_encoder_with_the_same_vectors(
    encoder: Any, texts: list[Ids], units: tuple[int, ...]
) -> None:
    nest(encoder, importance(encoder, texts))
    use(encoder, units)
    plain = sliced(encoder, units)
    kinds = {type(layer.intermediate.dense) for layer in plain.encoder.layer}
    assert kinds == {torch.nn.Linear}
    assert tuple(layer.intermediate.dense.out_features for layer in plain.encoder.layer) == units
    assert (vectors(plain, texts) == vectors(encoder, texts)).all()


def test_only_what_is_used_is_trained(encoder: Any, texts: list[Ids]) -> None:
    nest(encoder, importance(encoder, texts))
    use(encoder, (8, 16))
    encoder(input_ids=torch.from_numpy(texts[-1][None, :])).last_hidden_state.square().sum().backward()
    for layer, count in zip(encoder.encoder.layer, (8, 16), strict=True):
        gradient = layer.intermediate.dense.weight.grad
        assert gradient[:count].abs().sum() > 0
        assert gradient[count:].abs().sum() == 0


def test_widths_are_shares_of_the_hidden_neurons() -> None:
    assert [hidden_units(width, 2, 1536) for width in ("s", "m", "l", "xl")] == [
        (192, 192), (384, 384), (768, 768), (1536, 1536),
    ]  # fmt: skip
    assert hidden_units([192, 384], 2, 1536) == (192, 384)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ("xs", "width is 'xs', expected one of s, m, l, xl"),
        ([384, 192], "the plan is [384, 192], expected numbers that never fall from one layer to the next"),
        ([384], "the plan is [384], expected 2 numbers from 1 to 1536"),
        ([0, 384], "the plan is [0, 384], expected 2 numbers from 1 to 1536"),
        ([384, 1537], "the plan is [384, 1537], expected 2 numbers from 1 to 1536"),
    ],
)
def test_a_plan_that_is_none_is_refused(plan: str | list[int], message: str) -> None:
    with pytest.raises(ExportError, match=f"^{re.escape(message)}$"):
        hidden_units(plan, 2, 1536)
