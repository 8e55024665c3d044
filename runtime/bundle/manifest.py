"""The bundle: a folder with a manifest, a tokenizer, ONNX graphs, perhaps a token table, and golden vectors.

The manifest is the only thing that both halves of Nestling agree on. It is read strictly: an unknown key, a
missing key, a wrong hash, another format or a path that leaves the folder is an error that names the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from stat import S_ISREG
from typing import Any, Literal

from ..checks import require_keys, require_type
from ..disk import hash_file
from ..errors import BundleError
from .installed import DEFAULT as DEFAULT
from .installed import MANIFEST as MANIFEST
from .installed import bundle_folder
from .installed import default_bundle as default_bundle

Role = Literal["document", "query"]
ROLES: tuple[Role, ...] = ("document", "query")

FORMAT = 3
STATIC = "static"

_MOST_TOKENS = 32768
_MOST_DIM = 65536
_TABLE = ".npz"
_TABLE_PRECISIONS = ("int8", "int4")


@dataclass(frozen=True)
class Variant:
    """One graph of a bundle: a width of the encoder at a precision.

    Attributes:
        width: the encoder's width; `static` is a table of tokens, which needs no ONNX Runtime.
        precision: of the weights; of a table, the bits of its codes.
        graph: file name of the ONNX graph, or of the table, which ends in `.npz`.
        data: names of the files that the graph takes its weights from; variants share what is equal in them.
    """

    width: str
    precision: str
    graph: str
    data: tuple[str, ...] = ()

    @property
    def is_static(self) -> bool:
        """Whether it is a table of tokens and no graph."""
        return self.width == STATIC

    @property
    def files(self) -> tuple[str, ...]:
        """All that the variant is made of."""
        return (self.graph, *self.data)

    @property
    def name(self) -> str:
        """Its name among the bundle's variants."""
        return f"{self.width}.{self.precision}"


@dataclass(frozen=True)
class BundleFile:
    """What a file of a bundle must be."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Bundle:
    """A bundle's manifest, and the folder that it was read from.

    Attributes:
        folder: where the files are, in full.
        name: the bundle's name, as `nestling-en`.
        space: sha256 of what makes the vector space; vectors can be compared where it is equal.
        dim: length of a vector.
        max_tokens: most token ids that the encoder reads of one text, special tokens included.
        prefixes: text that belongs before every text of a role.
        tokenizer: file name of the tokenizer.
        golden: file name of the golden texts and vectors.
        variants: the graphs, the default first; their vectors can be compared with one another.
        files: every file of the bundle but the manifest, with its size and hash.
    """

    folder: Path
    name: str
    space: str
    dim: int
    max_tokens: int
    prefixes: Mapping[Role, str]
    tokenizer: str
    golden: str
    variants: tuple[Variant, ...]
    files: Mapping[str, BundleFile]

    def __post_init__(self) -> None:
        where = self.folder / MANIFEST
        if not 8 <= self.dim <= _MOST_DIM:
            raise BundleError(f"{where}: dim is {self.dim}, expected 8 to {_MOST_DIM}")
        if not 8 <= self.max_tokens <= _MOST_TOKENS:
            raise BundleError(f"{where}: max_tokens is {self.max_tokens}, expected 8 to {_MOST_TOKENS}")
        if set(self.prefixes) != set(ROLES):
            raise BundleError(f"{where}: prefixes are for {sorted(self.prefixes)}, expected {sorted(ROLES)}")
        names = [variant.name for variant in self.variants]
        if unprintable := [name for name in (self.name, *names) if not name.isprintable()]:
            raise BundleError(f"{where}: the name {unprintable[0]!r} has characters that cannot be shown")
        if len(set(names)) < len(names):
            raise BundleError(f"{where}: variants are {names}, expected each once; build the bundle again")
        if not self.variants:
            raise BundleError(f"{where}: no variants, expected at least one graph")
        for variant in self.variants:
            _require_kind(where, variant)
        if sum(variant.is_static for variant in self.variants) > 1:
            raise BundleError(f"{where}: has several token tables, expected one; build the bundle again")
        for name in self.files:
            _require_plain_name(where, name)
        for name in (self.tokenizer, self.golden, *(name for variant in self.variants for name in variant.files)):
            if name not in self.files:
                raise BundleError(f"{where}: {name!r} is used but not listed in files; build the bundle again")

    @property
    def widths(self) -> tuple[str, ...]:
        """The encoder's widths, the default first."""
        return tuple(dict.fromkeys(variant.width for variant in self.variants))

    def precisions(self, width: str) -> tuple[str, ...]:
        """The precisions that a width may be asked for in, its default first.

        The token table is stored in one, and is there in each that another width has, so that a precision can be asked
        for whatever the widths are.
        """
        own = [variant.precision for variant in self.variants if variant.width == width]
        others = [variant.precision for variant in self.variants] if width == STATIC else []
        return tuple(dict.fromkeys(own + others))

    def variant(self, width: str | None, precision: str | None) -> Variant:
        """The variant of this width and precision.

        Args:
            width: None for the widest that has the precision.
            precision: None for the width's default.

        Raises:
            BundleError: there is none; says which there are.
        """
        width = self.widest(precision) if width is None else width
        if width not in self.widths:
            raise BundleError(f"bundle {self.name} has no width {width}; its widths are {', '.join(self.widths)}")
        if precision is not None and precision not in self.precisions(width):
            known = ", ".join(self.precisions(width))
            raise BundleError(f"bundle {self.name} has no precision {precision} of width {width}; it has {known}")
        found = [variant for variant in self.variants if variant.width == width]
        return next((variant for variant in found if variant.precision == precision), found[0])

    def widest(self, precision: str | None) -> str:
        """The widest encoder of a precision; the bundle's default width for None, or where there is none."""
        having = (one.width for one in self.variants if one.precision == precision and not one.is_static)
        return next(having, self.variants[0].width)

    def bytes_of(self, variant: Variant) -> int:
        """What the variant's files take together: graph, weights and token table."""
        return sum(self.files[name].bytes for name in variant.files)

    def verified(self, name: str) -> Path:
        """The path of a listed file, after its size and sha256 were compared with the manifest."""
        path = self.folder / name
        expected = self.files[name]
        try:
            if path.is_symlink() and path.resolve().parent != self.folder.resolve():
                raise BundleError(f"{path}: the link leaves the bundle's folder; put the file itself there")
            found = path.stat()
            if not S_ISREG(found.st_mode):  # reading a pipe would wait for ever
                raise BundleError(f"{path}: is no regular file; the bundle is damaged, install it again")
            if found.st_size != expected.bytes:
                raise BundleError(
                    f"{path}: has {found.st_size} bytes, expected {expected.bytes}; "
                    "the bundle is damaged, install it again"
                )
            digest = hash_file(path)
        except OSError as error:
            raise BundleError(
                f"{path}: cannot be read ({error.strerror}); the bundle is incomplete, install it again"
            ) from error
        if digest != expected.sha256:
            raise BundleError(f"{path}: its hash differs from the manifest; the bundle is damaged, install it again")
        return path

    def verify(self) -> None:
        """Compare every listed file with the manifest; raises BundleError for the first that differs."""
        for name in self.files:
            self.verified(name)

    def manifest(self) -> str:
        """The text of `manifest.json`, the same for equal bundles."""
        values = {"format": FORMAT, **asdict(self)}
        del values["folder"]
        return json.dumps(values, indent=2, sort_keys=True) + "\n"


def read_bundle(folder: str | Path | None = None) -> Bundle:
    """Read a bundle's manifest.

    Args:
        folder: a bundle's folder, or the name of an installed one; None for the one that ships with Nestling.

    Raises:
        BundleError: the folder or its manifest is missing, malformed, of another format, or leaves the folder.
    """
    folder = bundle_folder(folder)
    path = folder / MANIFEST
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); a bundle is a folder with a manifest") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: is not JSON ({error}); install the bundle again") from error
    if not isinstance(values, dict) or not isinstance(values.get("format"), int):
        raise BundleError(f"{path}: has no format number; it is not a bundle's manifest")
    if values["format"] != FORMAT:
        raise BundleError(
            f"{path}: has format {values['format']}, this Nestling reads {FORMAT}; "
            + ("update Nestling" if values["format"] > FORMAT else "build the bundle again")
        )
    try:
        _require_values(values)
    except ValueError as error:
        raise BundleError(f"{path}: {error}; build the bundle again") from error
    variants = (Variant(**{**variant, "data": tuple(variant["data"])}) for variant in values["variants"])
    files = {name: BundleFile(**entry) for name, entry in values["files"].items()}
    del values["format"]
    return Bundle(folder.absolute(), **{**values, "variants": tuple(variants), "files": files})


def _require_values(values: dict[str, Any]) -> None:
    """Raise ValueError with one clause where a manifest lacks a key, has another, or one of another type."""
    require_keys("manifest", values, {"format", *(field.name for field in fields(Bundle))} - {"folder"})
    for key in ("name", "space", "tokenizer", "golden"):
        _require_text(key, values[key])
    for key, kind in (("dim", int), ("max_tokens", int), ("prefixes", dict), ("variants", list), ("files", dict)):
        require_type(key, values[key], kind)
    for role, prefix in values["prefixes"].items():
        _require_text(f"prefixes.{role}", prefix)
    for variant in values["variants"]:
        require_keys("a variant", variant, {field.name for field in fields(Variant)})
        for key in ("width", "precision", "graph"):
            _require_text(f"variants.{key}", variant[key])
        require_type("variants.data", variant["data"], list)
        for name in variant["data"]:
            _require_text("variants.data", name)
    for name, entry in values["files"].items():
        require_keys(f"files.{name}", entry, {field.name for field in fields(BundleFile)})
        require_type(f"files.{name}.bytes", entry["bytes"], int)
        _require_text(f"files.{name}.sha256", entry["sha256"])


def _require_text(what: str, value: object) -> None:
    require_type(what, value, str)
    if any("\ud800" <= character <= "\udfff" for character in str(value)):
        raise ValueError(f"{what} is {value!r}, expected text without lone surrogates")


def _require_kind(where: Path, variant: Variant) -> None:
    """Raise BundleError for a token table that is no variant of width static, or the other way round."""
    table = variant.graph.endswith(_TABLE)
    if table != variant.is_static:
        expected = f"a file that ends in {_TABLE} for width {STATIC}, and for no other"
        raise BundleError(f"{where}: {variant.name} is {variant.graph!r}, expected {expected}; build the bundle again")
    if not table:
        return
    if variant.data or variant.precision not in _TABLE_PRECISIONS:
        raise BundleError(
            f"{where}: {variant.name} has {len(variant.data)} data files, expected none, and precision "
            f"{' or '.join(_TABLE_PRECISIONS)}; build the bundle again"
        )


def _require_plain_name(where: Path, name: str) -> None:
    if (
        not name
        or name in (".", "..", MANIFEST)
        or any(character in name for character in "/\\:")
        or not name.isprintable()
    ):
        raise BundleError(f"{where}: the file name {name!r} leaves the bundle's folder; expected a plain file name")
