"""Chroma with its default encoder, all-MiniLM-L6-v2 in ONNX, whose files are put where it keeps what it downloads.

It is given that encoder by name: left to itself it makes a new session for every call (chroma-core/chroma#6941). Its
search over words and vectors together is for its cloud alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .adapter import Encode, Peer, System, Text, Weights

FILES = ("config.json", "model.onnx", "special_tokens_map.json", "tokenizer_config.json", "tokenizer.json", "vocab.txt")
BATCH = 1000


def hello(folder: Path, texts: Sequence[str], question: str) -> Any:
    import chromadb

    collection = chromadb.PersistentClient(str(folder)).create_collection("hello")
    collection.add(ids=[str(number) for number in range(len(texts))], documents=list(texts))
    return collection.query(query_texts=[question], n_results=10)["ids"][0]


def put_in_cache(weights: Weights) -> None:
    """Put the weights into the cache folder of the default encoder."""
    cache = Path.home() / ".cache" / "chroma" / "onnx_models" / "all-MiniLM-L6-v2" / "onnx"
    cache.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if not (cache / name).exists():
            shutil.copyfile(weights.made / "onnx" / name, cache / name)


def encoder(weights: Weights) -> Encode:
    from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2

    put_in_cache(weights)
    encode = ONNXMiniLM_L6_V2()
    return lambda texts, query: encode(list(texts))


class Collection:
    def __init__(self, folder: Path, weights: Weights) -> None:
        import chromadb
        from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2

        put_in_cache(weights)
        self._collection = chromadb.PersistentClient(str(folder)).get_or_create_collection(
            "texts", embedding_function=ONNXMiniLM_L6_V2(), configuration={"hnsw": {"space": "cosine"}}
        )

    def add(self, texts: Sequence[Text]) -> None:
        for begin in range(0, len(texts), BATCH):
            some = texts[begin : begin + BATCH]
            self._collection.upsert(
                ids=[one.id for one in some],
                documents=[one.text for one in some],
                metadatas=[{"part": one.part} for one in some],
            )

    def search(self, query: str, k: int, part: str | None = None) -> list[str]:
        where = {} if part is None else {"where": {"part": part}}
        found = self._collection.query(query_texts=[query], n_results=k, include=["distances"], **where)
        return list(found["ids"][0])

    def remove(self, ids: Sequence[str]) -> None:
        self._collection.delete(ids=list(ids))

    def kept(self, ids: Sequence[str]) -> set[str]:
        return set(self._collection.get(ids=list(ids), include=[])["ids"])

    def close(self) -> None:
        """Every call has written what it did."""


def system(folder: Path, weights: Weights) -> System:
    return Collection(folder, weights)


PEER = Peer(("chromadb",), ("chromadb", "onnxruntime"), "same", hello, encoder, system)
