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

from nestling.export.activations import Floats, Ids
from nestling.export.distil import Course, distil, learning_rate, padded, vectors
from nestling.export.errors import ExportError
from nestling.export.graph import load_model, pool
from nestling.export.nest import nest, read_plan, use

TURN = np.linalg.qr(np.random.default_rng(0).standard_normal((32, 32)))[0].astype(np.float32)
COURSE = Course(
    steps=40, batch=8, learning_rate=2e-2, warmup=5, widths={"s": 1.0, "m": 1.0}, distance=10.0,
    every=10, seed=0,
)  # fmt: skip


@pytest.fixture
def teacher(tiny: Path) -> Any:
    return load_model(tiny / "weights")


@pytest.fixture
def targets(teacher: Any, texts: list[Ids]) -> Floats:
    """The teacher's vectors, turned."""
    ids, mask = padded(texts)
    teacher.rotation = torch.from_numpy(TURN)
    with torch.inference_mode():
        return vectors(teacher, ids, mask).numpy()


@pytest.fixture
def student(teacher: Any, texts: list[Ids]) -> Any:
    student = copy.deepcopy(teacher)
    nest(student, ["s", "m"], texts[:8], TURN)
    return student


def nearness(student: Any, texts: list[Ids], targets: Floats, width: str) -> float:
    """Mean cosine to the targets at a width."""
    use(student, read_plan(width, 2))
    ids, mask = padded(texts)
    with torch.inference_mode():
        return float((vectors(student, ids, mask).numpy() * targets).sum(axis=1).mean())


def test_narrow_widths_come_nearer_and_all_else_stays(
    student: Any, texts: list[Ids], targets: Floats, tmp_path: Path
) -> None:
    before = {width: nearness(student, texts, targets, width) for width in ("s", "m")}
    shared = {
        name: value.clone() for name, value in student.state_dict().items() if not re.search(r"parts\.[sm]", name)
    }
    lines: list[str] = []
    distil(student, texts, targets, COURSE, tmp_path, lines.append)
    for width, cosine in before.items():
        assert 1 - nearness(student, texts, targets, width) < 0.7 * (1 - cosine)
    assert nearness(student, texts, targets, "xl") > 0.99999
    for name, value in shared.items():
        assert torch.equal(student.state_dict()[name], value), name
    assert len(lines) == 4
    assert lines[0].startswith("step 10 of 40, ")
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == list(range(40))
    assert {line["width"] for line in logged} == {"s", "m"}
    assert set(logged[0]) == {"step", "width", "distance", "neighbours"}


def test_a_run_that_broke_off_ends_with_the_same_weights(
    student: Any, texts: list[Ids], targets: Floats, tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    def stop(line: str) -> None:
        if line.startswith("step 20 "):
            raise Stop

    whole, broken = copy.deepcopy(student), copy.deepcopy(student)
    distil(whole, texts, targets, COURSE, tmp_path / "whole", print)
    with pytest.raises(Stop):
        distil(broken, texts, targets, COURSE, tmp_path / "broken", stop)
    anew = copy.deepcopy(student)
    distil(anew, texts, targets, COURSE, tmp_path / "broken", print)
    for name, values in whole.state_dict().items():
        assert torch.equal(values, anew.state_dict()[name]), name


def test_a_checkpoint_of_another_course_is_refused(
    student: Any, texts: list[Ids], targets: Floats, tmp_path: Path
) -> None:
    short = replace(COURSE, steps=10)
    distil(student, texts, targets, short, tmp_path, print)
    for course, given, wanted in ((COURSE, texts, targets), (short, texts[1:], targets[1:]), (short, texts, -targets)):
        with pytest.raises(ExportError) as caught:
            distil(student, given, wanted, course, tmp_path, print)
        assert str(caught.value) == (
            f"{tmp_path / 'checkpoint.pt'}: is of another course, other texts or other targets; remove it to begin anew"
        )


def test_too_few_texts_are_refused(student: Any, texts: list[Ids], targets: Floats, tmp_path: Path) -> None:
    message = "0 training texts, expected a batch of 8 or more"
    with pytest.raises(ExportError, match=f"^{re.escape(message)}$"):
        distil(student, [], targets, COURSE, tmp_path, print)
    with pytest.raises(ExportError, match=r"^width is 'xs', expected one of s, m, l, xl$"):
        distil(student, texts, targets, replace(COURSE, widths={"xs": 1.0}), tmp_path, print)


def test_a_padded_text_has_the_vector_that_it_has_alone(teacher: Any, texts: list[Ids], targets: Floats) -> None:
    with torch.inference_mode():
        alone = np.stack(
            [pool(teacher(input_ids=torch.from_numpy(t[None])).last_hidden_state, "mean")[0].numpy() for t in texts]
        )
    assert np.abs(targets - alone @ TURN).max() < 1e-5


def test_the_learning_rate_rises_and_falls_to_nothing() -> None:
    rates = [learning_rate(COURSE, step) for step in range(41)]
    assert rates[4] == rates[5] == max(rates) == COURSE.learning_rate
    assert rates[40] == pytest.approx(0, abs=1e-9)
    assert rates[:5] == sorted(rates[:5])
    assert rates[5:] == sorted(rates[5:], reverse=True)
