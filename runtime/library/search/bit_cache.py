"""The bits of all passages in memory, brought up to date with the file by what has changed since."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from ...arrays import Bytes, Keys
from ...vectors.hamming import BLOCK_ROWS, blocks
from ..store import documents as stored
from ..store import passages
from ..store.database import Database


@dataclass(frozen=True, eq=False)
class BitCache:
    """The bits of all passages, as of one generation of the file.

    Attributes:
        keys: (n,) int64, ascending.
        documents: (n,) int64, the key of each passage's document.
        bits: (n, dim / 8) uint8.
        blocks: these, ready to be scanned.
    """

    generation: int
    dim: int
    keys: Keys
    documents: Keys
    bits: Bytes
    blocks: list[Any]


class SharedBits:
    """The bits of a library as several searches at once use them.

    Args:
        dim: of the vectors.
    """

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._held: BitCache | None = None
        self._lock = Lock()

    @contextmanager
    def snapshot(self, db: Database, wanted: bool) -> Iterator[BitCache | None]:
        """A snapshot of the file, and the bits as they are in it, where they are wanted.

        One after the other, so that none has an older snapshot than those bits that the next begins with.
        """
        with ExitStack() as stack:
            with self._lock:
                stack.enter_context(db.reading())
                if wanted:
                    self._held = current(db, self._dim, self._held)
                bits = self._held
            yield bits if wanted else None


def current(db: Database, dim: int, held: BitCache | None) -> BitCache:
    """The bits as the file has them now; of a file that has not changed, those that are held; inside `reading`.

    Keys are not used again: what is new has larger keys, what is gone is missed, and what was encoded again has a
    later revision.
    """
    generation = db.generation
    if held is None:
        keys, documents, bits = passages.bits(db, dim)
        return BitCache(generation, dim, keys, documents, bits, blocks(bits))
    if held.generation == generation:
        return held
    last = int(held.keys[-1]) if len(held.keys) else 0
    keys, documents, bits = passages.bits(db, dim, after=last)
    whole = 0
    if stored.count(db, "passages") == len(held.keys) + len(keys):
        kept = (held.keys, held.documents, held.bits)
        whole = len(held.keys) // BLOCK_ROWS  # blocks that are full stay as they are, unless codes in them changed
    else:
        here = np.isin(held.keys, passages.keys(db), assume_unique=True)
        kept = (held.keys[here], held.documents[here], held.bits[here])
    keys = np.concatenate([kept[0], keys])
    documents = np.concatenate([kept[1], documents])
    bits = np.concatenate([kept[2], bits])
    revised, codes = passages.revised(db, dim, held.generation, last)
    rows = np.searchsorted(keys, revised)
    bits[rows] = codes
    ready = held.blocks[:whole]
    for number in np.unique(rows[rows < whole * BLOCK_ROWS] // BLOCK_ROWS).tolist():
        (ready[number],) = blocks(bits[number * BLOCK_ROWS : (number + 1) * BLOCK_ROWS])
    return BitCache(generation, dim, keys, documents, bits, ready + blocks(bits[whole * BLOCK_ROWS :]))
