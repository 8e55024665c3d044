"""Training texts: passages drawn from a recipe's text files, as token ids."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np

from ...arrays import Ids
from ...encoding.tokens import Tokens
from ..quantize.calibration import drawn_texts
from ..recipe.parts import TextsRecipe
from ..steps import BuildSteps, Say

# What a passage is, see `calibration.drawn_texts`: words as in a query, a line or its beginning, or some lines. Most
# are short, so that there are more of them in the same time; some are as long as an encoder reads.
_KINDS = (*[(-8, None)] * 2, *[(0, 150)] * 14, *[(200, 300)] * 2, (500, 600), (900, 1200))


def passages(
    recipe: TextsRecipe, folder: Path, count: int, tokens: Tokens, work: Path, say: Say, *, course: int
) -> list[Ids]:
    """The training texts of a course, token ids (n,) int64 each, special tokens included.

    Args:
        folder: where the files are that the recipe names.
        count: how many.
        work: where steps are kept.
        course: its number, from 0; each draws its own.

    Raises:
        ExportError: a file is missing, is another than the recipe pins, or is no text.
    """

    def draw(path: Path) -> None:
        texts = drawn_texts(recipe, folder, count, course, _KINDS)
        Random(course).shuffle(texts)  # they come file by file, and the first ones are fitted to
        drawn = [tokens.ids(text, "document")[0] for text in texts]
        with path.open("wb") as stream:
            np.savez(stream, ids=np.concatenate(drawn).astype(np.int32), counts=[len(ids) for ids in drawn])

    steps = BuildSteps(work, __name__, say)
    with np.load(steps.file(f"passages-{course + 1}.npz", f"draw {count} passages", draw)) as stored:
        ids, ends = stored["ids"].astype(np.int64), np.cumsum(stored["counts"])
    return np.split(ids, ends[:-1])
