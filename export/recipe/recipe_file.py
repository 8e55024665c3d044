"""A recipe, read strictly from TOML: no key is missing, unknown, or of another type."""

from __future__ import annotations

import sys
from collections.abc import Set
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ExportError
from .recipe import (
    SOURCES,
    WIDEST,
    WIDTHS,
    AttentionRecipe,
    CardRecipe,
    CourseRecipe,
    EncoderRecipe,
    Int4Recipe,
    Int8Recipe,
    NestRecipe,
    Recipe,
    StaticRecipe,
    TableRecipe,
    TextsRecipe,
    VerifyRecipe,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# What a recipe may be without, besides [nest].
_OPTIONAL: dict[str, type[Any]] = {
    "int8": Int8Recipe,
    "int4": Int4Recipe,
    "texts": TextsRecipe,
    "static": StaticRecipe,
}

Table = TypeVar("Table")


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
    _same_keys(path, "the recipe", values, names, {"nest", *_OPTIONAL})
    if "int8" not in values and "int4" not in values:
        raise ExportError(f"{path}: has neither [int8] nor [int4], expected one at least")
    source = values["source"]
    if not isinstance(source, dict) or str(source.get("kind")) not in SOURCES:
        raise ExportError(f"{path}: source.kind is missing or unknown, expected one of {', '.join(SOURCES)}")
    rest = {key: value for key, value in source.items() if key != "kind"}
    return Recipe(
        path=path,
        name=_typed(path, "name", values["name"], "str"),
        source=_table(path, "source", rest, SOURCES[source["kind"]]),
        encoder=_table(path, "encoder", values["encoder"], EncoderRecipe),
        table=_table(path, "table", values["table"], TableRecipe),
        verify=_bars(path, values["verify"], {"int8", "int4"} & set(values)),
        card=_table(path, "card", values["card"], CardRecipe),
        nest=_nest(path, values["nest"]) if "nest" in values else None,
        **{key: _table(path, key, values[key], kind) if key in values else None for key, kind in _OPTIONAL.items()},
    )


def _nest(path: Path, values: Any) -> NestRecipe:
    """The training of a family, whose courses are tables of their own."""
    if isinstance(values, dict) and "courses" not in values:
        raise ExportError(f"{path}: [nest] has no courses; write what its training is as [[nest.courses]], one or more")
    if isinstance(values, dict) and "attention" in values:
        attention = _table(path, "nest.attention", values["attention"], AttentionRecipe)
        values = {**values, "attention": attention}
    nest = _table(path, "nest", values, NestRecipe)
    courses = [
        _table(path, f"nest.courses {place}", course, CourseRecipe) for place, course in enumerate(nest.courses, 1)
    ]
    return replace(nest, courses=courses)


def _bars(path: Path, values: Any, precisions: set[str]) -> dict[str, VerifyRecipe]:
    narrower = {f"{width}.{precision}" for width in WIDTHS if width != WIDEST for precision in precisions}
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


def _typed(path: Path, key: str, value: Any, kind: str) -> Any:
    expected = kind.removesuffix(" | None").partition("[")[0]
    if type(value).__name__ != expected:
        raise ExportError(f"{path}: {key} is {type(value).__name__}, expected {expected}")
    return value
