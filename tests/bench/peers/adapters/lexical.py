"""Search by words alone: bm25s and tantivy."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .adapter import Peer, System, Text, Weights


class Bm25s:
    """An index that is made at once of all texts; it takes none in later."""

    def __init__(self, folder: Path, weights: Weights | None = None) -> None:
        import bm25s
        import Stemmer

        self._bm25s, self._stemmer, self._folder = bm25s, Stemmer.Stemmer("english"), folder
        self._index: Any = None
        self._ids: list[str] = []
        self._parts: list[str] = []
        if (folder / "ids.json").exists():
            self._index = bm25s.BM25.load(str(folder / "index"))
            self._ids, self._parts = json.loads((folder / "ids.json").read_text())

    def _tokens(self, texts: Sequence[str]) -> Any:
        return self._bm25s.tokenize(list(texts), stopwords="en", stemmer=self._stemmer, show_progress=False)

    def add(self, texts: Sequence[Text]) -> None:
        if self._index is not None:
            raise NotImplementedError("takes nothing in later")
        self._index = self._bm25s.BM25()
        self._index.index(self._tokens([one.text for one in texts]), show_progress=False)
        self._ids, self._parts = [one.id for one in texts], [one.part for one in texts]
        self._index.save(str(self._folder / "index"), corpus=[{"text": one.text} for one in texts])
        (self._folder / "ids.json").write_text(json.dumps([self._ids, self._parts]))

    def search(self, query: str, k: int, part: str | None = None) -> list[str]:
        import numpy as np

        mask = None if part is None else (np.array(self._parts) == part).astype(np.float32)
        asked, most = self._tokens([query]), min(k, len(self._ids))
        found, scores = self._index.retrieve(asked, k=most, weight_mask=mask, show_progress=False)
        return [self._ids[int(row)] for row, score in zip(found[0], scores[0], strict=True) if score > 0]

    def remove(self, ids: Sequence[str]) -> None:
        raise NotImplementedError("takes nothing out")

    def kept(self, ids: Sequence[str]) -> set[str]:
        raise NotImplementedError("takes nothing in later")

    def close(self) -> None:
        """It was saved when it was made."""


class Tantivy:
    """One writer for as long as the index is open; what it commits is on disk."""

    def __init__(self, folder: Path, weights: Weights | None = None) -> None:
        import tantivy

        builder = tantivy.SchemaBuilder()
        builder.add_text_field("id", stored=True, tokenizer_name="raw")
        builder.add_text_field("part", stored=True, tokenizer_name="raw")
        builder.add_text_field("text", stored=True, tokenizer_name="en_stem")
        self._tantivy, self._schema = tantivy, builder.build()
        self._index = tantivy.Index(self._schema, path=str(folder))
        self._writer: Any = None

    def add(self, texts: Sequence[Text]) -> None:
        self._writer = self._writer or self._index.writer()
        for one in texts:
            self._writer.delete_documents("id", one.id)
            self._writer.add_document(self._tantivy.Document(id=one.id, part=one.part, text=one.text))
        self._writer.commit()
        self._index.reload()

    def search(self, query: str, k: int, part: str | None = None) -> list[str]:
        # Words alone: signs are operators to its parser, and make phrases.
        asked, _ = self._index.parse_query_lenient(" ".join(re.findall(r"\w+", query.lower())), ["text"])
        if part is not None:
            only = self._tantivy.Query.term_query(self._schema, "part", part)
            must = self._tantivy.Occur.Must
            asked = self._tantivy.Query.boolean_query([(must, asked), (must, only)])
        searcher = self._index.searcher()
        return [searcher.doc(address)["id"][0] for _, address in searcher.search(asked, k, count=False).hits]

    def remove(self, ids: Sequence[str]) -> None:
        self._writer = self._writer or self._index.writer()
        for one in ids:
            self._writer.delete_documents("id", one)
        self._writer.commit()
        self._index.reload()

    def kept(self, ids: Sequence[str]) -> set[str]:
        searcher = self._index.searcher()
        found = searcher.search(self._tantivy.Query.all_query(), max(1, searcher.num_docs))
        return set(ids) & {searcher.doc(address)["id"][0] for _, address in found.hits}

    def close(self) -> None:
        if self._writer is not None:
            self._writer.wait_merging_threads()


def hello(kind: type[Any]) -> Any:
    def ask(folder: Path, texts: Sequence[str], question: str) -> Any:
        opened: System = kind(folder)
        opened.add([Text(str(number), "", text, "") for number, text in enumerate(texts)])
        return opened.search(question, 10)

    return ask


BM25S = Peer(("bm25s", "PyStemmer"), ("bm25s",), "none", hello(Bm25s), None, Bm25s)
TANTIVY = Peer(("tantivy",), ("tantivy",), "none", hello(Tantivy), None, Tantivy)
