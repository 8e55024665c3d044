"""Forms of the token table, the other half of the model: groups, products of small codebooks, low rank.

    python tests/bench/token_table.py WORK_FOLDER COLLECTION_FOLDER... [-o tests/bench/results/table.json]

WORK_FOLDER is where a build of the default bundle keeps its steps: `xl.onnx` and `gradients.npy` are read. All
else stays float32. Quality is the cosine to the float32 graph, and nDCG@10 of dense search.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from int8_kinds import encoded, session
from machine import described, finished
from nestling import Encoder
from nestling.evaluate import read_collection
from nestling.export.quantize.blocks import compensated, nearest
from nestling.export.quantize.embedding import TABLE
from nestling.export.recipe.grid import Grid
from precision import Floats, Vectors, compared, figures

CENTROIDS = 256
ROUNDS = 12
HALF = 2  # bytes of a float16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results" / "table.json")
    arguments = parser.parse_args()
    model = onnx.load(arguments.work / "xl.onnx")
    (stored,) = (tensor for tensor in model.graph.initializer if tensor.name == TABLE)
    table = numpy_helper.to_array(stored)
    tokens = Encoder(threads=1).tokens
    collections = [read_collection(path) for path in arguments.collections]
    results: dict[str, Any] = {}
    exact: list[Vectors] = []
    for name, (values, size) in forms(table, np.load(arguments.work / "gradients.npy")).items():
        stored.CopyFrom(numpy_helper.from_array(values, TABLE))
        run = session(model)
        found = [encoded(run, collection, tokens) for collection in collections]
        exact = exact or found
        results[name] = {"bytes": size, **figures(*compared(collections, found, exact))}
        print(name, json.dumps(results[name]), flush=True)
    command = f"python tests/bench/token_table.py WORK_FOLDER {' '.join(map(str, arguments.collections))}"
    finished(arguments.output, {**described(command, 2), "forms": results})


def forms(table: Floats, second: Floats) -> dict[str, tuple[Floats, int]]:
    """By name, the values of the table in a form, (tokens, dim) float32, and the bytes that it takes."""
    columns = np.ascontiguousarray(table.T)
    found = {"float32": (table, 4 * table.size)}
    for grid, fitted in (
        (Grid(8, 128, False), False),
        (Grid(4, 128, False), False),
        (Grid(4, 128, False), True),
    ):
        blocks = compensated(columns, second, grid) if fitted else nearest(columns, grid)
        # Scales are kept in float16, not in float32 as `Grid.bytes` counts.
        size = grid.bytes(*columns.shape) - HALF * blocks.scales.size
        values = np.ascontiguousarray(blocks.values()[: len(columns)].T)
        found[f"{grid}, {'along the gradients' if fitted else 'to the nearest'}"] = values, size
    found["pairs of dimensions, each one of 256"] = pairs(table), table.size // 2 + HALF * CENTROIDS * table.shape[1]
    rank = table.size // 2 // HALF // sum(table.shape)
    left, values, right = np.linalg.svd(table.astype(np.float64), full_matrices=False)
    low = (left[:, :rank] * values[:rank]) @ right[:rank]
    found[f"rank {rank} in float16"] = low.astype(np.float32), HALF * rank * sum(table.shape)
    return found


def pairs(table: Floats) -> Floats:
    """Every two dimensions as one of 256 points, found by k-means (product quantization, Jégou et al., 2011)."""
    random = np.random.default_rng(0)
    result = np.empty_like(table)
    for place in range(0, table.shape[1], 2):
        points = table[:, place : place + 2]
        centroids = points[random.choice(len(points), CENTROIDS, replace=False)]
        for _ in range(ROUNDS):
            nearest_one = closest(points, centroids)
            counts = np.maximum(np.bincount(nearest_one, minlength=CENTROIDS), 1)
            sums = [np.bincount(nearest_one, points[:, side], CENTROIDS) for side in (0, 1)]
            centroids = (np.stack(sums, axis=1) / counts[:, None]).astype(np.float32)
        result[:, place : place + 2] = centroids[closest(points, centroids)]
    return result


def closest(points: Floats, centroids: Floats) -> Any:
    """The nearest centroid of each point, (n,)."""
    return ((centroids**2).sum(axis=1) - 2 * points @ centroids.T).argmin(axis=1)


if __name__ == "__main__":
    main()
