"""Families of widths of other transformers than BERT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models import make_model
from nestling.arrays import Floats, Ids
from nestling.export.errors import ExportError
from nestling.export.recipe.training import CourseRecipe, Cut
from nestling.export.train.distil import Compared, distil
from nestling.export.train.family import trunk_of
from nestling.export.train.forms import form_of
from nestling.export.train.nest import nest
from nestling.export.train.taught import Passages
from tiny import loaded

S, L = Cut((0, 1, 2), 1 / 8), Cut((0, 1, 2), 1 / 2)
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
    narrow = nest(trunk, {"s": S, "l": L}, texts)
    assert np.allclose(states(trunk, texts), expected, atol=1e-5)
    far = {
        width: float(((states(one, texts) - expected) ** 2).mean() / expected.var()) for width, one in narrow.items()
    }
    assert 0 < far["l"] < far["s"] < 1


def test_a_width_is_a_transformer_of_the_sources_own_class(trunk: Any, texts: list[Ids]) -> None:
    kind, whole = type(trunk), states(trunk, texts)
    cut = S if kind.__name__ == "ModernBertModel" else Cut((0, 2), 1 / 2)
    narrow = nest(trunk, {"s": cut}, texts)["s"]
    made = trunk_of(trunk, cut, narrow.state_dict())
    assert type(made) is kind
    assert np.allclose(states(made, texts), states(narrow, texts), atol=1e-5)
    assert np.allclose(states(trunk_of(trunk, None, trunk.state_dict()), texts), whole, atol=1e-5)


def test_layers_that_are_not_alike_are_not_left_out(tmp_path: Path, texts: list[Ids]) -> None:
    trunk = loaded(make_model(tmp_path, "modernbert")).trunk
    with pytest.raises(ExportError, match=r"^layers of s leaves some out, expected all of a source whose layers are"):
        nest(trunk, {"s": Cut((0, 2), 1.0)}, texts)


def test_a_narrow_width_is_trained_towards_the_widest(weights: Path, texts: list[Ids], tmp_path: Path) -> None:
    teacher = loaded(weights).trunk
    students = nest(teacher, {"s": S}, texts[:20])
    # Random weights give all texts nearly one vector: with that taken off nothing would be left but noise.
    compared = Compared("mean", np.zeros(teacher.config.hidden_size, dtype=np.float32), {"s": S.layers})
    distil(students, teacher, Passages(texts, texts), COURSE, tmp_path, lambda line: None, compared=compared, seed=0)
    lines = [json.loads(line)["s"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    lost = [COURSE.distance * line["distance"] + COURSE.states * line["states"] for line in lines]
    assert np.mean(lost[-10:]) < 0.9 * np.mean(lost[:3])


def test_a_family_of_an_unknown_form_is_refused() -> None:
    with pytest.raises(
        ExportError, match=r"^a family cannot be made of distilbert, expected one of bert, roberta, xlm"
    ):
        form_of("distilbert")
