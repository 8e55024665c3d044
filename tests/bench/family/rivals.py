"""What a family's widths are compared with, made of the same weights: vectors for study.py, each rival in a folder.

    python -m tests.bench.family.rivals SOURCE_FOLDER COLLECTION_FOLDER... -o FOLDER [--only NAME ...]

SOURCE_FOLDER holds the teacher's weights, as a build leaves them in `source` or `model` in its work folder. A cut has
the layers and neurons of a width of the bundled family, fitted to the teacher but not trained, in float32. Needs the
extras eval and export.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from nestling import Encoder
from nestling.arrays import Floats, Ids
from nestling.bundle.manifest import read_bundle
from nestling.evaluate import read_collection
from nestling.export.encoder.sentence_encoder import load_encoder
from nestling.export.quantize.calibration import own_texts
from nestling.export.quantize.onnx_graph import export_graph, stored_turn
from nestling.export.recipe.recipe_file import read_recipe
from nestling.export.source.settings import read_settings
from nestling.export.train.nest import nest
from nestling.export.train.targets import vectors

from .vectors import document_texts

CUTS = {"cut s": "s", "cut m": "m", "cut l": "l"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--only", action="append", choices=[*CUTS])
    arguments = parser.parse_args()
    tokens = Encoder().tokens
    collections = [read_collection(folder) for folder in arguments.collections]
    texts = [tokens.ids(text, "document")[0] for text in own_texts()]
    for name in arguments.only or CUTS:
        folder = arguments.output / name
        folder.mkdir(parents=True, exist_ok=True)
        encode = cut(arguments.source, CUTS[name], texts, tokens.max_tokens, folder / "float32.onnx")
        for collection in collections:
            np.savez(
                folder / f"{collection.name}.npz",
                documents=encode([tokens.ids(text, "document")[0] for text in document_texts(collection)]),
                queries=encode([tokens.ids(text, "query")[0] for text in collection.queries.values()]),
            )
            print(name, collection.name, flush=True)


def cut(source: Path, width: str, texts: list[Ids], max_tokens: int, graph: Path) -> Callable[[list[Ids]], Floats]:
    """The teacher with what a width has of it, untrained, its vectors turned as the family's are."""
    encoder, bundle = load_encoder(source, read_settings(source)), read_bundle()
    recipe = read_recipe(bundle.folder / "recipe.toml").nest
    turn = stored_turn(onnx.load(bundle.folder / bundle.variants[0].graph))
    assert recipe is not None
    assert turn is not None
    cuts = recipe.cuts(encoder.trunk.config.num_hidden_layers)
    narrow = nest(encoder.trunk, {width: cuts[width]}, texts)[width]
    export_graph(encoder.turned(narrow, turn), max_tokens, graph)
    return lambda passages: vectors(graph, passages)


if __name__ == "__main__":
    main()
