"""Training texts: passages drawn from a recipe's text files, as token ids."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ...arrays import Ids
from ...encoding.tokens import Tokens
from ..quantize.calibration import drawn_texts
from ..recipe.parts import TextsRecipe
from ..steps import BuildSteps, Say
from .taught import Passages

# What a passage is, see `calibration.drawn_texts`: words as in a query, a line or its beginning, or some lines. Most
# are short, so that there are more of them in the same time; some are as long as an encoder reads.
_KINDS = (*[(-8, None)] * 3, *[(0, 150)] * 11, *[(200, 300)] * 3, *[(500, 600)] * 2, (900, 1200))


def passages(
    recipe: TextsRecipe,
    folder: Path,
    count: int,
    tokens: Tokens,
    query_prefix: str,
    work: Path,
    say: Say,
    *,
    course: int,
) -> Passages:
    """The training texts of a course.

    Args:
        folder: where the files are that the recipe names.
        count: how many.
        query_prefix: text that the teacher is given before a query.
        work: where steps are kept.
        course: its number, from 0; each draws its own.

    Raises:
        ExportError: a file is missing, is another than the recipe pins, or is no text.
    """

    def draw(path: Path) -> None:
        texts = drawn_texts(recipe, folder, count, course, _KINDS)
        Random(course).shuffle(texts)  # they come file by file, and the first ones are fitted to
        given = [tokens.ids(text, "query" if query else "document")[0] for text, query in texts]
        taught = [
            tokens.ids(query_prefix + text, "query")[0] if query and query_prefix else ids
            for (text, query), ids in zip(texts, given, strict=True)
        ]
        with path.open("wb") as stream:
            np.savez(
                stream,
                ids=np.concatenate(given).astype(np.int32),
                ids_counts=[len(ids) for ids in given],
                taught=np.concatenate(taught).astype(np.int32),
                taught_counts=[len(ids) for ids in taught],
            )

    steps = BuildSteps(work, __name__, say, query_prefix)
    with np.load(steps.file(f"passages-{course + 1}.npz", f"draw {count} passages", draw)) as stored:
        return Passages(*(_split(stored[name], stored[f"{name}_counts"]) for name in ("ids", "taught")))


def _split(ids: np.ndarray[Any, Any], counts: np.ndarray[Any, Any]) -> list[Ids]:
    return np.split(ids.astype(np.int64), np.cumsum(counts)[:-1])
