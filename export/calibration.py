"""Texts that rounding is fitted to: what flows through the encoder on them decides which errors matter.

Fitting to few texts fits to those texts: with the 231 that come with Nestling the error of int4 on other texts is four
times that on themselves. So a recipe may name files of further text.
"""

from __future__ import annotations

import gzip
import zlib
from importlib.resources import files
from pathlib import Path
from random import Random

from ..demo import demo_documents
from ..encoding.bundle import hash_file
from .errors import ExportError
from .recipe import Int4Recipe

# A passage is of at least so many characters, drawn for each: a line, and the lines behind it until they suffice.
_LENGTHS = (0, 0, 200, 500, 1000)


def own_texts() -> list[str]:
    """Texts of many fields and kinds, written for this, and the demo documents."""
    texts = (files(__package__) / "calibration.txt").read_text(encoding="utf-8").splitlines()
    return texts + [document.text for document in demo_documents()]


def drawn_texts(recipe: Int4Recipe, folder: Path, seed: int) -> list[str]:
    """Passages of the files that a recipe names, as many of each.

    Args:
        folder: where the files are: UTF-8, gzip'd or not, a passage a line.

    Raises:
        ExportError: a file is missing, is another than the recipe pins, or is no text.
    """
    random = Random(seed)
    texts = []
    for name, pinned in sorted(recipe.texts.items()):
        lines = _lines(folder / name, pinned)
        for _ in range(recipe.passages // len(recipe.texts)):
            place, least = random.randrange(len(lines)), random.choice(_LENGTHS)
            text = lines[place]
            while len(text) < least and place + 1 < len(lines):
                place += 1
                text += f" {lines[place]}"
            texts.append(text)
    return texts


def _lines(path: Path, pinned: str) -> list[str]:
    if not path.is_file():
        raise ExportError(f"{path}: is not there; give the folder that holds the recipe's texts by --texts")
    digest = hash_file(path)
    if digest != pinned:
        raise ExportError(f"{path}: has sha256 {digest}, the recipe pins {pinned}")
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as stream:
            lines = [line.strip() for line in stream if line.strip()]
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ExportError(f"{path}: is no text ({error}); expected UTF-8, a passage a line") from error
    if not lines:
        raise ExportError(f"{path}: is empty, expected a passage a line")
    return lines
