"""Families of widths of other transformers than BERT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models import make_model
from nestling.arrays import Floats, Ids
from nestling.export.errors import ExportError
from nestling.export.recipe.training import CourseRecipe
from nestling.export.train.distil import distil
from nestling.export.train.family import trunk_of
from nestling.export.train.forms import form_of
from nestling.export.train.nest import layer_widths, nest, sliced, use
from tiny import loaded

LAYERS = 3
COURSE = CourseRecipe(
    passages=60, steps=60, batch=8, warmup=5, distance=10.0, states=5.0, learning_rates={"s": 1e-2}, widths={"s": 1.0}
)


@pytest.fixture(scope="module", params=["bert", "roberta", "xlm-roberta", "modernbert"])
def weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def trunk(weights: Path) -> Any:
    return loaded(weights).trunk


@pytest.fixture(scope="module")
def texts() -> list[Ids]:
    random = np.random.default_rng(0)
    return [random.integers(5, 900, length) for length in np.linspace(3, 100, 60).astype(int)]


def states(model: Any, texts: list[Ids]) -> Floats:
    with torch.inference_mode():
        return np.concatenate([model(input_ids=torch.from_numpy(ids[None])).last_hidden_state[0] for ids in texts])


def test_nesting_leaves_the_widest_as_it_is_and_narrow_widths_near(trunk: Any, texts: list[Ids]) -> None:
    expected = states(trunk, texts)
    nest(trunk, ["s", "l"], texts)
    assert np.allclose(states(trunk, texts), expected, atol=1e-5)
    far = {}
    for width in ("l", "s"):
        use(trunk, layer_widths(width, LAYERS))
        far[width] = float(((states(trunk, texts) - expected) ** 2).mean() / expected.var())
    assert 0 < far["l"] < far["s"] < 1


def test_a_width_is_a_transformer_of_the_sources_own_class(trunk: Any, texts: list[Ids]) -> None:
    kind, whole = type(trunk), states(trunk, texts)
    nest(trunk, ["s"], texts)
    narrow = sliced(trunk, layer_widths("s", LAYERS))
    expected = states(narrow, texts)
    made = trunk_of(trunk, "s", narrow.state_dict())
    assert type(made) is kind
    assert np.allclose(states(made, texts), expected, atol=1e-5)
    assert np.allclose(states(trunk_of(trunk, "xl", sliced(trunk, layer_widths("xl", LAYERS)).state_dict()), texts),
                       whole, atol=1e-5)  # fmt: skip


def test_a_narrow_width_is_trained_towards_the_widest(weights: Path, texts: list[Ids], tmp_path: Path) -> None:
    teacher, student = loaded(weights).trunk, loaded(weights).trunk
    nest(student, ["s"], texts[:20])
    expected = states(teacher, texts)
    use(student, layer_widths("s", LAYERS))
    before = ((states(student, texts) - expected) ** 2).mean()
    distil(student, teacher, texts, COURSE, tmp_path, lambda line: None, seed=0)
    use(student, layer_widths("s", LAYERS))
    assert ((states(student, texts) - expected) ** 2).mean() < 0.98 * before


def test_a_family_of_an_unknown_form_is_refused(tmp_path: Path) -> None:
    trunk = loaded(make_model(tmp_path, "distilbert")).trunk
    with pytest.raises(
        ExportError, match=r"^a family cannot be made of distilbert, expected one of bert, roberta, xlm"
    ):
        form_of(trunk)
