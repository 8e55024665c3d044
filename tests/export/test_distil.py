from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nestling.export.activations import Ids
from nestling.export.distil import Course, distil, learning_rate, padded, pooled
from nestling.export.errors import ExportError
from nestling.export.graph import load_model, pool
from nestling.export.nest import hidden_units, importance, nest, use

COURSE = Course(
    steps=40, batch=8, learning_rate=1e-3, warmup=5, widths={"s": 1.0, "xl": 1.0}, dims=(32, 16), neighbours=0.1,
    bits=0.1, every=10, seed=0,
)  # fmt: skip


@pytest.fixture
def teacher(tiny: Path) -> Any:
    return load_model(tiny / "weights")


@pytest.fixture
def student(teacher: Any, texts: list[Ids]) -> Any:
    student = copy.deepcopy(teacher)
    nest(student, importance(student, texts))
    return student


def nearness(student: Any, teacher: Any, texts: list[Ids], width: str) -> float:
    """Mean cosine to the teacher at a width."""
    use(student, hidden_units(width, 2, 64))
    ids, mask = padded(texts)
    with torch.inference_mode():
        found, expected = (
            pooled(model(input_ids=ids, attention_mask=mask).last_hidden_state, mask) for model in (student, teacher)
        )
    return float((found * expected).sum(dim=1).mean())


def test_the_narrow_width_comes_nearer_and_the_full_one_stays(
    student: Any, teacher: Any, texts: list[Ids], tmp_path: Path
) -> None:
    before, table = nearness(student, teacher, texts, "s"), student.embeddings.word_embeddings.weight.clone()
    lines: list[str] = []
    distil(student, teacher, texts, COURSE, tmp_path, lines.append)
    assert 1 - nearness(student, teacher, texts, "s") < 0.5 * (1 - before)
    assert nearness(student, teacher, texts, "xl") > 0.97
    assert (student.embeddings.word_embeddings.weight == table).all()
    assert len(lines) == 4
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == list(range(40))
    assert {line["width"] for line in logged} == {"s", "xl"}


def test_a_run_that_broke_off_ends_with_the_same_weights(
    student: Any, teacher: Any, texts: list[Ids], tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    def stop(line: str) -> None:
        if line.startswith("step 20 "):
            raise Stop

    whole, broken = copy.deepcopy(student), copy.deepcopy(student)
    distil(whole, teacher, texts, COURSE, tmp_path / "whole", print)
    with pytest.raises(Stop):
        distil(broken, teacher, texts, COURSE, tmp_path / "broken", stop)
    anew = copy.deepcopy(student)
    distil(anew, teacher, texts, COURSE, tmp_path / "broken", print)
    for name, values in whole.state_dict().items():
        assert torch.equal(values, anew.state_dict()[name]), name


def test_a_checkpoint_of_another_course_is_refused(
    student: Any, teacher: Any, texts: list[Ids], tmp_path: Path
) -> None:
    short = replace(COURSE, steps=10)
    distil(student, teacher, texts, short, tmp_path, print)
    for course, given in ((COURSE, texts), (short, texts[1:])):
        with pytest.raises(ExportError) as caught:
            distil(student, teacher, given, course, tmp_path, print)
        assert str(caught.value) == (
            f"{tmp_path / 'checkpoint.pt'}: is of another course or other texts; remove it to begin anew"
        )


def test_too_few_texts_are_refused(student: Any, teacher: Any, texts: list[Ids], tmp_path: Path) -> None:
    message = "0 training texts, expected a batch of 8 or more"
    with pytest.raises(ExportError, match=f"^{re.escape(message)}$"):
        distil(student, teacher, [], COURSE, tmp_path, print)
    with pytest.raises(ExportError, match=r"^width is 'xs', expected one of s, m, l, xl$"):
        distil(student, teacher, texts, replace(COURSE, widths={"xs": 1.0}), tmp_path, print)


def test_a_padded_text_has_the_vector_that_it_has_alone(teacher: Any, texts: list[Ids]) -> None:
    ids, mask = padded(texts)
    with torch.inference_mode():
        together = pooled(teacher(input_ids=ids, attention_mask=mask).last_hidden_state, mask).numpy()
        alone = np.stack(
            [pool(teacher(input_ids=torch.from_numpy(t[None])).last_hidden_state, "mean")[0].numpy() for t in texts]
        )
    assert np.abs(together - alone).max() < 1e-5


def test_the_learning_rate_rises_and_falls_to_nothing() -> None:
    rates = [learning_rate(COURSE, step) for step in range(41)]
    assert rates[4] == rates[5] == max(rates) == COURSE.learning_rate
    assert rates[40] == pytest.approx(0, abs=1e-9)
    assert rates[:5] == sorted(rates[:5])
    assert rates[5:] == sorted(rates[5:], reverse=True)
