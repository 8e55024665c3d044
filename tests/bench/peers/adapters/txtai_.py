"""txtai with texts, words and vectors in one index: `content` and `hybrid`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .adapter import Encode, Peer, System, Text, Weights

# A filter is applied to so many that are near.
CANDIDATES = 5000


def hello(folder: Path, texts: Sequence[str], question: str) -> Any:
    from txtai import Embeddings

    embeddings = Embeddings()
    embeddings.index(list(texts))
    return embeddings.search(question, 10)


def encoder(weights: Weights) -> Encode:
    import torch
    from txtai import Embeddings

    torch.set_num_threads(weights.threads)
    embeddings = Embeddings(path=str(weights.source), gpu=False, maxlength=True)
    return lambda texts, query: embeddings.batchtransform(list(texts), "query" if query else "data")


class Index:
    def __init__(self, folder: Path, weights: Weights) -> None:
        import torch
        from txtai import Embeddings

        torch.set_num_threads(weights.threads)
        self._path = folder / "index"
        if self._path.exists():
            self._embeddings = Embeddings().load(str(self._path))
        else:
            self._embeddings = Embeddings(
                path=str(weights.source), content=True, hybrid=True, gpu=False, maxlength=True
            )

    def add(self, texts: Sequence[Text]) -> None:
        self._embeddings.upsert([(one.id, {"text": one.text, "part": one.part}, None) for one in texts])
        self._embeddings.save(str(self._path))

    def search(self, query: str, k: int, part: str | None = None) -> list[str]:
        if part is None:
            return [row["id"] for row in self._embeddings.search(query, k)]
        sql = f"SELECT id FROM txtai WHERE similar(:query, {CANDIDATES}) AND part = :part"
        return [row["id"] for row in self._embeddings.search(sql, k, parameters={"query": query, "part": part})]

    def remove(self, ids: Sequence[str]) -> None:
        self._embeddings.delete(list(ids))
        self._embeddings.save(str(self._path))

    def kept(self, ids: Sequence[str]) -> set[str]:
        count = self._embeddings.count() if self._path.exists() else 0
        rows = self._embeddings.search("SELECT id FROM txtai", count) if count else []
        return set(ids) & {row["id"] for row in rows}

    def close(self) -> None:
        self._embeddings.close()


def system(folder: Path, weights: Weights) -> System:
    return Index(folder, weights)


PEER = Peer(("torch==2.13.0", "txtai"), ("txtai", "torch"), "same", hello, encoder, system)
