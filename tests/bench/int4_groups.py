"""Group sizes of int4: one for every matrix, against one chosen for each under the same bytes.

    python tests/bench/int4_groups.py FLOAT32_FOLDER WORK_FOLDER TEXTS_FOLDER COLLECTION_FOLDER...
        [--vectors .nestling-build/precision] [-o tests/bench/results/groups.json]

FLOAT32_FOLDER is a bundle with the float32 weights, see precision.py. WORK_FOLDER is where a build of the default
bundle keeps its steps: `xl.onnx` and `gradients.npy` are read. TEXTS_FOLDER holds the texts that its recipe names. All
kinds share token table and rounding, and all but the last what they are fitted to. Bytes are those of the matrices:
codes, scales and zero points. Vectors that `precision.py` has kept are used again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from int8_kinds import encoded, session
from machine import described, finished
from nestling import Encoder
from nestling.evaluate import read_collection
from nestling.export.quantize.calibration import drawn_texts, own_texts
from nestling.export.quantize.embedding import compress_table, put_values, rounded_table
from nestling.export.quantize.int4 import found_matrices, rounded_in_order, with_blocks
from nestling.export.recipe.grid import Grid
from nestling.export.recipe.recipe_file import read_recipe
from precision import Vectors, compared, exact_vectors, figures, vectors

RECIPE = Path(__file__).parents[2] / "models" / "nestling-en" / "recipe.toml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("float32", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--vectors", type=Path, default=Path(".nestling-build/precision"))
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results" / "groups.json")
    arguments = parser.parse_args()
    arguments.vectors.mkdir(parents=True, exist_ok=True)
    chosen = Encoder(precision="int4")
    collections = [read_collection(path) for path in arguments.collections]

    def kept(encoder: Encoder) -> list[Vectors]:
        return [vectors(encoder, collection, arguments.vectors) for collection in collections]

    float32 = Encoder(arguments.float32, precision="float32")
    exact = exact_vectors(float32, chosen.bundle, collections, arguments.vectors)
    results: dict[str, Any] = {}

    def report(name: str, size: int, found: list[Vectors]) -> None:
        scores, cosines = compared(collections, found, exact)
        mean = round(float(np.mean(list(scores.values()))), 4)
        results[name] = {"matrix_bytes": size, "mean": mean, **figures(scores, cosines)}
        print(name, json.dumps(results[name]), flush=True)

    exact_model = onnx.load(arguments.work / "xl.onnx")
    report("float32", 4 * sum(matrix.weights.size for matrix in found_matrices(exact_model)), exact)
    report("chosen for each", matrix_bytes(onnx.load(graph_of(chosen))), kept(chosen))
    kinds = {f"{size} for all": (size, arguments.texts) for size in arguments.sizes}
    kinds["64 for all, fitted to Nestling's own texts alone"] = 64, None
    for name, (size, texts) in kinds.items():
        model = uniform(exact_model, Grid(4, size, False), arguments.work, texts, chosen.tokens)
        run = session(model)
        report(name, matrix_bytes(model), [encoded(run, collection, chosen.tokens) for collection in collections])
    command = f"python tests/bench/int4_groups.py FLOAT32_FOLDER WORK_FOLDER {arguments.texts} " + " ".join(
        map(str, arguments.collections)
    )
    finished(arguments.output, {**described(command, 2), "groups": results})


def uniform(exact: Any, grid: Grid, work: Path, texts: Path | None, tokens: Any) -> Any:
    """The model with one grid for all matrices; without a folder of texts they are fitted to fewer."""
    recipe = read_recipe(RECIPE)
    assert recipe.int4 is not None
    drawn = [] if texts is None else drawn_texts(recipe.texts, texts, recipe.int4.passages, 0)
    calibration = [tokens.ids(text, "document")[0] for text in [*own_texts(), *drawn]]
    model = onnx.ModelProto.FromString(exact.SerializeToString())
    of_table = Grid(recipe.table.bits, recipe.table.group, recipe.table.symmetric)
    table = rounded_table(model, of_table, np.load(work / "gradients.npy"))
    put_values(model, table)
    found = found_matrices(model)
    with_blocks(model, rounded_in_order(model, exact, calibration, found, [grid] * len(found), {}))
    compress_table(model, table)
    return model


def graph_of(encoder: Encoder) -> Path:
    """Where an encoder's graph is."""
    return encoder.bundle.folder / encoder.bundle.variant(encoder.width, encoder.precision).graph


def matrix_bytes(model: Any) -> int:
    """What the stored arrays of the rounded matrices take."""
    used = {name for node in model.graph.node if node.op_type == "MatMulNBits" for name in node.input[1:]}
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer if tensor.name in used)


if __name__ == "__main__":
    main()
