"""A nested student after its teacher: all widths in one run.

Each step takes one batch, of which the teacher tells the vectors and the state of every token. They are the targets of
all widths, so that these share one space, and its prefixes and signs with it: those are what the rotation is for, see
`targets.fitted_rotation`. In short trials losses on prefixes and bits of its own took width l away from its teacher on
texts that were held out; the states of tokens, which are many more targets than a vector a text, brought s nearer.

A run that breaks off goes on from its last checkpoint and ends with the same weights.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from ..errors import ExportError
from ..quantize.activations import Floats, Ids
from ..recipe.recipe import CourseRecipe
from ..steps import Say
from .losses import distance, neighbours
from .nest import read_plan, use
from .schedule import cosine

CHECKPOINT, LOG, TARGETS = "checkpoint.pt", "log.jsonl", "targets.npy"

# Batches are cut from pools of so many that are sorted by length, so that little is padded.
_POOL = 64


def distil(
    student: Any,
    teacher: Any,
    texts: Sequence[Ids],
    course: CourseRecipe,
    folder: Path,
    say: Say,
    *,
    seed: int,
    every: int = 100,
) -> Floats:
    """Train a nested student in place.

    Args:
        student: nested, see `nest.nest`; what its narrow widths share with the widest stays as it is.
        teacher: the transformers encoder that it was made of.
        texts: token ids of the training texts, (n,) int64 each, special tokens included.
        course: how it is trained.
        folder: where the checkpoint, the log and the teacher's vectors are kept.
        say: told how it goes, a line a checkpoint.
        seed: of the order of texts, and of which widths a batch trains.
        every: steps between checkpoints.

    Returns:
        The teacher's vectors of the texts, (n, dim) float32, unit rows; nothing but zeros for a text that no step took.

    Raises:
        ExportError: there are too few texts for a batch, or the checkpoint is of another course, seed, student, teacher
            or other texts.
    """
    if len(texts) < course.batch:
        raise ExportError(f"{len(texts)} training texts, expected a batch, {course.batch}, or more; give more texts")
    layers = len(student.encoder.layer)
    plans = {width: read_plan(width, layers) for width in course.widths}
    optimizers = [
        optimizer
        for width, values in _trained(student, list(course.widths)).items()
        for optimizer in _optimizers(values, course.optimizer, course.learning_rates[width])
    ]
    what = _named(course, seed, texts, student, teacher)
    first = _resumed(folder / CHECKPOINT, what, student, optimizers)
    shape = (len(texts), teacher.config.hidden_size)
    if first and not (folder / TARGETS).exists():
        raise ExportError(f"{folder / TARGETS}: is not there beside the checkpoint; remove {folder} to begin anew")
    targets = np.lib.format.open_memmap(folder / TARGETS, "r+" if first else "w+", np.float32, shape)
    begin, tokens = time.perf_counter(), 0
    for step, rows in _batches(texts, course, seed, first):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * risen(course, step)
        ids, mask = padded([texts[row] for row in rows])
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=course.bfloat16):
            known, expected = vectors(teacher, ids, mask)
        known, expected = known.clone(), expected.clone()
        targets[rows] = expected.numpy()
        student.zero_grad(set_to_none=True)
        random, line = Random(f"{seed} {step}"), dict[str, Any](step=step)
        for width, plan in plans.items():
            if random.random() >= course.widths[width]:
                continue
            use(student, plan)
            with torch.autocast("cpu", torch.bfloat16, enabled=course.bfloat16):
                states, found = vectors(student, ids, mask)
            losses = {
                "distance": distance(found, expected),
                "states": distance(states, known),
                "neighbours": neighbours(found, expected),
            }
            total = course.distance * losses["distance"] + course.states * losses["states"] + losses["neighbours"]
            total.backward()  # type: ignore[no-untyped-call]
            line[width] = {name: round(loss.item(), 5) for name, loss in losses.items()}
        for optimizer in optimizers:
            optimizer.step()
        tokens += int(mask.sum())
        with (folder / LOG).open("a") as log:
            log.write(json.dumps(line) + "\n")
        if (step + 1) % every == 0 or step + 1 == course.steps:
            targets.flush()
            _keep(folder / CHECKPOINT, what, student, optimizers, step + 1)
            took = time.perf_counter() - begin
            left = took / (step + 1 - first) * (course.steps - step - 1) / 60
            done = f"step {step + 1} of {course.steps}, {left:.0f} minutes left, {tokens / took:,.0f} tokens a second"
            say(f"{done}: {json.dumps(line)}")
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


def vectors(encoder: Any, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The states of texts' tokens, (tokens, dim) float32, and the texts' vectors, (n, dim): their means, made unit."""
    states = encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
    weights = mask[..., None].float()
    mean = (states * weights).sum(dim=1) / weights.sum(dim=1)
    return states[mask.bool()], torch.nn.functional.normalize(mean, dim=1)


def _trained(student: Any, widths: Sequence[str]) -> dict[str, list[Any]]:
    """The weights of each width; those that several share are the first one's, whose learning rate they have."""
    taken: set[int] = set()
    found: dict[str, list[Any]] = {}
    for width in widths:
        named = student.named_parameters(remove_duplicate=False)
        own = [value for name, value in named if f".parts.{width}." in name and value.requires_grad]
        found[width] = [value for value in own if id(value) not in taken]
        taken.update(map(id, own))
    return found


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


def _named(course: CourseRecipe, seed: int, texts: Sequence[Ids], student: Any, teacher: Any) -> str:
    """What a checkpoint belongs to: the order of the course's widths and what the student's share are part of it."""
    digest = hashlib.sha256(json.dumps({**asdict(course), "seed": seed}).encode())
    first: dict[int, str] = {}
    for name, value in student.named_parameters(remove_duplicate=False):
        digest.update(f"{name} {first.setdefault(id(value), name)}\n".encode())
    for text in texts:
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
        rows = []
        for begin in range(0, len(order), _POOL * course.batch):
            pool = sorted(order[begin : begin + _POOL * course.batch], key=lambda place: len(texts[place]))
            rows += [pool[start : start + course.batch] for start in range(0, len(pool), course.batch)]
        random.shuffle(rows)
        for place, row in enumerate(rows):
            step = number * a_pass + place
            if first <= step < course.steps:
                yield step, row


def _keep(path: Path, what: str, student: Any, optimizers: Sequence[torch.optim.Optimizer], step: int) -> None:
    unfinished = path.with_name(f"unfinished-{path.name}")
    moments = [optimizer.state_dict() for optimizer in optimizers]
    state = {"what": what, "step": step, "student": student.state_dict(), "optimizers": moments}
    torch.save(state, unfinished)
    unfinished.replace(path)


def _resumed(path: Path, what: str, student: Any, optimizers: Sequence[torch.optim.Optimizer]) -> int:
    """Take up a checkpoint where there is one; the step to go on with."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return 0
    state = torch.load(path, weights_only=True)
    if state["what"] != what:
        raise ExportError(
            f"{path}: is of another course, seed, student, teacher or other texts; remove it to begin anew"
        )
    student.load_state_dict(state["student"])
    for optimizer, moments in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(moments)
    return int(state["step"])
