"""A recipe, read strictly from TOML: no key is missing, unknown, or of another type."""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ...checks import require_keys, require_type
from ..errors import ExportError
from .grid import Codebooks, Grid
from .parts import (
    SOURCES,
    CardRecipe,
    EncoderRecipe,
    Int4Recipe,
    Int8Recipe,
    TextsRecipe,
    TurnRecipe,
    VerifyRecipe,
    VocabularyRecipe,
)
from .recipe import PRECISIONS, Recipe
from .training import WIDEST, WIDTHS, CourseRecipe, NestRecipe, StaticRecipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# The tables of a recipe that are one value each; none is mandatory.
_TABLES: dict[str, type[Any]] = {
    "encoder": EncoderRecipe,
    "vocabulary": VocabularyRecipe,
    "table": Grid,
    "int8": Int8Recipe,
    "int4": Int4Recipe,
    "texts": TextsRecipe,
    "turn": TurnRecipe,
    "static": StaticRecipe,
    "card": CardRecipe,
}
# Those that have defaults for everything.
_DEFAULTS: dict[str, Any] = {
    "encoder": EncoderRecipe(),
    "int8": Int8Recipe(),
    "int4": Int4Recipe(),
    "card": CardRecipe(),
}

Part = TypeVar("Part")


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe.

    Raises:
        ExportError: the file is missing or no TOML, or a key is missing, unknown, of another type, or has a value that
            it cannot have; the message begins with the path.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ExportError(f"{path}: cannot be read ({error.strerror}); expected a recipe in TOML") from error
    except ValueError as error:
        raise ExportError(f"{path}: is not TOML ({error})") from error
    return parsed_recipe(text, path)


def parsed_recipe(text: str, path: Path) -> Recipe:
    """A recipe of this text; paths in it are relative to the folder of `path`, which need not be there.

    Raises:
        ExportError: as `read_recipe` does.
    """
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: is not TOML ({error})") from error
    try:
        return _recipe(path, values)
    except ValueError as error:
        raise ExportError(f"{path}: {error}") from error


def _recipe(path: Path, values: dict[str, Any]) -> Recipe:
    names = {field.name for field in fields(Recipe)} - {"path", "precisions"}
    require_keys("the recipe", values, names, names - {"source"})
    source = values["source"]
    if not isinstance(source, dict) or str(source.get("kind")) not in SOURCES:
        raise ExportError(f"source.kind is missing or unknown, expected one of {', '.join(SOURCES)}")
    rest = {key: value for key, value in source.items() if key != "kind"}
    name = values.get("name", path.resolve().parent.name)
    require_type("name", name, str)
    precisions = tuple(name for name in PRECISIONS if name in values) or PRECISIONS[:1]
    tables: dict[str, Any] = {
        name: _part(name, values[name], _kind(name, values[name])) if name in values else _DEFAULTS.get(name)
        for name in _TABLES
    }
    return Recipe(
        path=path,
        name=name,
        source=_part("source", rest, SOURCES[source["kind"]]),
        precisions=precisions,
        verify=_bars(values.get("verify", {}), set(precisions)),
        nest=_nest(values["nest"]) if "nest" in values else None,
        **tables,
    )


def _kind(name: str, values: Any) -> type[Any]:
    """What a table is read as: the token table has two forms."""
    return Codebooks if name == "table" and isinstance(values, dict) and "run" in values else _TABLES[name]


def _nest(values: Any) -> NestRecipe:
    """The training of a family, whose courses are tables of their own."""
    if isinstance(values, dict) and "courses" not in values:
        raise ExportError("[nest] has no courses; write what its training is as [[nest.courses]], one or more")
    if isinstance(values, dict) and isinstance(courses := values["courses"], list):
        read = [_part(f"nest.courses {number}", course, CourseRecipe) for number, course in enumerate(courses, start=1)]
        values = {**values, "courses": read}
    return _part("nest", values, NestRecipe)


def _bars(values: Any, precisions: set[str]) -> dict[str, VerifyRecipe]:
    narrower = {f"{width}.{precision}" for width in WIDTHS if width != WIDEST for precision in precisions}
    require_keys("[verify]", values, precisions | narrower, precisions | narrower)
    return {name: _part(f"verify.{name}", table, VerifyRecipe) for name, table in values.items()}


def _part(name: str, values: Any, kind: type[Part]) -> Part:
    """A table of the file as a value, whose own checks name its keys alone: the table's name is put in front."""
    known = fields(kind)  # type: ignore[arg-type]
    optional = {field.name for field in known if field.default is not MISSING or field.default_factory is not MISSING}
    require_keys(f"[{name}]", values, {field.name for field in known}, optional)
    types = get_type_hints(kind)
    for key, value in values.items():
        _require_one_of(f"{name}.{key}", value, types[key])
    try:
        return kind(**values)
    except ExportError as error:
        raise ExportError(f"[{name}] {error}" if kind is CourseRecipe else f"{name}.{error}") from error


def _require_one_of(what: str, value: object, kind: Any) -> None:
    """Raise ValueError with one clause where a value is of none of the types that a field may have."""
    kinds = [get_origin(one) or one for one in get_args(kind) if one is not NoneType] if _is_union(kind) else []
    if not any(isinstance(value, one) and not isinstance(value, bool) for one in kinds):
        require_type(what, value, kinds[0] if kinds else get_origin(kind) or kind)


def _is_union(kind: Any) -> bool:
    """Whether a type hint is of several types."""
    return get_origin(kind) is UnionType
