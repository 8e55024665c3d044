"""The encoders of a bundle to graphs at each precision; what widths have in common is rounded once, and alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper

from ...arrays import Floats, Ids
from ...encoding.tokens import Tokens
from ..encoder.sentence_encoder import SentenceEncoder
from ..recipe.grid import Grid
from ..recipe.parts import Int4Recipe, Int8Recipe
from ..recipe.recipe import Recipe
from ..steps import BuildSteps, Say
from .activations import matrices, reach
from .calibration import drawn_texts, own_texts
from .embedding import TokenTable, compress_table, half_positions, put_values, rounded_table
from .gradients import embedding_moments
from .int4 import Rounded, quantize_int4
from .int8 import quantize_int8
from .kernels import rewrite_slow_nodes
from .onnx_graph import export_graph, half_rotation, optimized, write

FLOAT32 = "float32"

# How the token table is rounded for a precision where the recipe does not say it for all.
TABLES = {"int8": Grid(8, 128, False), "int4": Grid(4, 16, False)}

_SEED = 0
_QUERY_WORDS = 12


@dataclass(frozen=True, eq=False)
class Exported:
    """The float32 graphs of a bundle's encoders.

    Attributes:
        graphs: by width, the widest first.
        second: see `gradients.embedding_moments`, of the widest.
        space: sha256 of the weights.
    """

    graphs: Mapping[str, Path]
    second: Floats
    space: str


def exported(models: Mapping[str, SentenceEncoder], space: str, tokens: Tokens, work: Path, say: Say) -> Exported:
    """Export encoders, and measure what rounding their token table must know.

    Args:
        models: by width, the widest first.
        space: sha256 of their weights.
        work: where steps are kept.

    Raises:
        ExportError: a graph gives other vectors than its encoder.
    """
    steps = BuildSteps(work, __name__, say, space)
    graphs = {
        width: steps.file(f"{width}.onnx", f"export {width} and fuse", partial(export_graph, model, tokens.max_tokens))
        for width, model in models.items()
    }
    widest = next(iter(models.values()))
    second = steps.array("gradients.npy", "gradients", lambda: embedding_moments(widest, _own(tokens), _SEED))
    return Exported(graphs, second, space)


def quantized(
    recipe: Recipe, found: Exported, tokens: Tokens, texts: Path, precisions: Sequence[str], work: Path, say: Say
) -> dict[str, Path]:
    """Graphs by the name of their variant, the widths of the first precision first.

    Args:
        texts: where the files are that the recipe draws passages from.
        precisions: those of the recipe and float32, or some of them.
        work: where steps are kept.

    Raises:
        ExportError: a text file is not there or another than the recipe pins, or int4 is allowed too few bytes.
    """
    steps, fused, own = BuildSteps(work, __name__, say, found.space), found.graphs, _own(tokens)
    widest = next(iter(fused))

    def table(precision: str) -> TokenTable:
        return rounded_table(onnx.load(fused[widest]), recipe.table or TABLES[precision], found.second, _SEED)

    def to_int8(folder: Path) -> None:
        _to_int8(recipe.int8, fused, table("int8"), own, folder)

    def to_int4(folder: Path) -> None:
        drawn = [] if recipe.texts is None else drawn_texts(recipe.texts, texts, recipe.int4.passages, _SEED)
        ids = [*own, *(tokens.ids(text, "query" if query else "document")[0] for text, query in drawn)]
        chosen = {width: fused[width] for width in fused if width in recipe.int4_widths()}
        _to_int4(recipe.int4, chosen, table("int4"), ids, folder, say)

    makers: dict[str, Callable[[Path], None]] = {"int8": to_int8, "int4": to_int4}
    graphs: dict[str, Path] = {}
    for precision in precisions:
        paths = dict(fused)
        if precision != FLOAT32:
            folder = steps.files(precision, f"quantize to {precision}", makers[precision])
            paths = {width: folder / path.name for width, path in fused.items() if (folder / path.name).exists()}
        graphs |= {f"{width}.{precision}": path for width, path in paths.items()}
    return graphs


def _own(tokens: Tokens) -> list[Ids]:
    """Token ids of the texts that come with Nestling, as documents, and of their first words, as queries: rounding is
    fitted to both prefixes, and to short texts as to long ones."""
    texts = own_texts()
    short = [" ".join(text.split()[:_QUERY_WORDS]) for text in texts]
    return [*(tokens.ids(text, "document")[0] for text in texts), *(tokens.ids(text, "query")[0] for text in short)]


def _to_int8(
    recipe: Int8Recipe, fused: Mapping[str, Path], table: TokenTable, texts: Sequence[Ids], folder: Path
) -> None:
    """Write the int8 graphs of float32 ones, under their names.

    Args:
        table: the rounded token table of all.
        texts: token ids of the texts that reaches are measured on.
    """
    shared: dict[bytes, Floats] = {}
    for path in fused.values():
        model = _loaded(path)
        put_values(model, table)
        reached = _common(model, reach(model, texts), shared)
        model = quantize_int8(model, reached, recipe.weight_bits, recipe.outlier_ratio, recipe.float_ratio, folder)
        compress_table(model, table)
        _finish(model, folder / path.name)


def _to_int4(
    recipe: Int4Recipe, fused: Mapping[str, Path], table: TokenTable, texts: Sequence[Ids], folder: Path, say: Say
) -> None:
    """Write the int4 graphs of float32 ones, under their names.

    Args:
        fused: by width, the widest first.
        table: the rounded token table of all.
        texts: token ids of the texts that the rounding is fitted to.
    """
    wider: Rounded | None = None
    for width, path in fused.items():
        say(f"int4 of {width}")
        model = _loaded(path)
        put_values(model, table)
        wider = quantize_int4(model, _loaded(path), texts, table, recipe, wider)
        _finish(model, folder / path.name)
    if wider is not None:
        grids = Counter(map(str, wider.grids.values()))
        say("; ".join(f"{count} matrices in {grid}" for grid, count in grids.items()))


def _loaded(path: Path) -> Any:
    """A float32 graph that is to be quantized."""
    model = onnx.load(path)
    half_positions(model)
    return model


def _finish(model: Any, path: Path) -> None:
    """Write a quantized graph as ONNX Runtime computes it fastest."""
    model = optimized(model, path.parent)
    rewrite_slow_nodes(model)
    half_rotation(model)  # behind the optimizer, which would undo it
    write(model, path)


def _common(model: Any, found: Mapping[str, Floats], shared: dict[bytes, Floats]) -> dict[str, Floats]:
    """How far channels reach, into a matrix that a wider model has too as it was there: both come out alike then.

    Args:
        shared: by the weights of the matrices there were so far, how far channels reach into them; added to.
    """
    stored = {tensor.name: numpy_helper.to_array(tensor).tobytes() for tensor in model.graph.initializer}
    return {node.input[0]: shared.setdefault(stored[node.input[1]], found[node.input[0]]) for node in matrices(model)}
