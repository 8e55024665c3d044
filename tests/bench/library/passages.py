"""A library of 200,000 real passages, for `library.py`: made once in a work folder, in chunks, resumable.

Lines of the training texts are put together, in their order and within one file, until a document has 50 words; the
files take turns, so that the collection has many subjects and words of every frequency. The first 130,000 passages are
encoded; each of the rest has the vector of one of these, with noise of a length of 0.25: to encode them as well would
take longer and change nothing of what is measured.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nestling import Document, Encoder
from nestling.bundle.manifest import Bundle
from nestling.library.intake.chunk import passages_of

SOURCES = (
    "arxiv-abstracts-en",
    "biomed-sentences-en",
    "medical-passages-en",
    "consumer-health-en",
    "news-en",
    "wikipedia-en",
    "general-en",
    "wordnet-en",
)
PASSAGES = 200_000
ENCODED = 130_000
NOISE = 0.25
WORDS = 50
_CHUNK = 2_000


class Recalled:
    """An encoder that knows the vectors of the collection's passages already; everything else it encodes."""

    def __init__(self, work: Path) -> None:
        self._encoder = Encoder()
        self._vectors = np.load(work / "passages.npy", mmap_mode="r")
        texts = (work / "passages.jsonl").read_text(encoding="utf-8").splitlines()
        self._rows = {json.loads(text): row for row, text in enumerate(texts)}
        self.bundle: Bundle = self._encoder.bundle
        self.tokens, self.dim = self._encoder.tokens, self._encoder.dim

    def encode(self, texts: list[str], role: str) -> npt.NDArray[np.float32]:
        """As `Encoder.encode`."""
        rows = [self._rows.get(text, -1) for text in texts] if role == "document" else [-1]
        if min(rows, default=-1) < 0:
            return self._encoder.encode(texts, role=role)
        return np.array(self._vectors[rows])


def documents(texts: Path) -> Iterator[Document]:
    """The collection's documents, in their order."""
    streams = [_joined(texts / f"{name}.txt.gz", name) for name in SOURCES]
    while streams:
        for stream in list(streams):
            document = next(stream, None)
            if document is None:
                streams.remove(stream)
            else:
                yield document


def collection(texts: Path) -> tuple[list[Document], list[str]]:
    """The documents, and what is encoded for their passages, which are at least `PASSAGES`."""
    tokens = Encoder().tokens
    kept: list[Document] = []
    passages: list[str] = []
    for document in documents(texts):
        kept.append(document)
        passages += [passage.text for passage in passages_of(document, tokens)]
        if len(passages) >= PASSAGES:
            break
    return kept, passages


def prepare(texts: Path, work: Path) -> None:
    """Write passages.jsonl and passages.npy into the work folder, going on where an earlier run ended."""
    work.mkdir(parents=True, exist_ok=True)
    _, passages = collection(texts)
    (work / "passages.jsonl").write_text("".join(json.dumps(text) + "\n" for text in passages), encoding="utf-8")
    encoder = Encoder()
    parts = [work / f"passages-{begin}.npy" for begin in range(0, ENCODED, _CHUNK)]
    for number, part in enumerate(parts):
        if not part.exists():
            chunk = passages[number * _CHUNK : (number + 1) * _CHUNK]
            np.save(part, encoder.encode(chunk, role="document"))
            print(f"{number + 1} of {len(parts)}", flush=True)
    real = np.concatenate([np.load(part) for part in parts])
    rest = real[np.arange(ENCODED, len(passages)) % ENCODED]
    rest += np.random.default_rng(1).normal(0, NOISE / np.sqrt(real.shape[1]), rest.shape).astype(np.float32)
    rest /= np.linalg.norm(rest, axis=1, keepdims=True)
    np.save(work / "passages.npy", np.concatenate([real, rest]))


def _joined(path: Path, name: str) -> Iterator[Document]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        kept: list[str] = []
        number = 0
        for line in lines:
            kept.append(line.strip())
            if sum(len(one.split()) for one in kept) >= WORDS:
                yield Document(f"{name}-{number}", "\n".join(kept), metadata={"source": name, "number": number})
                kept, number = [], number + 1
