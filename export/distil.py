"""A nested student after its teacher: all widths in one run.

Each step takes one batch and one width. The teacher's vectors are the targets of all of them, so that they share one
space, and its prefixes and signs with it: these are what the rotation is for, see `targets.fitted_rotation`. In short
trials losses on prefixes and bits of its own took width l away from its teacher on texts that were held out.

A run that breaks off goes on from its last checkpoint and ends with the same weights.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .activations import Ids
from .errors import ExportError
from .losses import distance, neighbours
from .nest import WIDEST, read_plan, use
from .schedule import cosine
from .steps import Say

CHECKPOINT, LOG = "checkpoint.pt", "log.jsonl"

# Batches are cut from pools of so many that are sorted by length, so that little is padded.
_POOL = 64

Vectors = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Course:
    """How a student is trained.

    Attributes:
        steps: how many batches.
        batch: texts in one.
        learning_rate: at its highest, after `warmup` steps; from there it falls to nothing as a cosine.
        widths: by name, how often each is drawn, in proportion.
        distance: weight of `losses.distance`, beside that of 1 which `losses.neighbours` has.
        every: steps between checkpoints.
        seed: of the order of texts and widths.
    """

    steps: int
    batch: int
    learning_rate: float
    warmup: int
    widths: dict[str, float]
    distance: float
    every: int
    seed: int


def distil(
    student: Any, texts: Sequence[Ids], targets: Vectors, course: Course, folder: Path, say: Say, half: bool = False
) -> None:
    """Train a nested student in place.

    Args:
        student: nested, see `nest.nest`; what its widths share stays as it is, and so does its widest.
        texts: token ids of the training texts, (n,) int64 each, special tokens included.
        targets: (n, dim), the vectors that the texts are to have.
        folder: where the checkpoint and the log are kept.
        say: told how it goes, a line a checkpoint.
        half: multiply in bfloat16, for processors that are made for it.

    Raises:
        ExportError: there are too few texts for a batch, or the checkpoint is of another course, texts or targets.
    """
    if len(texts) < course.batch:
        raise ExportError(f"{len(texts)} training texts, expected a batch of {course.batch} or more")
    layers = len(student.encoder.layer)
    trained = [value for value in student.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=course.learning_rate, betas=(0.9, 0.98), weight_decay=0.0)
    what = _named(course, texts, targets)
    first = _resumed(folder / CHECKPOINT, what, student, optimizer)
    begin, tokens = time.perf_counter(), 0
    for step, rows in _batches(texts, course, first):
        width = Random(f"{course.seed} {step}").choices(list(course.widths), list(course.widths.values()))[0]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(course, step)
        ids, mask = padded([texts[row] for row in rows])
        expected = torch.from_numpy(np.asarray(targets[rows], dtype=np.float32))
        use(student, read_plan(width, layers))
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            found = vectors(student, ids, mask)
        losses = {
            "distance": distance(found, expected),
            "neighbours": neighbours(found, expected),
        }
        total = course.distance * losses["distance"] + losses["neighbours"]
        optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        tokens += int(mask.sum())
        line = {"step": step, "width": width, **{name: round(loss.item(), 5) for name, loss in losses.items()}}
        with (folder / LOG).open("a") as log:
            log.write(json.dumps(line) + "\n")
        if (step + 1) % course.every == 0 or step + 1 == course.steps:
            _keep(folder / CHECKPOINT, what, student, optimizer, step + 1)
            took = time.perf_counter() - begin
            left = took / (step + 1 - first) * (course.steps - step - 1) / 60
            done = f"step {step + 1} of {course.steps}, {left:.0f} minutes left, {tokens / took:,.0f} tokens a second"
            say(f"{done}: {json.dumps(line)}")
    use(student, read_plan(WIDEST, layers))


def learning_rate(course: Course, step: int) -> float:
    """It rises for `warmup` steps and falls to nothing as a cosine."""
    if step < course.warmup:
        return course.learning_rate * (step + 1) / course.warmup
    done = (step - course.warmup) / max(1, course.steps - course.warmup)
    return cosine(course.learning_rate, done)


def padded(batch: Sequence[Ids]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (n, tokens) int64 and mask (n, tokens) of texts of several lengths."""
    longest = max(map(len, batch))
    ids, mask = np.zeros((len(batch), longest), dtype=np.int64), np.zeros((len(batch), longest), dtype=np.int64)
    for row, text in enumerate(batch):
        ids[row, : len(text)], mask[row, : len(text)] = text, 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


def vectors(student: Any, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The vectors of texts, (n, dim) float32 of unit length: the mean of their token states, rotated."""
    states = student(input_ids=ids, attention_mask=mask).last_hidden_state.float()
    weights = mask[..., None].float()
    mean = (states * weights).sum(dim=1) / weights.sum(dim=1)
    return torch.nn.functional.normalize(mean @ student.rotation, dim=1)


def _named(course: Course, texts: Sequence[Ids], targets: Vectors) -> str:
    """What a checkpoint belongs to."""
    digest = hashlib.sha256(json.dumps(asdict(course), sort_keys=True).encode())
    for text in texts:
        digest.update(text.tobytes())
        digest.update(b".")
    digest.update(np.ascontiguousarray(targets).tobytes())
    return digest.hexdigest()


def _batches(texts: Sequence[Ids], course: Course, first: int) -> Iterator[tuple[int, list[int]]]:
    """Batches of the steps from `first` on; which texts a step has depends on the seed alone."""
    a_pass = len(texts) // course.batch
    for number in range(first // a_pass, -(-course.steps // a_pass)):
        random = np.random.default_rng([course.seed, number])
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


def _keep(path: Path, what: str, student: Any, optimizer: Any, step: int) -> None:
    unfinished = path.with_name(f"unfinished-{path.name}")
    state = {"what": what, "step": step, "student": student.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(state, unfinished)
    unfinished.replace(path)


def _resumed(path: Path, what: str, student: Any, optimizer: Any) -> int:
    """Take up a checkpoint where there is one; the step to go on with."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return 0
    state = torch.load(path, weights_only=True)
    if state["what"] != what:
        raise ExportError(f"{path}: is of another course, other texts or other targets; remove it to begin anew")
    student.load_state_dict(state["student"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
