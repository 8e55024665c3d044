"""The encoders of a bundle to graphs at each precision; what widths have in common is rounded once, and alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper

from ...encoding.tokens import Tokens
from ..recipe.recipe import Recipe
from ..steps import Work
from .activations import Floats, Ids, matrices, reach
from .blocks import Blocks, Grid
from .calibration import drawn_texts, own_texts
from .embedding import compress_table, put_values, rounded_table
from .gradients import embedding_moments
from .int4 import Rounded, quantize_int4
from .int8 import quantize_int8
from .kernels import quicken
from .onnx_graph import export_graph, half_rotation, optimized, write

FLOAT32 = "float32"

_SEED = 0


def quantized(
    recipe: Recipe, models: Mapping[str, Any], tokens: Tokens, texts: Path, precisions: Sequence[str], work: Work
) -> dict[str, Path]:
    """Graphs by the name of their variant, the widths of the first precision first.

    Args:
        models: transformers encoders by width, the widest first.
        texts: where the files are that the recipe draws passages from.

    Raises:
        ExportError: a text file is not there or another than the recipe pins, or int4 is allowed too few bytes.
    """
    encoder = recipe.encoder
    fused = {
        width: work.step(
            f"{width}.onnx",
            f"export {width} and fuse",
            partial(export_graph, model, encoder.pooling, encoder.max_tokens),
        )
        for width, model in models.items()
    }
    widest = next(iter(models))
    calibration = [tokens.ids(text, "document")[0] for text in own_texts()]
    second = work.array(
        "gradients.npy",
        "gradients",
        lambda: embedding_moments(models[widest], encoder.pooling, calibration, _SEED),
    )

    @cache
    def table() -> Blocks:
        grid = Grid(recipe.table.bits, recipe.table.group, recipe.table.symmetric)
        return rounded_table(onnx.load(fused[widest]), grid, second)

    def finish(model: Any, path: Path) -> None:
        model = optimized(model, work.folder)
        quicken(model)
        half_rotation(model)  # behind the optimizer, which would undo it
        write(model, path)

    def to_int8(folder: Path) -> None:
        int8 = recipe.int8
        assert int8 is not None
        folder.mkdir(exist_ok=True)
        shared: dict[bytes, Floats] = {}
        for path in fused.values():
            model = onnx.load(path)
            put_values(model, table())
            reached = _common(model, reach(model, calibration), shared)
            model = quantize_int8(model, reached, int8.weight_bits, int8.outlier_ratio, int8.float_ratio, work.folder)
            compress_table(model, table())
            finish(model, folder / path.name)

    def to_int4(folder: Path) -> None:
        assert recipe.int4 is not None
        folder.mkdir(exist_ok=True)
        drawn: list[str] = []
        if recipe.texts is not None:
            drawn = drawn_texts(recipe.texts, texts, recipe.int4.passages, _SEED)
        ids: list[Ids] = [*calibration, *(tokens.ids(text, "document")[0] for text in drawn)]
        wider: Rounded | None = None
        for width, path in fused.items():
            if width not in recipe.int4_widths():
                continue
            work.say(f"int4 of {width}")
            model = onnx.load(path)
            put_values(model, table())
            wider = quantize_int4(model, onnx.load(path), ids, table(), recipe.int4.max_bytes, wider)
            finish(model, folder / path.name)
        if wider is not None:
            grids = Counter(map(str, wider.grids.values()))
            work.say("; ".join(f"{count} matrices in {grid}" for grid, count in grids.items()))

    graphs: dict[str, Path] = {}
    for precision in precisions:
        if precision == FLOAT32:
            found = dict(fused)
        else:
            folder = work.step(precision, f"quantize to {precision}", {"int8": to_int8, "int4": to_int4}[precision])
            kept = recipe.int4_widths() if precision == "int4" else list(fused)
            found = {width: folder / path.name for width, path in fused.items() if width in kept}
        graphs |= {f"{width}.{precision}": path for width, path in found.items()}
    return graphs


def _common(model: Any, found: Mapping[str, Floats], shared: dict[bytes, Floats]) -> dict[str, Floats]:
    """How far channels reach, into a matrix that a wider model has too as it was there: both come out alike then.

    Args:
        shared: by the weights of the matrices there were so far, how far channels reach into them; added to.
    """
    stored = {tensor.name: numpy_helper.to_array(tensor).tobytes() for tensor in model.graph.initializer}
    return {node.input[0]: shared.setdefault(stored[node.input[1]], found[node.input[0]]) for node in matrices(model)}
