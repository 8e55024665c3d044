"""A teacher and passages in, trained narrow encoders out: the step of a build that takes hours."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...arrays import Floats, Ids
from ..errors import ExportError
from ..recipe.training import WIDEST, NestRecipe
from ..steps import BuildSteps, Say, tensors_hash
from .distil import TARGETS, Batch, Compared, distil, padded, told
from .nest import nest
from .taught import Passages

_FITTED_ON = 300


def students(
    teacher: Any,
    pooling: str,
    recipe: NestRecipe,
    own: Sequence[Ids],
    passages: Sequence[Passages],
    work: Path,
    say: Say,
) -> tuple[dict[str, Any], list[list[Ids]], list[Floats]]:
    """Nest a teacher and train its narrow widths, course after course.

    Args:
        teacher: a transformers encoder of a form that is known, see `forms`.
        pooling: of its states, `mean` or `cls`.
        own: token ids of the texts that come with Nestling, which the narrow parts are fitted on first.
        passages: by course, its texts.
        work: where steps are kept.

    Returns:
        states: the weights of encoders by width, the widest first, which has the teacher's.
        seen: by course, the passages that its steps took.
        targets: by course, the teacher's vectors of them, (n, dim) float32.

    Raises:
        ExportError: what an earlier build left is not whole.
    """
    trained_on = _hash([own, *(ids for course in passages for ids in course)])
    steps = BuildSteps(work, __name__, say, tensors_hash({WIDEST: teacher.state_dict()}) + pooling + trained_on)
    folders = [steps.folder / f"distil-{number}" for number in range(1, len(passages) + 1)]

    def train(path: Path) -> None:
        cuts = recipe.cuts(teacher.config.num_hidden_layers)
        fitted = [*own, *passages[0].ids[:_FITTED_ON]]
        layers = {width: cut.layers for width, cut in cuts.items()}
        compared = Compared(pooling, common(teacher, fitted, pooling), layers)
        narrow = nest(teacher, cuts, fitted)
        asked = copy.deepcopy(teacher)  # the one that is given stays as it is to be exported
        for encoder in (asked, *narrow.values()):
            encoder.set_attn_implementation("sdpa")  # faster than the one that is exported
        for number, (course, texts, folder) in enumerate(zip(recipe.courses, passages, folders, strict=True)):
            distil(narrow, asked, texts, course, folder, say, compared=compared, seed=number)
        states = {width: student.state_dict() for width, student in narrow.items()}
        torch.save({WIDEST: teacher.state_dict(), **states}, path)

    states = torch.load(steps.file("students.pt", "nest and train", train), weights_only=True)
    taken = [_seen(texts.ids, folder) for texts, folder in zip(passages, folders, strict=True)]
    return states, [seen for seen, _ in taken], [targets for _, targets in taken]


def common(teacher: Any, texts: Sequence[Ids], pooling: str) -> Floats:
    """What a teacher's vectors of texts have in common, (dim,) float32."""
    with torch.inference_mode():
        rows = [told(teacher, Batch(*padded([ids]), torch.ones(1, dtype=torch.bool)), pooling).vectors for ids in texts]
    return np.asarray(torch.cat(rows).mean(dim=0).numpy(), dtype=np.float32)


def _seen(passages: Sequence[Ids], folder: Path) -> tuple[list[Ids], Floats]:
    """The passages that a course took, and the teacher's vectors of them, (n, dim) float32."""
    if not (folder / TARGETS).exists():
        raise ExportError(
            f"{folder / TARGETS}: is not there, which the training left; remove {folder.parent} to begin anew"
        )
    targets = np.load(folder / TARGETS)
    rows = np.flatnonzero(targets.any(axis=1))
    return [passages[row] for row in rows.tolist()], targets[rows]


def _hash(texts: Sequence[Sequence[Ids]]) -> str:
    """sha256 of token ids."""
    digest = sha256()
    for ids in texts:
        digest.update(f"{[len(one) for one in ids]}".encode() + np.concatenate(ids).tobytes())
    return digest.hexdigest()
