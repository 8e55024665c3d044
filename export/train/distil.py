"""Narrow students after their teacher: all widths in one run.

Each step takes one batch, of which the teacher tells the vectors and the state of every token behind every layer. They
are the targets of all widths, so that these share one space, and its prefixes and signs with it: those are what the
rotation is for, see `targets.fitted_rotation`. Each layer of a student is told what its own layer of the teacher gives.
Vectors are compared with the mean of many taken off: what all of them have in common tells no text from another, and
is most of a vector where cosines are narrow.

A run that breaks off goes on from its last checkpoint and ends with the same weights.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch

from ...arrays import Floats, Ids
from ...disk import replacing
from ..errors import ExportError
from ..recipe.training import CourseRecipe
from ..steps import Say
from .losses import distance, neighbours
from .schedule import cosine
from .taught import Passages

CHECKPOINT, LOG, TARGETS = "checkpoint.pt", "log.jsonl", "targets.npy"

# Batches are cut from pools of so many that are sorted by length, so that little is padded.
_POOL = 64

Optimizers = Sequence[torch.optim.Optimizer]


@dataclass(frozen=True, eq=False)
class Compared:
    """What is compared of teacher and students.

    Attributes:
        pooling: of the last states to a vector, `mean` or `cls`.
        mean: (dim,) float32, what the teacher's vectors have in common.
        layers: by width, which of the teacher's layers its own stand for, counted from 0.
    """

    pooling: str
    mean: Floats
    layers: Mapping[str, Sequence[int]]


class Batch(NamedTuple):
    """Some texts.

    Attributes:
        ids, mask: (n, tokens) int64.
        same: (n,) bool, where teacher and students are given the same tokens.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    same: torch.Tensor


def distil(
    students: Mapping[str, Any],
    teacher: Any,
    texts: Passages,
    course: CourseRecipe,
    folder: Path,
    say: Say,
    *,
    compared: Compared,
    seed: int,
    every: int = 100,
) -> Floats:
    """Train narrow encoders in place.

    Args:
        students: by width, see `nest.nest`; what they share with the teacher stays as it is.
        teacher: the transformers encoder that they were made of.
        texts: what is trained on.
        course: how it is trained.
        folder: where the checkpoint, the log and the teacher's vectors are kept.
        say: told how it goes, a line a checkpoint.
        compared: what is compared of teacher and students.
        seed: of the order of texts, and of which widths a batch trains.
        every: steps between checkpoints.

    Returns:
        The teacher's vectors of the texts, (n, dim) float32, unit rows; nothing but zeros for a text that no step took.

    Raises:
        ExportError: there are too few texts for a batch, or the checkpoint is of another course, seed, student, teacher
            or other texts.
    """
    students = {width: students[width] for width in course.widths}
    count = len(texts.ids)
    if count < course.batch:
        raise ExportError(f"{count} training texts, expected a batch, {course.batch}, or more; give more texts")
    optimizers = [
        optimizer
        for width in course.widths
        for optimizer in _optimizers(
            list(_trained(students[width]).values()), course.optimizer, course.learning_rates[width]
        )
    ]
    what = _identity(course, compared, seed, texts, students, teacher)
    first = _resumed(folder / CHECKPOINT, what, students, optimizers)
    targets = _opened(folder / TARGETS, (count, teacher.config.hidden_size), resumed=first > 0)
    begin, tokens = time.perf_counter(), 0
    for step, rows in _batches(texts.ids, course, seed, first):
        given, taught = ([one[row] for row in rows] for one in texts)
        # Tokens can be compared where both are given the same ones.
        same = torch.tensor([np.array_equal(one, other) for one, other in zip(given, taught, strict=True)])
        batch = Batch(*padded(given), same)
        expected = _taught(teacher, Batch(*padded(taught), same), compared.pooling, course.bfloat16)
        targets[rows] = expected.vectors.numpy()
        _set_rates(optimizers, risen(course, step))
        losses = {}
        for width in _drawn(course, Random(f"{seed} {step}")):
            losses[width] = _backward(students[width], course, batch, expected, compared, width)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        line = json.dumps({"step": step, **losses})
        with (folder / LOG).open("a") as log:
            log.write(line + "\n")
        tokens += int(batch.mask.sum())
        done = step + 1
        if done % every == 0 or done == course.steps:
            targets.flush()
            _keep(folder / CHECKPOINT, what, students, optimizers, done)
            took = time.perf_counter() - begin
            left = took / (done - first) * (course.steps - done) / 60
            speed = tokens / took
            say(f"step {done} of {course.steps}, {left:.0f} minutes left, {speed:,.0f} tokens a second: {line}")
    return np.asarray(targets)


def risen(course: CourseRecipe, step: int) -> float:
    """What part of its highest a learning rate is: it rises for `warmup` steps and falls to nothing as a cosine."""
    if step < course.warmup:
        return (step + 1) / course.warmup
    return cosine(1.0, (step - course.warmup) / max(1, course.steps - course.warmup))


def padded(batch: Sequence[Ids]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (n, tokens) int64 and mask (n, tokens) of texts of several lengths."""
    longest = max(map(len, batch))
    ids, mask = np.zeros((len(batch), longest), dtype=np.int64), np.zeros((len(batch), longest), dtype=np.int64)
    for row, text in enumerate(batch):
        ids[row, : len(text)], mask[row, : len(text)] = text, 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


class Told(NamedTuple):
    """What an encoder gives for some texts.

    Attributes:
        states: behind each layer, (tokens, dim) float32 of the texts that teacher and students are given alike.
        vectors: (n, dim) float32 of all texts, unit rows: the last states' means or the first ones.
    """

    states: list[torch.Tensor]
    vectors: torch.Tensor


def told(encoder: Any, batch: Batch, pooling: str) -> Told:
    """What an encoder gives for a batch."""
    found = encoder(input_ids=batch.ids, attention_mask=batch.mask, output_hidden_states=True)
    states, weights = found.last_hidden_state.float(), batch.mask[..., None].float()
    pooled = states[:, 0] if pooling == "cls" else (states * weights).sum(dim=1) / weights.sum(dim=1)
    compared = batch.mask.bool() & batch.same[:, None]
    # Of the last layer what comes out in the end, since some kinds have a norm behind it.
    layers = [behind[compared].float() for behind in (*found.hidden_states[1:-1], states)]
    return Told(layers, torch.nn.functional.normalize(pooled, dim=1))


def _taught(teacher: Any, batch: Batch, pooling: str, bfloat16: bool) -> Told:
    """What the teacher gives for a batch, as tensors that a student may be trained on."""
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        found = told(teacher, batch, pooling)
    return Told([states.clone() for states in found.states], found.vectors.clone())


def _drawn(course: CourseRecipe, random: Random) -> list[str]:
    """The widths whose turn it is."""
    return [width for width, share in course.widths.items() if random.random() < share]


def _backward(
    student: Any,
    course: CourseRecipe,
    batch: Batch,
    taught: Told,
    compared: Compared,
    width: str,
) -> dict[str, float]:
    """Give a student's weights the gradients of a batch; what it lost, by kind."""
    with torch.autocast("cpu", torch.bfloat16, enabled=course.bfloat16):
        found = told(student, batch, compared.pooling)
    mean = torch.from_numpy(compared.mean)
    vectors, expected = found.vectors - mean, taught.vectors - mean
    pairs = zip(found.states, [taught.states[layer] for layer in compared.layers[width]], strict=True)
    states = [distance(one, other) if len(one) else one.sum() for one, other in pairs]
    losses = {
        "distance": distance(vectors, expected),
        "states": torch.stack(states).mean(),
        "neighbours": neighbours(vectors, expected),
    }
    total = course.distance * losses["distance"] + course.states * losses["states"] + losses["neighbours"]
    total.backward()  # type: ignore[no-untyped-call]
    return {name: round(loss.item(), 5) for name, loss in losses.items()}


def _set_rates(optimizers: Optimizers, part: float) -> None:
    """Give all weights a part of their highest learning rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * part


def _trained(student: Any) -> dict[str, Any]:
    """The weights of a student that are its own, by name."""
    return {name: value for name, value in student.named_parameters() if value.requires_grad}


def _optimizers(values: Sequence[Any], kind: str, rate: float) -> list[torch.optim.Optimizer]:
    """What trains some weights. Muon is for matrices alone (Jordan 2024): AdamW takes the rest beside it.

    After as many steps Muon leaves a narrow width nearer to its teacher: in 250 steps of s, .166 away instead of .177.
    """
    matrices, others = ([value for value in values if (value.ndim == 2) is matrix] for matrix in (True, False))
    if kind == "adamw":
        found: list[torch.optim.Optimizer] = [_adamw(values, rate)]
    else:
        muon = torch.optim.Muon(matrices, lr=rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
        found = [muon, _adamw(others, rate)]
    for optimizer in found:
        for group in optimizer.param_groups:
            group["initial_lr"] = rate
    return found


def _adamw(values: Sequence[Any], rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(values, lr=rate, betas=(0.9, 0.98), weight_decay=0.0)


def _identity(
    course: CourseRecipe,
    compared: Compared,
    seed: int,
    texts: Passages,
    students: Mapping[str, Any],
    teacher: Any,
) -> str:
    """What a checkpoint belongs to, as a hash; the order of the course's widths is part of it."""
    layers = {width: list(numbers) for width, numbers in compared.layers.items()}
    settings = {**asdict(course), "pooling": compared.pooling, "layers": layers, "seed": seed}
    digest = hashlib.sha256(json.dumps(settings).encode() + compared.mean.tobytes())
    for width, student in students.items():
        for name, value in _trained(student).items():
            digest.update(f"{width} {name} {tuple(value.shape)}\n".encode())
    for text in [*texts.ids, *texts.taught]:
        digest.update(text.tobytes())
        digest.update(b".")
    for _, values in sorted(teacher.state_dict().items()):
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()


def _batches(texts: Sequence[Ids], course: CourseRecipe, seed: int, first: int) -> Iterator[tuple[int, list[int]]]:
    """Batches of the steps from `first` on; which texts a step has depends on the seed alone."""
    a_pass = len(texts) // course.batch
    for number in range(first // a_pass, -(-course.steps // a_pass)):
        random = np.random.default_rng([seed, number])
        order = random.permutation(len(texts))[: a_pass * course.batch]
        batches = []
        for begin in range(0, len(order), _POOL * course.batch):
            pool = sorted(order[begin : begin + _POOL * course.batch], key=lambda row: len(texts[row]))
            batches += [pool[start : start + course.batch] for start in range(0, len(pool), course.batch)]
        random.shuffle(batches)
        for step, rows in enumerate(batches, start=number * a_pass):
            if first <= step < course.steps:
                yield step, rows


def _opened(path: Path, shape: tuple[int, int], resumed: bool) -> Any:
    """The teacher's vectors as a file that is written to, (n, dim) float32: a new one, or that of a resumed course."""
    if resumed and not path.exists():
        raise ExportError(f"{path}: is not there beside the checkpoint; remove {path.parent} to begin anew")
    return np.lib.format.open_memmap(path, "r+" if resumed else "w+", np.float32, shape)


def _keep(path: Path, what: str, students: Mapping[str, Any], optimizers: Optimizers, step: int) -> None:
    moments = [optimizer.state_dict() for optimizer in optimizers]
    trained = {width: {name: value.data for name, value in _trained(one).items()} for width, one in students.items()}
    state = {"what": what, "step": step, "students": trained, "optimizers": moments}
    with replacing(path) as unfinished:
        torch.save(state, unfinished)


def _resumed(path: Path, what: str, students: Mapping[str, Any], optimizers: Optimizers) -> int:
    """Take up a checkpoint where there is one; the step to go on with."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return 0
    state = torch.load(path, weights_only=True)
    if state["what"] != what:
        raise ExportError(
            f"{path}: is of another course, seed, student, teacher or other texts; remove it to begin anew"
        )
    for width, student in students.items():
        student.load_state_dict(state["students"][width], strict=False)
    for optimizer, moments in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(moments)
    return int(state["step"])
