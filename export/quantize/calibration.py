"""Texts that rounding is fitted to and that encoders are trained on.

Fitting to few texts fits to those texts: with the 231 that come with Nestling the error of int4 on other texts is four
times that on themselves. So a recipe may name files of further text.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import NamedTuple

from ...demo import demo_documents
from ...disk import hash_file
from ..errors import ExportError
from ..recipe.parts import TextsRecipe

# What a passage is, drawn for each: at least so many characters, and at most so many or None for all of them; it is a
# line, and the lines behind it until they suffice.
Kind = tuple[int, int | None]
PASSAGES: tuple[Kind, ...] = ((0, None), (0, None), (200, None), (500, None), (1000, None))


def own_texts() -> list[str]:
    """Texts of many fields and kinds, written for this, and the demo documents."""
    texts = (files(__package__) / "calibration.txt").read_text(encoding="utf-8").splitlines()
    return texts + [document.text for document in demo_documents()]


class Drawn(NamedTuple):
    """A passage, and whether it is like a query."""

    text: str
    query: bool


def drawn_texts(
    recipe: TextsRecipe, folder: Path, count: int, seed: int, kinds: Sequence[Kind] = PASSAGES
) -> list[Drawn]:
    """Passages of the files that a recipe names, as many of each.

    Args:
        folder: where the files are: UTF-8, gzip'd or not, a passage a line. Lines of a `.tsv` hold a name, as of a
            language, and passages behind it.
        kinds: the fewest and the most characters of a passage, drawn for each; a longer one ends with the last word
            within. Where the fewest is negative it has 2 to so many words out of a line, as in a query.

    Raises:
        ExportError: a file is missing, is another than the recipe pins, or is no text.
    """
    require_texts(recipe, folder)
    random = Random(seed)
    texts: list[Drawn] = []
    for name in sorted(recipe.files):
        lines = _lines(folder / name)
        for _ in range(count // len(recipe.files)):
            number, (least, most) = random.randrange(len(lines)), random.choice(kinds)
            text = lines[number]
            if least < 0:
                words, size = text.split(), random.randint(2, -least)
                begin = random.randrange(max(1, len(words) - size + 1))
                text = " ".join(words[begin : begin + size])
            while len(text) < least and number + 1 < len(lines):
                number += 1
                text += f" {lines[number]}"
            if most is not None and len(text) > most:
                end = text.rfind(" ", 0, most + 1)
                text = text[: end if end > 0 else most]
            texts.append(Drawn(text, least < 0 or name in recipe.queries))
    return texts


def require_texts(recipe: TextsRecipe, folder: Path) -> None:
    """Raise ExportError where a file that a recipe names is missing from a folder, or is another."""
    for name, pinned in sorted(recipe.files.items()):
        path = folder / name
        if not path.is_file():
            raise ExportError(f"{path}: is not there; give the folder that holds the recipe's texts by --texts")
        digest = hash_file(path)
        if digest != pinned:
            raise ExportError(f"{path}: has sha256 {digest}, the recipe pins {pinned}")


def _lines(path: Path) -> list[str]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as stream:
            lines = [line.strip() for line in stream if line.strip()]
            if ".tsv" in path.suffixes:
                lines = [text for line in lines for text in line.split("\t")[1:] if text]
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ExportError(f"{path}: is no text ({error}); expected UTF-8, a passage a line") from error
    if not lines:
        raise ExportError(f"{path}: is empty, expected a passage a line")
    return lines
