"""Documents that tests put into library files, and ways to look into such a file from outside."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from nestling import Document
from nestling.library.store import full_text, passage_codes
from nestling.library.store.database import Database
from nestling.library.store.passage_codes import Codes, Stale
from nestling.vectors.codes import to_bits, to_fine
from tiny import VOCABULARY

Coded = tuple[Document, list[tuple[int, int]], list[Codes]]

DIM = 16
WORDS = [word for word in VOCABULARY if len(word) > 2 and word.isalpha()]
OWL = Document("owl", "Owls hunt at night. They hear a mouse under the snow.", "Owls", {"year": 2024, "kind": "bird"})
BURN = Document("burn", "Cool the burn under running water.", "Burns", {"year": 2020})
FRIDGE = Document("fridge", "Error E24 means that the drain is blocked.", metadata={"year": 2022})
HERON = Document(
    "long", "The heron stands in the reeds. It waits for a fish. " * 40, "Heron", {"year": 2020, "wet": True}
)
DOCUMENTS = [OWL, BURN, FRIDGE, HERON]


def codes(count: int, seed: int, width: str = "xl") -> list[Codes]:
    """Codes of random vectors of `DIM` dimensions."""
    vectors = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    bits, records = to_bits(vectors), to_fine(vectors, "int8").records()
    return [Codes(one.tobytes(), other.tobytes(), width) for one, other in zip(bits, records, strict=True)]


def told(number: int, words: int = 12, version: int = 0) -> Document:
    """A document of words that the tiny bundles know, the same for the same numbers."""
    drawn = random.Random(f"{number} {version}")
    return Document(f"d{number}", " ".join(drawn.choices(WORDS, k=words)), f"note {number}", {"n": number})


def coded(id: str, text: str, ranges: list[tuple[int, int]] | None = None, seed: int = 0, width: str = "xl") -> Coded:
    """A document with random codes, which the seed decides."""
    ranges = ranges or [(0, len(text))]
    return Document(id, text, f"title {id}", {"n": seed}), ranges, codes(len(ranges), seed, width)


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as another program sees it; what it changes is committed."""
    with closing(sqlite3.connect(path)) as db, db:
        yield db


def rows(path: Path, table: str) -> int:
    """How many rows a table of the file has."""
    with opened(path) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def passage_keys(path: Path) -> list[int]:
    """The keys of all passages of the file."""
    with opened(path) as db:
        return [row[0] for row in db.execute("SELECT key FROM passages ORDER BY key")]


def bytes_of(path: Path) -> bytes:
    """All bytes of a library's file and of its write-ahead log."""
    log = Path(f"{path}-wal")
    return path.read_bytes() + (log.read_bytes() if log.exists() else b"")


def stale_of(store: Database, width: str, id: str) -> list[Stale]:
    """Passages of a document of `coded`, among the newest, that are of other widths than one; the first first."""
    return [one for one in passage_codes.stale(store, width, 2**63 - 1, 1000) if one.title == f"title {id}"][::-1]


def codes_of(store: Database, id: str) -> list[Codes]:
    """The codes of a document's passages, in their order; of sound ones alone."""
    return [codes for _, _, codes, intact in passage_codes.passages(store, "id = ?", (id,)) if intact]


def words(store: Database, match: str) -> list[int]:
    """Keys of the passages that match an FTS5 expression."""
    return [key for key, _ in full_text.ranked(store, match, 10, allowed=False)]
