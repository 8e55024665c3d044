"""What a family's widths are compared with, made of the same weights: vectors for study.py, each rival in a folder.

    python -m tests.bench.family.rivals SOURCE_FOLDER COLLECTION_FOLDER... -o FOLDER [--only NAME ...]

SOURCE_FOLDER holds the teacher's weights, as a build leaves them in `source` in its work folder. Cuts have the
teacher's most important feed-forward neurons and no training at all, in float32. A plan has the first half of the
layers of one width of the bundled family and the second half of another, in int8 as they are. Needs the extras eval
and export.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from nestling import Encoder
from nestling.arrays import Floats, Ids
from nestling.bundle.manifest import read_bundle
from nestling.evaluate import read_collection
from nestling.export.encoder.sentence_encoder import load_encoder
from nestling.export.quantize.calibration import own_texts
from nestling.export.quantize.onnx_graph import export_graph, stored_rotation
from nestling.export.recipe.training import WIDTHS
from nestling.export.source.settings import read_settings
from nestling.export.train.nest import important, prefix
from nestling.export.train.targets import vectors

from .vectors import document_texts

MAX_TOKENS = 256
CUTS = {"cut s": "s", "cut m": "m", "cut l": "l"}
PLANS = {"plan m, l": ("m", "l")}
HALF = 3  # of the layers
THREADS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--only", action="append", choices=[*CUTS, *PLANS])
    arguments = parser.parse_args()
    tokens = Encoder().tokens
    collections = [read_collection(folder) for folder in arguments.collections]
    for name in arguments.only or [*CUTS, *PLANS]:
        folder = arguments.output / name
        folder.mkdir(parents=True, exist_ok=True)
        if name in CUTS:
            texts = [tokens.ids(text, "document")[0] for text in own_texts()]
            encode = cut(arguments.source, CUTS[name], texts, folder / "float32.onnx")
        else:
            encode = mixed(*PLANS[name], folder / "int8.onnx")
        for collection in collections:
            np.savez(
                folder / f"{collection.name}.npz",
                documents=encode([tokens.ids(text, "document")[0] for text in document_texts(collection)]),
                queries=encode([tokens.ids(text, "query")[0] for text in collection.queries.values()]),
            )
            print(name, collection.name, flush=True)


def cut(source: Path, width: str, texts: list[Ids], graph: Path) -> Callable[[list[Ids]], Floats]:
    """The teacher with the most important neurons of each layer alone, its vectors turned as the family's are."""
    encoder = load_encoder(source, read_settings(source))
    model = encoder.trunk
    with torch.inference_mode():
        states = [model.embeddings(input_ids=torch.from_numpy(ids[None, :])) for ids in texts]
    for layer in model.encoder.layer:
        with torch.inference_mode():
            middles = [layer.attention(state)[0] for state in states]
            hidden = [layer.intermediate(middle) for middle in middles]
            states = [layer.output(one, middle) for one, middle in zip(hidden, middles, strict=True)]
        into, out = layer.intermediate.dense, layer.output.dense
        kept = important(out, hidden)[: int(into.out_features * WIDTHS[width])]
        layer.intermediate.dense, layer.output.dense = prefix(into, out, kept, gated=False)
    bundle = read_bundle()
    rotation = stored_rotation(onnx.load(bundle.folder / bundle.variants[0].graph))
    assert rotation is not None
    export_graph(encoder.rotated(model, rotation), MAX_TOKENS, graph)
    return lambda passages: vectors(graph, passages)


def mixed(first: str, second: str, graph: Path) -> Callable[[list[Ids]], Floats]:
    """An encoder whose layers are of one width of the bundle in the first half, and of another in the second."""
    bundle = read_bundle()
    middle = f"/encoder/layer.{HALF - 1}/output/LayerNorm/LayerNormalization_output_0"
    lower, upper = (onnx.load(bundle.folder / bundle.variant(width, "int8").graph) for width in (first, second))
    lower = part(lower, "input_ids", middle)
    upper = part(upper, middle, "vector")
    onnx.save(onnx.compose.merge_models(lower, upper, io_map=[(middle, middle)], prefix2="upper."), graph)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def encode(texts: list[Ids]) -> Floats:
        # One text a run: int8 takes its scales from all that it sees.
        with ThreadPoolExecutor(THREADS) as pool:
            return np.concatenate(list(pool.map(lambda ids: session.run(None, {"input_ids": ids[None, :]})[0], texts)))

    return encode


def part(model: Any, begin: str, end: str) -> Any:
    """What of a graph computes one of its values from another."""
    known = {value.name for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]}
    for name in {begin, end} - known:
        model.graph.value_info.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return onnx.utils.Extractor(model).extract_model([begin], [end])


if __name__ == "__main__":
    main()
