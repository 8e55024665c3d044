"""The recipe: all that decides what a bundle is. Its parts check themselves; here is checked what concerns several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import ExportError
from .grid import Codebooks, Grid
from .parts import (
    CardRecipe,
    EncoderRecipe,
    Int4Recipe,
    Int8Recipe,
    Source,
    TextsRecipe,
    TurnRecipe,
    VerifyRecipe,
    VocabularyRecipe,
)
from .training import WIDEST, NestRecipe, StaticRecipe

PRECISIONS = ("int8", "int4")


@dataclass(frozen=True)
class Recipe:
    """One recipe file.

    Attributes:
        path: where it was read from.
        precisions: what the bundle holds, the default first: what the recipe has a table for, int8 where it has none.
        vocabulary: which pieces of it stay; None for all.
        table: how the token table, which all precisions but float32 share, is rounded; None for as each precision
            rounds it by itself.
        texts: None where nothing is drawn.
        turn: of the one encoder's vectors; None where they stay as they are, or as the training of `nest` turns them.
        nest: None where the bundle holds one encoder, of the source's own weights.
        static: None where the bundle has no look-up.
        verify: the bars of variants, by precision for the widest encoder and by WIDTH.PRECISION.
    """

    path: Path
    name: str
    source: Source
    encoder: EncoderRecipe
    precisions: tuple[str, ...]
    vocabulary: VocabularyRecipe | None
    table: Grid | Codebooks | None
    int8: Int8Recipe
    int4: Int4Recipe
    texts: TextsRecipe | None
    turn: TurnRecipe | None
    nest: NestRecipe | None
    static: StaticRecipe | None
    verify: Mapping[str, VerifyRecipe]
    card: CardRecipe

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "-_." for c in self.name) or self.name.startswith("."):
            raise ExportError(f"name is {self.name!r}, expected letters, digits, '-', '_' and '.'")
        self._check_nest()
        self._check_turn()
        self._check_passages()
        self._check_int4_widths()
        self._check_static()
        for name in self.verify:
            width, _, precision = name.rpartition(".")
            if (width or WIDEST) not in (self.int4_widths() if precision == "int4" else self.widths()):
                raise ExportError(f"[verify] has a bar for {name}, which is not built; remove it")

    def widths(self) -> list[str]:
        """The encoders that are graphs."""
        return [WIDEST, *(() if self.nest is None else self.nest.widths)]

    def int4_widths(self) -> list[str]:
        """Those that are to be had in int4, the widest first."""
        return [width for width in self.widths() if not self.int4.widths or width in self.int4.widths]

    def _check_nest(self) -> None:
        if self.nest is None:
            return
        if self.texts is None:
            raise ExportError("has [nest] without [texts], which says what to train on; add it")
        if self.nest.query_prefix and self.encoder.query_prefix != "":
            raise ExportError("has nest.query_prefix, expected encoder.query_prefix to be empty beside it")

    def _check_turn(self) -> None:
        if self.turn is not None and self.nest is not None:
            raise ExportError("has [turn] beside [nest], whose training fits one; remove it")
        if self.turn is not None and self.texts is None:
            raise ExportError("has [turn] without [texts], which says what to fit to; add it")

    def _check_passages(self) -> None:
        """As many are drawn from each text."""
        files = 0 if self.texts is None else len(self.texts.files)
        asked = [("int4.", self.int4.passages), ("turn.", 0 if self.turn is None else self.turn.passages)]
        courses = [] if self.nest is None else self.nest.courses
        asked += [(f"[nest.courses {number}] ", course.passages) for number, course in enumerate(courses, start=1)]
        for where, count in asked:
            if count < 0 or (count and (not files or count % files)):
                raise ExportError(f"{where}passages is {count} of {files} texts, expected as many of each, one or more")

    def _check_int4_widths(self) -> None:
        asked, known = self.int4.widths, self.widths()
        if strange := [name for name in asked if name not in known]:
            raise ExportError(f"int4.widths names {strange[0]!r}, expected some of {', '.join(known)}")

    def _check_static(self) -> None:
        if self.static is None:
            return
        if self.nest is None:
            raise ExportError("has [static] without [nest], which says what to train on; add it")
        seen = sum(course.seen for course in self.nest.courses)
        if self.static.batch > seen:
            raise ExportError(
                f"static.batch is {self.static.batch}, expected as many as the {seen} passages that are trained on, or "
                "fewer"
            )
