"""Recipes as text: the short one for a model without any, and one as it is to stand in another folder."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import ExportError
from .parts import FolderSource, HubSource, Source, local
from .recipe import Recipe
from .recipe_file import parsed_recipe

_PATH = re.compile(r"^(\[source\][^\[]*?^path\s*=\s*)(\"[^\"\n]*\"|'[^'\n]*')", re.MULTILINE)
_NAME = re.compile(r"[^\w.-]+")

_RECIPE = """# A recipe for nestling-export; every key but [source] may be left out, see export/README.md of Nestling.
name = {name}

[source]
{source}

# As the model's own files have it. What is changed here departs from them: say why in `departs`.
[encoder]
pooling = {pooling}
max_tokens = {max_tokens}
query_prefix = {query_prefix}
document_prefix = {document_prefix}

{precisions}

[card]
origin = {origin}
licence = {licence}
languages = {languages}
"""


def short_recipe(
    name: str,
    source: Source,
    encoder: Mapping[str, object],
    precisions: tuple[str, ...],
    card: Mapping[str, str],
) -> str:
    """The recipe of a model that is taken as it is.

    Args:
        encoder: `pooling`, `max_tokens`, `query_prefix` and `document_prefix`.
        card: `origin`, `licence` and `languages`.
    """
    if isinstance(source, FolderSource):
        lines = [f'kind = "folder"\npath = {_text(source.path)}']
        lines += [f"files = {{ {', '.join(f'{_text(key)} = {_text(value)}' for key, value in source.files.items())} }}"]
    else:
        assert isinstance(source, HubSource)
        lines = [f'kind = "hub"\nid = {_text(source.id)}\nrevision = {_text(source.revision)}']
    return _RECIPE.format(
        name=_text(name),
        source="\n".join(lines),
        precisions="\n\n".join(f"[{precision}]" for precision in precisions),
        **{key: _text(value) for key, value in {**encoder, **card}.items()},
    )


def plain_name(text: str) -> str:
    """A name that a recipe may have, from any text."""
    return _NAME.sub("-", text).strip("-._") or "model"


def text_for(recipe: Recipe, folder: Path) -> str:
    """The text of a recipe as it is to stand in a folder: a source that is named relative to the recipe is named whole
    where the folder is another, so that it can be verified from there."""
    text = recipe.path.read_text(encoding="utf-8")
    own = recipe.path.parent.resolve()
    named = local(recipe.source)
    if named is None or folder.resolve() == own or Path(named.path).is_absolute():
        return text
    whole = _text((own / named.path).resolve().as_posix())
    found = _PATH.sub(lambda match: match[1] + whole, text, count=1)
    source = local(parsed_recipe(found, recipe.path).source)
    if source is None or not Path(source.path).is_absolute():
        raise ExportError(
            f"{recipe.path}: names its source in a way that cannot be made whole; write it as [source] path"
        )
    return found


def _text(value: object) -> str:
    """A value as TOML: what JSON writes of texts, numbers and lists of them is TOML as well."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
