"""The bundle's README.md: what it is, where its weights are from, what it was measured at."""

from __future__ import annotations

from .recipe import FolderSource, PypiSource, Recipe
from .verify import Report

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
| precision | int8: {weight_bits}-bit weights with a scale a channel, 8-bit activations with a scale a text |

Made from the original weights by `nestling-export build` with the `recipe.toml` beside this file: exported to ONNX,
fused, quantized. The weights were changed in that way and no other; no training was done.

## Measured against the float32 reference

| texts | mean cosine | worst cosine | top-10 overlap |
|---|---|---|---|
| {sentences} | {cosine_mean} | {cosine_min} | {top10_overlap} |

`golden.npz` holds {golden} of these texts with the reference's vectors; `nestling check` compares them on your machine.
"""


def card(recipe: Recipe, report: Report, dim: int, golden: int) -> str:
    """The text of a bundle's card."""
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
        weight_bits=recipe.quantize.weight_bits,
        sentences=report.sentences,
        cosine_mean=report.cosine_mean,
        cosine_min=report.cosine_min,
        top10_overlap=report.top10_overlap,
        golden=golden,
    )


def _described(recipe: Recipe) -> str:
    source = recipe.source
    if isinstance(source, PypiSource):
        return f"the PyPI package {source.package} {source.version}, sha256 {source.sha256}"
    if isinstance(source, FolderSource):
        return "a local folder"
    return f"the hub, {source.id} at {source.revision}"
