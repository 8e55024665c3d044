"""Group sizes of int4: one for every matrix, against one chosen for each under the same bytes.

    python tests/bench/int4_groups.py WORK_FOLDER COLLECTION_FOLDER... [-o tests/bench/results/groups.json]

WORK_FOLDER is where a build of the default bundle keeps its steps: `float32.onnx` and `gradients.npy` are read. All
kinds share calibration, token table and rounding, but for the one that rounds to the nearest. Bytes are those of the
matrices: codes, scales and zero points. Quality is the cosine to the float32 graph, and nDCG@10 of dense search.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from int8_kinds import Floats, encoded, session
from machine import described, finished
from nestling import Encoder
from nestling.evaluate import read_collection
from nestling.export.blocks import Grid, nearest
from nestling.export.embedding import compress_table, put_values, rounded_table
from nestling.export.int4 import found_matrices, quantize_int4, rounded_in_order, with_blocks
from nestling.export.recipe import read_recipe
from nestling.export.verify import calibration_texts
from precision import quality

RECIPE = Path(__file__).parents[2] / "models" / "minilm-l6-en" / "recipe.toml"
SIZES = (32, 64, 128)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results" / "groups.json")
    arguments = parser.parse_args()
    recipe = read_recipe(RECIPE)
    assert recipe.int4 is not None
    tokens = Encoder(threads=1).tokens
    calibration = [tokens.ids(text, "document")[0] for text in calibration_texts()]
    exact_model = onnx.load(arguments.work / "float32.onnx")
    rounded = onnx.load(arguments.work / "float32.onnx")
    grid = Grid(recipe.table.bits, recipe.table.group, recipe.table.symmetric)
    table = rounded_table(rounded, grid, np.load(arguments.work / "gradients.npy"))
    put_values(rounded, table)
    found = found_matrices(rounded)

    def uniform(grid: Grid, compensate: bool = True) -> tuple[Any, int]:
        """The model with one grid for all matrices, and their bytes."""
        model = onnx.ModelProto.FromString(rounded.SerializeToString())
        if compensate:
            blocks = rounded_in_order(model, exact_model, calibration, found, [grid] * len(found))
        else:
            blocks = {matrix.name: nearest(matrix.weights, grid) for matrix in found}
        with_blocks(model, blocks)
        compress_table(model, table)
        return model, sum(grid.bytes(*matrix.weights.shape) for matrix in found)

    chosen = onnx.ModelProto.FromString(rounded.SerializeToString())
    grids = quantize_int4(chosen, exact_model, calibration, table, recipe.int4.max_bytes)
    models = {"float32": (exact_model, sum(4 * m.weights.size for m in found))}
    models["chosen a matrix"] = chosen, sum(grids[m.name].bytes(*m.weights.shape) for m in found)
    models |= {f"{size} for all": uniform(Grid(4, size, False)) for size in SIZES}
    models["64 for all, to the nearest"] = uniform(Grid(4, 64, False), compensate=False)

    results: dict[str, Any] = {}
    exact: dict[str, Floats] = {}
    collections = [read_collection(path) for path in arguments.collections]
    for name, (model, matrix_bytes) in models.items():
        run = session(model)
        scores, cosines = {}, []
        for collection in collections:
            documents, queries = encoded(run, collection, tokens)
            scores[collection.name] = round(quality(collection, documents, queries), 4)
            both = np.concatenate([documents, queries])
            cosines.append((both * exact.setdefault(collection.name, both)).sum(axis=1))
        everything = np.concatenate(cosines)
        results[name] = {
            "matrix_bytes": matrix_bytes,
            "ndcg_at_10": scores,
            "mean": round(float(np.mean(list(scores.values()))), 4),
            "cosine_mean": round(float(everything.mean()), 4),
            "cosine_min": round(float(everything.min()), 4),
        }
        print(name, json.dumps(results[name]), flush=True)
    command = f"python tests/bench/int4_groups.py WORK_FOLDER {' '.join(map(str, arguments.collections))}"
    finished(arguments.output, {**described(command, 2), "groups": results})


if __name__ == "__main__":
    main()
