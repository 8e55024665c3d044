"""What a peer is to the benchmark: how it is installed, how it encodes, and how it keeps and finds texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

# Texts to vectors, (n, dim); True for queries.
Encode = Callable[[Sequence[str], bool], Any]


@dataclass(frozen=True)
class Text:
    """A document.

    Attributes:
        id: what a search gives.
        title: empty where it has none.
        body: all but its title.
        part: metadata that a filter asks for.
    """

    id: str
    title: str
    body: str
    part: str

    @property
    def text(self) -> str:
        """Title and body, for what has no place for titles."""
        return f"{self.title} {self.body}".strip()


class System(Protocol):
    """What keeps texts and finds them, opened in a folder.

    What one cannot do raises NotImplementedError with a few words on why.
    """

    def add(self, texts: Sequence[Text]) -> None:
        """Add texts, or put them in the place of those with the same id; what was added is kept when it returns."""

    def search(self, query: str, k: int, part: str | None = None) -> list[str]:
        """The ids of the best k, the best first; where `part` is given, of those alone."""

    def remove(self, ids: Sequence[str]) -> None:
        """Remove texts."""

    def kept(self, ids: Sequence[str]) -> set[str]:
        """Those of some ids that are kept."""

    def close(self) -> None:
        """Leave all on disk for another process."""


@dataclass(frozen=True)
class Weights:
    """What encoders read.

    Attributes:
        source: the float32 weights in sentence-transformers layout.
        made: what was made of them beforehand: the plain ONNX export in `onnx`, and what a peer's `make` leaves.
        threads: how many an encoder may use.
    """

    source: Path
    made: Path
    threads: int


@dataclass(frozen=True)
class Peer:
    """What is measured, each part through its public API with the settings that its documentation names best for CPUs.

    Attributes:
        install: what pip is given; `.` is this repository.
        packages: whose versions are named.
        weights: `same` as Nestling's, `own`, or `none`.
        hello: texts and a question to ids, as the peer's own first page does it, with its default model.
        encoder: None where the peer has none.
        system: in a folder that is empty the first time; None where the peer keeps nothing.
        make: what is to be made of the weights before; done once, and timed nowhere.
    """

    install: tuple[str, ...]
    packages: tuple[str, ...]
    weights: str
    hello: Callable[[Path, Sequence[str], str], Any] | None = None
    encoder: Callable[[Weights], Encode] | None = None
    system: Callable[[Path, Weights], System] | None = None
    make: Callable[[Weights], None] | None = None


class Vectors:
    """What a script does with an encoder that keeps nothing: unit vectors in a file, and the whole of them for a query.

    A script makes its file anew where a text changes.
    """

    def __init__(self, folder: Path, encode: Encode) -> None:
        import numpy as np

        self._folder, self._encode = folder, encode
        self._ids: list[str] = []
        if (folder / "ids.json").exists():
            self._ids, _ = json.loads((folder / "ids.json").read_text())
            self._vectors = np.load(folder / "vectors.npy")

    def add(self, texts: Sequence[Text]) -> None:
        if self._ids:
            raise NotImplementedError("keeps no documents")
        self._vectors = self._unit(self._encode([one.text for one in texts], False))
        self._ids, self._texts = [one.id for one in texts], [one.text for one in texts]

    def search(self, query: str, k: int, part: str | None = None) -> list[str]:
        import numpy as np

        if part is not None:
            raise NotImplementedError("has no filters")
        scores = self._vectors @ self._unit(self._encode([query], True))[0]
        return [self._ids[row] for row in np.argsort(-scores, kind="stable")[:k]]

    def remove(self, ids: Sequence[str]) -> None:
        raise NotImplementedError("keeps no documents")

    def kept(self, ids: Sequence[str]) -> set[str]:
        raise NotImplementedError("keeps no documents")

    def close(self) -> None:
        import numpy as np

        if not (self._folder / "ids.json").exists():
            np.save(self._folder / "vectors.npy", self._vectors)
            (self._folder / "ids.json").write_text(json.dumps([self._ids, self._texts]))

    def _unit(self, rows: Any) -> Any:
        import numpy as np

        found = np.asarray(rows, dtype=np.float32)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
