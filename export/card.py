"""The bundle's README.md: what it is, where its weights are from, what it was measured at."""

from __future__ import annotations

from collections.abc import Mapping

from .blocks import Grid
from .recipe import FolderSource, PypiSource, Recipe
from .verify import GOLDEN_TEXTS, Report

_CARD = """# {name}

{title}

| | |
|---|---|
| weights | {origin} |
| licence of the weights | {licence} |
| taken from | {source} |
| languages | {languages} |
| training data | {training} |
| vector | {dim} dimensions, {pooling} pooling, unit length |
| reads | {max_tokens} tokens of a text |
| token table | {table}, rounded where the vectors depend on it least; shared by the precisions |
{precisions}

Made from the original weights by `nestling-export build` with the `recipe.toml` beside this file: exported to ONNX,
fused, quantized. The weights were changed in that way and no other; no training was done.

## Measured against the float32 reference

| precision | bytes | texts | mean cosine | worst cosine | top-10 overlap |
|---|---|---|---|---|---|
{reports}

{fitted}
README.md of Nestling has ranking quality on whole collections. `golden.npz` holds {golden} of the texts with their
vectors; `nestling check` compares them on your machine.
"""


def card(recipe: Recipe, reports: Mapping[str, Report], sizes: Mapping[str, int], dim: int) -> str:
    """The text of a bundle's card.

    Args:
        reports, sizes: what each precision was measured at, and the bytes of its files.
    """
    described = {
        "int8": recipe.int8
        and f"{recipe.int8.weight_bits}-bit weights with a scale a channel, 8-bit activations with a scale a text",
        "int4": "4-bit weights in groups with a scale, each matrix in the finest groups, or 8 bits, that its part in "
        "the error earns",
        "float32": "the original weights",
    }
    return _CARD.format(
        name=recipe.name,
        title=recipe.card.title,
        origin=recipe.card.origin,
        licence=recipe.card.licence,
        languages=recipe.card.languages,
        training=recipe.card.training,
        source=_described(recipe),
        dim=dim,
        pooling=recipe.encoder.pooling,
        max_tokens=recipe.encoder.max_tokens,
        table=Grid(recipe.table.bits, recipe.table.group, recipe.table.symmetric),
        precisions="\n".join(f"| {name} | {described[name]} |" for name in reports),
        reports="\n".join(
            f"| {name} | {sizes[name]:,} | {report.sentences} | {report.cosine_mean} | {report.cosine_min} | "
            f"{report.top10_overlap} |"
            for name, report in reports.items()
        ),
        fitted=_fitted(recipe, reports),
        golden=GOLDEN_TEXTS,
    )


def _fitted(recipe: Recipe, reports: Mapping[str, Report]) -> str:
    """On what the rounding was fitted."""
    if set(reports) == {"float32"}:
        return "Nothing was rounded."
    says = "The rounding was fitted on other texts but for the demo documents"
    if recipe.int4 is None or "int4" not in reports or not recipe.int4.texts:
        return f"{says}."
    return f"{says}; that of int4 besides on {recipe.int4.passages:,} passages of {recipe.int4.origin}."


def _described(recipe: Recipe) -> str:
    source = recipe.source
    if isinstance(source, PypiSource):
        return f"the PyPI package {source.package} {source.version}, sha256 {source.sha256}"
    if isinstance(source, FolderSource):
        return "a local folder"
    return f"the hub, {source.id} at {source.revision}"
