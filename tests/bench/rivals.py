"""What a family's widths are compared with, made of the same source: vectors for study.py, each rival in a folder.

    python tests/bench/rivals.py WORK_FOLDER COLLECTION_FOLDER... -o FOLDER [--only NAME ...]

WORK_FOLDER is the one of the family's build (`.nestling-build/nestling-en-...`). Cuts have the source's most important
feed-forward neurons and no training at all; plans have the trained parts of one width in the first half of the layers
and of another in the second. All are in float32. Needs the export and eval extras.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nestling import Encoder
from nestling.evaluate import read_collection
from nestling.export.activations import ROTATION, Floats, Ids
from nestling.export.calibration import own_texts
from nestling.export.family import encoder_of
from nestling.export.graph import export_graph, load_model
from nestling.export.nest import important, prefix
from nestling.export.targets import vectors
from precision import document_texts

POOLING, MAX_TOKENS = "mean", 256
CUTS = {"cut s": "s", "cut m": "m", "cut l": "l"}
PLANS = {"plan m": ("m", "m"), "plan m, l": ("m", "l"), "plan l": ("l", "l")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--only", action="append", choices=[*CUTS, *PLANS])
    arguments = parser.parse_args()
    tokens = Encoder().tokens
    source = arguments.work / "source"
    rotation = np.load(arguments.work / "rotation.npy")
    students = torch.load(arguments.work / "students.pt", weights_only=True)
    collections = [read_collection(folder) for folder in arguments.collections]
    for name in arguments.only or [*CUTS, *PLANS]:
        folder = arguments.output / name
        folder.mkdir(parents=True, exist_ok=True)
        model = load_model(source)
        if name in CUTS:
            cut(model, CUTS[name], [tokens.ids(text, "document")[0] for text in own_texts()])
            model.register_buffer(ROTATION, torch.from_numpy(rotation))
        else:
            model = mixed(model, students, rotation, *PLANS[name])
        graph = folder / "float32.onnx"
        export_graph(model, POOLING, MAX_TOKENS, graph)
        for collection in collections:
            np.savez(
                folder / f"{collection.name}.npz",
                documents=vectors(graph, [tokens.ids(text, "document")[0] for text in document_texts(collection)]),
                queries=vectors(graph, [tokens.ids(text, "query")[0] for text in collection.queries.values()]),
            )
            print(name, collection.name, flush=True)


def cut(model: Any, width: str, texts: list[Ids]) -> None:
    """Leave a model, in place, the most important neurons of each layer."""
    with torch.inference_mode():
        states = [model.embeddings(input_ids=torch.from_numpy(ids[None, :])) for ids in texts]
    for layer in model.encoder.layer:
        with torch.inference_mode():
            middles = [layer.attention(state)[0] for state in states]
            hidden = [layer.intermediate(middle) for middle in middles]
            states = [layer.output(one, middle) for one, middle in zip(hidden, middles, strict=True)]
        layer.intermediate.dense, layer.output.dense = prefix(layer, important(layer, hidden), width)


def mixed(model: Any, states: dict[str, dict[str, torch.Tensor]], rotation: Floats, first: str, second: str) -> Any:
    """A trained encoder whose layers are of one width in the first half, and of another in the second."""
    result = encoder_of(model.config, first, states[first], rotation)
    other = encoder_of(model.config, second, states[second], rotation)
    for place in range(len(result.encoder.layer) // 2, len(result.encoder.layer)):
        result.encoder.layer[place] = other.encoder.layer[place]
    return result


if __name__ == "__main__":
    main()
