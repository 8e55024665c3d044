"""Nestling as it comes: int8, hybrid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .adapter import Encode, Peer, System, Text, Weights


def hello(folder: Path, texts: Sequence[str], question: str) -> Any:
    from nestling import Document, Library

    with Library(folder / "hello.nest") as library:
        library.add([Document(str(number), text) for number, text in enumerate(texts)])
        return [hit.id for hit in library.search(question)]


def encoder(weights: Weights) -> Encode:
    from nestling import Encoder

    encoder = Encoder(threads=weights.threads)
    return lambda texts, query: encoder.encode(list(texts), role="query" if query else "document")


class Library:
    def __init__(self, folder: Path, weights: Weights) -> None:
        from nestling import Document
        from nestling import Library as Opened

        self._document = Document
        self._library = Opened(folder / "library.nest")

    def add(self, texts: Sequence[Text]) -> None:
        rows = [self._document(one.id, one.body, title=one.title, metadata={"part": one.part}) for one in texts]
        self._library.add(rows)

    def search(self, query: str, k: int, part: str | None = None) -> list[str]:
        where = None if part is None else {"part": part}
        return [hit.id for hit in self._library.search(query, k, where=where)]

    def remove(self, ids: Sequence[str]) -> None:
        self._library.remove(list(ids))

    def kept(self, ids: Sequence[str]) -> set[str]:
        return {one for one in ids if self._library.get(one) is not None}

    def close(self) -> None:
        self._library.close()


def system(folder: Path, weights: Weights) -> System:
    return Library(folder, weights)


PEER = Peer((".",), ("nestling", "onnxruntime"), "same", hello, encoder, system)
