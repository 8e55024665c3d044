"""The encoders of a bundle to graphs at each precision; what widths have in common is rounded once, and alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper

from ...arrays import Floats, Ids
from ...encoding.tokens import Tokens
from ..recipe.parts import Int4Recipe, Int8Recipe
from ..recipe.recipe import Recipe
from ..steps import BuildSteps, Say
from .activations import matrices, reach
from .blocks import Blocks
from .calibration import drawn_texts, own_texts
from .embedding import compress_table, put_values, rounded_table
from .gradients import embedding_moments
from .int4 import Rounded, quantize_int4
from .int8 import quantize_int8
from .kernels import rewrite_slow_nodes
from .onnx_graph import export_graph, half_rotation, optimized, write

FLOAT32 = "float32"

_SEED = 0


def quantized(
    recipe: Recipe,
    models: Mapping[str, Any],
    space: str,
    tokens: Tokens,
    texts: Path,
    precisions: Sequence[str],
    work: Path,
    say: Say,
) -> dict[str, Path]:
    """Graphs by the name of their variant, the widths of the first precision first.

    Args:
        models: transformers encoders by width, the widest first.
        space: sha256 of their weights.
        texts: where the files are that the recipe draws passages from.
        precisions: those of the recipe and float32, or some of them.
        work: where steps are kept.

    Raises:
        ExportError: a text file is not there or another than the recipe pins, or int4 is allowed too few bytes.
    """
    steps, encoder = BuildSteps(work, __name__, say, space), recipe.encoder
    fused = {
        width: steps.file(
            f"{width}.onnx",
            f"export {width} and fuse",
            partial(export_graph, model, encoder.pooling, encoder.max_tokens),
        )
        for width, model in models.items()
    }
    widest = next(iter(models))
    own = [tokens.ids(text, "document")[0] for text in own_texts()]
    second = steps.array(
        "gradients.npy", "gradients", lambda: embedding_moments(models[widest], encoder.pooling, own, _SEED)
    )

    @cache
    def table() -> Blocks:
        return rounded_table(onnx.load(fused[widest]), recipe.table, second)

    def to_int8(folder: Path) -> None:
        assert recipe.int8 is not None
        _to_int8(recipe.int8, fused, table(), own, folder)

    def to_int4(folder: Path) -> None:
        assert recipe.int4 is not None
        drawn = [] if recipe.texts is None else drawn_texts(recipe.texts, texts, recipe.int4.passages, _SEED)
        ids = [*own, *(tokens.ids(text, "document")[0] for text in drawn)]
        chosen = {width: fused[width] for width in fused if width in recipe.int4_widths()}
        _to_int4(recipe.int4, chosen, table(), ids, folder, say)

    makers: dict[str, Callable[[Path], None]] = {"int8": to_int8, "int4": to_int4}
    graphs: dict[str, Path] = {}
    for precision in precisions:
        found = dict(fused)
        if precision != FLOAT32:
            folder = steps.files(precision, f"quantize to {precision}", makers[precision])
            found = {width: folder / path.name for width, path in fused.items() if (folder / path.name).exists()}
        graphs |= {f"{width}.{precision}": path for width, path in found.items()}
    return graphs


def _to_int8(recipe: Int8Recipe, fused: Mapping[str, Path], table: Blocks, texts: Sequence[Ids], folder: Path) -> None:
    """Write the int8 graphs of float32 ones, under their names.

    Args:
        table: the rounded token table of all.
        texts: token ids of the texts that reaches are measured on.
    """
    shared: dict[bytes, Floats] = {}
    for path in fused.values():
        model = onnx.load(path)
        put_values(model, table)
        reached = _common(model, reach(model, texts), shared)
        model = quantize_int8(model, reached, recipe.weight_bits, recipe.outlier_ratio, recipe.float_ratio, folder)
        compress_table(model, table)
        _finish(model, folder / path.name)


def _to_int4(
    recipe: Int4Recipe, fused: Mapping[str, Path], table: Blocks, texts: Sequence[Ids], folder: Path, say: Say
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
        model = onnx.load(path)
        put_values(model, table)
        wider = quantize_int4(model, onnx.load(path), texts, table, recipe.max_bytes, wider)
        _finish(model, folder / path.name)
    if wider is not None:
        grids = Counter(map(str, wider.grids.values()))
        say("; ".join(f"{count} matrices in {grid}" for grid, count in grids.items()))


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
