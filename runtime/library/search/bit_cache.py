"""The bits of all passages in memory, brought up to date with the file by what has changed since."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from ...arrays import Bytes, Keys, Mask
from ...vectors.hamming import BLOCK_ROWS, blocks
from ..store import documents as stored
from ..store import passages
from ..store.database import Database
from ..store.earlier import ENDED, Earlier, read_earlier


@dataclass(frozen=True, eq=False)
class BitCache:
    """The bits of all passages, as of one generation of the file.

    Attributes:
        keys: (n,) int64, ascending.
        documents: (n,) int64, the key of each passage's document.
        bits: (n, bytes) uint8, those of shorter vectors than others filled up with zeros.
        blocks: these, ready to be scanned.
        earlier: what the library is being brought over from, if it is.
        is_earlier: (n,) bool, which bits are of that; None where it is not.
    """

    generation: int
    keys: Keys
    documents: Keys
    bits: Bytes
    blocks: list[Any]
    earlier: Earlier | None = None
    is_earlier: Mask | None = None


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
    if held is not None and held.generation == generation:
        return held
    before = read_earlier(db, held.earlier if held is not None else None)
    mixed = before is not None
    size = dim if before is None else max(dim, before.dim)
    # Codes of the later bundle are noted apart while there is an earlier one, and no more once that is gone.
    ended = int(db.meta(ENDED) or 0)
    if held is None or held.earlier is not before or held.generation < ended:
        found = passages.bits(db, size, mixed=mixed)
        is_earlier = None if before is None else before.has(found.widths)
        return BitCache(generation, *found[:3], blocks(found.bits), before, is_earlier)
    last = int(held.keys[-1]) if len(held.keys) else 0
    added = passages.bits(db, size, after=last, mixed=mixed)
    whole = 0
    here: Any = slice(None)
    if stored.count(db, "passages") == len(held.keys) + len(added.keys):
        whole = len(held.keys) // BLOCK_ROWS  # blocks that are full stay as they are, unless codes in them changed
    else:
        here = np.isin(held.keys, passages.keys(db), assume_unique=True)
    keys = np.concatenate([held.keys[here], added.keys])
    documents = np.concatenate([held.documents[here], added.documents])
    bits = np.concatenate([held.bits[here], added.bits])
    revised = passages.revised(db, size, held.generation, last, mixed=mixed)
    rows = np.searchsorted(keys, revised.keys)
    bits[rows] = revised.bits
    is_earlier = None
    if before is not None and held.is_earlier is not None:
        is_earlier = np.concatenate([held.is_earlier[here], before.has(added.widths)])
        is_earlier[rows] = before.has(revised.widths)
    ready = held.blocks[:whole]
    for number in np.unique(rows[rows < whole * BLOCK_ROWS] // BLOCK_ROWS).tolist():
        (ready[number],) = blocks(bits[number * BLOCK_ROWS : (number + 1) * BLOCK_ROWS])
    ready += blocks(bits[whole * BLOCK_ROWS :])
    return BitCache(generation, keys, documents, bits, ready, before, is_earlier)
