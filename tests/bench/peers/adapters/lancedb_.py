"""LanceDB: hybrid search, its default way of bringing both halves together, with vectors of sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from .adapter import Peer, System, Text, Weights
from .sentence_transformers_ import by, torch_model

NAME = "texts"


def hello(folder: Path, texts: Sequence[str], question: str) -> Any:
    import lancedb
    from lancedb.embeddings import get_registry
    from lancedb.pydantic import LanceModel, Vector

    encoder = get_registry().get("sentence-transformers").create()

    class Row(LanceModel):
        text: str = encoder.SourceField()
        vector: Vector(encoder.ndims()) = encoder.VectorField()  # type: ignore[valid-type]

    table = lancedb.connect(str(folder)).create_table("hello", schema=Row)
    table.add([{"text": text} for text in texts])
    return table.search(question).limit(10).to_list()


class Table:
    """A flat table of vectors, which finds the nearest exactly, and an index of words."""

    def __init__(self, folder: Path, weights: Weights) -> None:
        import lancedb

        self._encode = by(torch_model(weights))
        self._database = lancedb.connect(str(folder))
        self._table = self._database.open_table(NAME) if NAME in self._database.list_tables().tables else None

    def add(self, texts: Sequence[Text]) -> None:
        from lancedb.index import FTS

        vectors = self._encode([one.text for one in texts], False)
        rows = [
            {"id": one.id, "text": one.text, "part": one.part, "vector": vector}
            for one, vector in zip(texts, vectors, strict=True)
        ]
        if self._table is None:
            self._table = self._database.create_table(NAME, rows)
            self._table.create_index("text", config=FTS())
        else:
            self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows)

    def search(self, query: str, k: int, part: str | None = None) -> list[str]:
        assert self._table is not None
        vector = self._encode([query], True)[0]
        asked = self._table.search(query_type="hybrid").vector(vector).text(query).distance_type("cosine").limit(k)
        if part is not None:
            asked = asked.where(f"part = '{part}'", prefilter=True)
        return [str(row["id"]) for row in asked.select(["id"]).to_list()]

    def remove(self, ids: Sequence[str]) -> None:
        assert self._table is not None
        self._table.delete("id IN ({})".format(", ".join(f"'{one}'" for one in ids)))

    def kept(self, ids: Sequence[str]) -> set[str]:
        return set() if self._table is None else set(ids) & set(self._table.to_arrow()["id"].to_pylist())

    def close(self) -> None:
        if self._table is not None:
            self._table.optimize(cleanup_older_than=timedelta(0))


def system(folder: Path, weights: Weights) -> System:
    return Table(folder, weights)


PEER = Peer(("torch==2.13.0", "sentence-transformers", "lancedb"), ("lancedb", "torch"), "same", hello, None, system)
