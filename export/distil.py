"""A nested student after its teacher: all widths, dims and bits in one run.

Each step takes one batch and one width. The teacher's vectors are the target of all of them, so that they share its
space. A run that breaks off goes on from its last checkpoint and ends with the same weights.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from .activations import Ids
from .errors import ExportError
from .losses import bits, matryoshka
from .nest import hidden_units, use

CHECKPOINT, LOG = "checkpoint.pt", "log.jsonl"

# Batches are cut from pools of so many that are sorted by length, so that little is padded.
_POOL = 64

Say = Callable[[str], None]


@dataclass(frozen=True)
class Course:
    """How a student is trained.

    Attributes:
        steps: how many batches.
        batch: texts in one.
        learning_rate: at its highest, after `warmup` steps; from there it falls to nothing as a cosine.
        widths: by name, how often each is drawn, in proportion.
        dims: the prefixes of the vectors that are trained, see `losses.matryoshka`.
        neighbours: weight of `losses.neighbours`.
        bits: weight of `losses.bits`.
        every: steps between checkpoints.
        seed: of the order of texts and widths.
    """

    steps: int
    batch: int
    learning_rate: float
    warmup: int
    widths: dict[str, float]
    dims: tuple[int, ...]
    neighbours: float
    bits: float
    every: int
    seed: int


def distil(
    student: Any, teacher: Any, texts: Sequence[Ids], course: Course, folder: Path, say: Say, half: bool = False
) -> None:
    """Train a nested student in place.

    Args:
        student: nested, see `nest.nest`; its token table stays as it is.
        teacher: the encoder whose vectors are the targets.
        texts: token ids of the training texts, (n,) int64 each, special tokens included.
        folder: where the checkpoint and the log are kept.
        say: told how it goes, a line a checkpoint.
        half: multiply in bfloat16, for processors that are made for it.

    Raises:
        ExportError: there are too few texts for a batch, or the checkpoint is of another course or other texts.
    """
    if len(texts) < course.batch:
        raise ExportError(f"{len(texts)} training texts, expected a batch of {course.batch} or more")
    layers = student.encoder.layer
    units = {name: hidden_units(name, len(layers), layers[0].intermediate.dense.out_features) for name in course.widths}
    student.embeddings.word_embeddings.weight.requires_grad_(False)
    trained = [value for value in student.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=course.learning_rate, betas=(0.9, 0.98), weight_decay=0.0)
    what = json.dumps([asdict(course), len(texts), int(sum(map(len, texts)))], sort_keys=True)
    first = _resumed(folder / CHECKPOINT, what, student, optimizer)
    begin, tokens = time.perf_counter(), 0
    for step, batch in _batches(texts, course, first):
        width = Random(f"{course.seed} {step}").choices(list(course.widths), list(course.widths.values()))[0]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(course, step)
        ids, mask = padded(batch)
        use(student, units[width])
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            with torch.no_grad():
                expected = pooled(teacher(input_ids=ids, attention_mask=mask).last_hidden_state, mask)
            found = pooled(student(input_ids=ids, attention_mask=mask).last_hidden_state, mask)
        near = matryoshka(found, expected, course.dims, course.neighbours)
        by_bits = bits(found, expected)
        optimizer.zero_grad(set_to_none=True)
        (near + course.bits * by_bits).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        tokens += int(mask.sum())
        line = {"step": step, "width": width, "near": round(near.item(), 5), "bits": round(by_bits.item(), 5)}
        with (folder / LOG).open("a") as log:
            log.write(json.dumps(line) + "\n")
        if (step + 1) % course.every == 0 or step + 1 == course.steps:
            _keep(folder / CHECKPOINT, what, student, optimizer, step + 1)
            speed = tokens / (time.perf_counter() - begin)
            say(f"step {step + 1} of {course.steps}, {speed:,.0f} tokens a second: {json.dumps(line)}")
    use(student, hidden_units("xl", len(layers), layers[0].intermediate.dense.out_features))


def learning_rate(course: Course, step: int) -> float:
    """It rises for `warmup` steps and falls to nothing as a cosine."""
    if step < course.warmup:
        return course.learning_rate * (step + 1) / course.warmup
    done = (step - course.warmup) / max(1, course.steps - course.warmup)
    return course.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def padded(batch: Sequence[Ids]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (n, tokens) int64 and mask (n, tokens) of texts of several lengths."""
    longest = max(map(len, batch))
    ids, mask = np.zeros((len(batch), longest), dtype=np.int64), np.zeros((len(batch), longest), dtype=np.int64)
    for row, text in enumerate(batch):
        ids[row, : len(text)], mask[row, : len(text)] = text, 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


def pooled(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean of each text's token states, made unit: (n, dim) float32."""
    weights = mask[..., None].float()
    return torch.nn.functional.normalize((states.float() * weights).sum(dim=1) / weights.sum(dim=1), dim=1)


def _batches(texts: Sequence[Ids], course: Course, first: int) -> Iterator[tuple[int, list[Ids]]]:
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
                yield step, [texts[text] for text in row]


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
        raise ExportError(f"{path}: is of another course or other texts; remove it to begin anew")
    student.load_state_dict(state["student"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
