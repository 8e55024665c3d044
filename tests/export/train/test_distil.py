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

from nestling.arrays import Floats, Ids
from nestling.export.encoder.head import Head
from nestling.export.errors import ExportError
from nestling.export.recipe.training import OPTIMIZERS, CourseRecipe, Cut
from nestling.export.train.distil import Compared, distil, risen
from nestling.export.train.nest import nest
from nestling.export.train.students import common
from nestling.export.train.taught import Passages
from tiny import loaded

COURSE = CourseRecipe(
    passages=40, steps=40, batch=8, optimizer="adamw", warmup=5, distance=10.0, states=5.0,
    learning_rates={"s": 2e-2, "m": 2e-2}, widths={"s": 1.0, "m": 0.7},
)  # fmt: skip
CUTS = {"s": Cut((0, 1), 1 / 8), "m": Cut((0, 1), 1 / 4)}
COMPARED = Compared("mean", np.zeros(32, dtype=np.float32), {"s": (0, 1), "m": (0, 1)})
Students = dict[str, Any]


@pytest.fixture
def teacher(tiny: Path) -> Any:
    return loaded(tiny / "weights").trunk


@pytest.fixture
def students(teacher: Any, texts: list[Ids]) -> Students:
    return nest(teacher, CUTS, texts[:8])


def same(texts: list[Ids]) -> Passages:
    """Texts that teacher and students are given alike."""
    return Passages(texts, texts)


def alone(encoder: Any, texts: list[Ids], pooling: str = "mean") -> Floats:
    """The vectors that texts have one by one."""
    with torch.inference_mode():
        states = [encoder(input_ids=torch.from_numpy(ids[None])).last_hidden_state for ids in texts]
        return np.concatenate([Head([pooling])(one).numpy() for one in states])


def nearness(student: Any, teacher: Any, texts: list[Ids], compared: Compared = COMPARED) -> float:
    """Mean cosine to the teacher, with what all have in common taken off."""
    one, other = (alone(encoder, texts, compared.pooling) - compared.mean for encoder in (student, teacher))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(axis=1) / lengths).mean())


def steps_of(folder: Path) -> list[int]:
    """The steps that a course took, those that were taken again as well."""
    return [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_narrow_widths_come_nearer_and_all_else_stays(
    students: Students, teacher: Any, texts: list[Ids], tmp_path: Path, optimizer: str
) -> None:
    before = {width: nearness(student, teacher, texts) for width, student in students.items()}
    kept = {name: value.clone() for name, value in teacher.state_dict().items()}
    lines: list[str] = []
    distil(
        students,
        teacher,
        same(texts),
        replace(COURSE, optimizer=optimizer),
        tmp_path,
        lines.append,
        compared=COMPARED,
        seed=0,
        every=10,
    )
    for width, cosine in before.items():
        assert 1 - nearness(students[width], teacher, texts) < 0.7 * (1 - cosine)
    for name, value in kept.items():
        assert torch.equal(teacher.state_dict()[name], value), name
        for student in students.values():
            if ".attention.self." in name or name.startswith("embeddings"):
                assert student.state_dict()[name].data_ptr() == teacher.state_dict()[name].data_ptr()
    assert len(lines) == 4
    assert lines[0].startswith("step 10 of 40, ")
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == list(range(40))
    assert set(logged[0]["s"]) == {"distance", "states", "neighbours"}
    assert sum("s" in line for line in logged) == 40
    assert 18 < sum("m" in line for line in logged) < 38


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_that_broke_off_ends_with_the_same_weights_and_vectors(
    students: Students, teacher: Any, texts: list[Ids], tmp_path: Path, optimizer: str
) -> None:
    class Stop(Exception):
        pass

    def stop(line: str) -> None:
        if line.startswith("step 2 "):
            raise Stop

    # One pass, so that what was there before is not made again.
    once = replace(COURSE, optimizer=optimizer, steps=len(texts) // COURSE.batch, warmup=2)
    whole, broken = copy.deepcopy(students), copy.deepcopy(students)
    expected = distil(whole, teacher, same(texts), once, tmp_path / "whole", print, compared=COMPARED, seed=0, every=2)
    with pytest.raises(Stop):
        distil(broken, teacher, same(texts), once, tmp_path / "broken", stop, compared=COMPARED, seed=0, every=2)
    anew = copy.deepcopy(students)
    assert (
        distil(anew, teacher, same(texts), once, tmp_path / "broken", print, compared=COMPARED, seed=0, every=2)
        == expected
    ).all()
    assert steps_of(tmp_path / "broken") == list(range(once.steps))
    for width, student in whole.items():
        for name, values in student.state_dict().items():
            assert torch.equal(values, anew[width].state_dict()[name]), name


def test_the_teachers_vectors_come_with_the_training(
    students: Students, teacher: Any, texts: list[Ids], tmp_path: Path
) -> None:
    """Those of padded texts are those that they have alone; a text that no step took has none."""
    taken = len(texts) // COURSE.batch
    found = distil(
        students,
        teacher,
        same(texts),
        replace(COURSE, steps=taken, warmup=2),
        tmp_path / "all",
        print,
        compared=COMPARED,
        seed=0,
    )
    seen = found.any(axis=1)
    assert seen.sum() == taken * COURSE.batch
    assert np.abs(found - alone(teacher, texts))[seen].max() < 1e-5
    once = replace(COURSE, steps=1, warmup=0)
    few = distil(
        copy.deepcopy(students), teacher, same(texts), once, tmp_path / "one", print, compared=COMPARED, seed=0
    )
    assert few.any(axis=1).sum() == COURSE.batch


def test_a_checkpoint_of_another_course_is_refused(
    students: Students, teacher: Any, texts: list[Ids], tmp_path: Path
) -> None:
    short = replace(COURSE, steps=10)
    distil(students, teacher, same(texts), short, tmp_path, print, compared=COMPARED, seed=0)
    other = copy.deepcopy(teacher)
    other.encoder.layer[0].output.dense.bias.data += 1
    wider = nest(teacher, {**CUTS, "m": Cut((0, 1), 1 / 2)}, texts[:8])
    turned = replace(short, widths=dict(reversed(short.widths.items())))
    for of, taught_by, given, course in (
        (students, teacher, texts, COURSE),
        (students, teacher, texts, turned),
        (students, teacher, texts, replace(short, bfloat16=True)),
        (students, teacher, texts[1:], short),
        (students, other, texts, short),
        (wider, teacher, texts, short),
    ):
        with pytest.raises(ExportError) as caught:
            distil(of, taught_by, same(given), course, tmp_path, print, compared=COMPARED, seed=0)
        assert str(caught.value) == (
            f"{tmp_path / 'checkpoint.pt'}: is of another course, seed, student, teacher or other texts; remove it to "
            "begin anew"
        )


def test_a_course_goes_on_from_the_one_before(
    students: Students, teacher: Any, texts: list[Ids], tmp_path: Path
) -> None:
    second = replace(COURSE, optimizer="muon", learning_rates={"s": 5e-3, "m": 5e-3})
    distil(students, teacher, same(texts), COURSE, tmp_path / "first", print, compared=COMPARED, seed=0)
    after = nearness(students["s"], teacher, texts)
    distil(students, teacher, same(texts), second, tmp_path / "second", print, compared=COMPARED, seed=1)
    assert nearness(students["s"], teacher, texts) > after


@pytest.mark.parametrize("own_attention", [True, False])
def test_fewer_layers_come_near_the_first_states_that_are_the_teachers_vectors(
    teacher: Any, texts: list[Ids], tmp_path: Path, own_attention: bool
) -> None:
    students = nest(teacher, {"s": Cut((1,), 1.0, own_attention)}, texts[:8])
    course = replace(COURSE, steps=160, widths={"s": 1.0}, learning_rates={"s": 2e-2})
    compared = Compared("cls", common(teacher, texts, "cls"), {"s": (1,)})
    before = nearness(students["s"], teacher, texts, compared)
    found = distil(
        students,
        teacher,
        same(texts),
        course,
        tmp_path,
        print,
        compared=compared,
        seed=0,
    )
    assert np.abs(found - alone(teacher, texts, "cls"))[found.any(axis=1)].max() < 1e-5
    assert 1 - nearness(students["s"], teacher, texts, compared) < 0.7 * (1 - before)
    name = "attention.self.query.weight"
    mine, theirs = (dict(one.encoder.layer[-1].named_parameters())[name] for one in (students["s"], teacher))
    assert torch.equal(mine, theirs) is not own_attention


def moved(
    students: Students, teacher: Any, texts: list[Ids], course: CourseRecipe, folder: Path, width: str
) -> torch.Tensor:
    """How a matrix of a width changes in a course."""
    trained = copy.deepcopy(students)
    distil(trained, teacher, same(texts), course, folder, print, compared=COMPARED, seed=0)
    before, after = (one[width].encoder.layer[0].intermediate.dense.weight for one in (students, trained))
    return (after - before).detach()


def test_muon_moves_a_matrix_in_all_directions_alike(
    students: Students, teacher: Any, texts: list[Ids], tmp_path: Path
) -> None:
    spread = {}
    for optimizer in OPTIMIZERS:
        step = replace(COURSE, steps=1, warmup=0, optimizer=optimizer)
        values = torch.linalg.svdvals(moved(students, teacher, texts, step, tmp_path / optimizer, "s"))
        spread[optimizer] = float(values[0] / values[-1])
    assert spread["muon"] < 3 < spread["adamw"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_width_has_its_own_learning_rate(
    students: Students, teacher: Any, texts: list[Ids], tmp_path: Path, optimizer: str
) -> None:
    course = replace(
        COURSE, steps=1, warmup=0, optimizer=optimizer, learning_rates={"s": 1e-2, "m": 1e-4}, widths={"s": 1, "m": 1}
    )
    far, near = (moved(students, teacher, texts, course, tmp_path / width, width).abs().mean() for width in ("s", "m"))
    assert 30 < far / near < 300


def test_vectors_that_are_gone_are_missed(students: Students, teacher: Any, texts: list[Ids], tmp_path: Path) -> None:
    distil(students, teacher, same(texts), replace(COURSE, steps=10), tmp_path, print, compared=COMPARED, seed=0)
    (tmp_path / "targets.npy").unlink()
    with pytest.raises(ExportError) as caught:
        distil(students, teacher, same(texts), replace(COURSE, steps=10), tmp_path, print, compared=COMPARED, seed=0)
    assert str(caught.value) == (
        f"{tmp_path / 'targets.npy'}: is not there beside the checkpoint; remove {tmp_path} to begin anew"
    )


def test_too_few_texts_are_refused(students: Students, teacher: Any, texts: list[Ids], tmp_path: Path) -> None:
    message = "0 training texts, expected a batch, 8, or more; give more texts"
    with pytest.raises(ExportError, match=f"^{re.escape(message)}$"):
        distil(students, teacher, same([]), COURSE, tmp_path, print, compared=COMPARED, seed=0)


def test_the_learning_rate_rises_and_falls_to_nothing() -> None:
    rates = [risen(COURSE, step) for step in range(41)]
    assert rates[4] == rates[5] == max(rates) == 1
    assert rates[40] == pytest.approx(0, abs=1e-9)
    assert rates[:5] == sorted(rates[:5])
    assert rates[5:] == sorted(rates[5:], reverse=True)
