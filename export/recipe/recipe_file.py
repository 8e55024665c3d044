"""A recipe, read strictly from TOML: no key is missing, unknown, or of another type."""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

from ...checks import require_keys, require_type
from ..errors import ExportError
from .grid import Grid
from .parts import SOURCES, CardRecipe, EncoderRecipe, Int4Recipe, Int8Recipe, TextsRecipe, VerifyRecipe
from .recipe import Recipe
from .training import WIDEST, WIDTHS, CourseRecipe, NestRecipe, StaticRecipe

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

Part = TypeVar("Part")


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe.

    Raises:
        ExportError: the file is missing or no TOML, or a key is missing, unknown, of another type, or has a value that
            it cannot have; the message begins with the path.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ExportError(f"{path}: cannot be read ({error.strerror}); expected a recipe in TOML") from error
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: is not TOML ({error})") from error
    try:
        return _recipe(path, values)
    except ValueError as error:
        raise ExportError(f"{path}: {error}") from error


def _recipe(path: Path, values: dict[str, Any]) -> Recipe:
    names = {field.name for field in fields(Recipe)} - {"path"}
    require_keys("the recipe", values, names, {"nest", *_OPTIONAL})
    require_type("name", values["name"], str)
    if "int8" not in values and "int4" not in values:
        raise ExportError("has neither [int8] nor [int4], expected one at least")
    source = values["source"]
    if not isinstance(source, dict) or str(source.get("kind")) not in SOURCES:
        raise ExportError(f"source.kind is missing or unknown, expected one of {', '.join(SOURCES)}")
    rest = {key: value for key, value in source.items() if key != "kind"}
    return Recipe(
        path=path,
        name=values["name"],
        source=_part("source", rest, SOURCES[source["kind"]]),
        encoder=_part("encoder", values["encoder"], EncoderRecipe),
        table=_part("table", values["table"], Grid),
        card=_part("card", values["card"], CardRecipe),
        verify=_bars(values["verify"], {"int8", "int4"} & set(values)),
        nest=_nest(values["nest"]) if "nest" in values else None,
        **{name: _part(name, values[name], kind) if name in values else None for name, kind in _OPTIONAL.items()},
    )


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
    require_keys("[verify]", values, precisions | narrower, narrower)
    return {name: _part(f"verify.{name}", table, VerifyRecipe) for name, table in values.items()}


def _part(name: str, values: Any, kind: type[Part]) -> Part:
    """A table of the file as a value, whose own checks name its keys alone: the table's name is put in front."""
    known = fields(kind)  # type: ignore[arg-type]
    optional = {field.name for field in known if field.default is not MISSING or field.default_factory is not MISSING}
    require_keys(f"[{name}]", values, {field.name for field in known}, optional)
    types = get_type_hints(kind)
    for key, value in values.items():
        require_type(f"{name}.{key}", value, get_origin(types[key]) or types[key])
    try:
        return kind(**values)
    except ExportError as error:
        raise ExportError(f"[{name}] {error}" if kind is CourseRecipe else f"{name}.{error}") from error
