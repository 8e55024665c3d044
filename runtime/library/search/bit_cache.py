"""The bits of all passages in memory, brought up to date with the file by what has changed since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arrays import Bytes
from ...vectors.hamming import BLOCK_ROWS, blocks
from ..store.store import Keys, Store


@dataclass(frozen=True, eq=False)
class Resident:
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


def current(store: Store, dim: int, held: Resident | None) -> Resident:
    """The bits as the file has them now; of a file that has not changed, those that are held; inside `reading`.

    Keys are not used again: what is new has larger keys, what is gone is missed, and what was encoded again has a
    later revision.
    """
    generation = store.generation
    if held is None:
        keys, documents, bits = store.bits(dim)
        return Resident(generation, dim, keys, documents, bits, blocks(bits))
    if held.generation == generation:
        return held
    last = int(held.keys[-1]) if len(held.keys) else 0
    keys, documents, bits = store.bits(dim, after=last)
    whole = 0
    if store.count("passages") == len(held.keys) + len(keys):
        kept = (held.keys, held.documents, held.bits)
        whole = len(held.keys) // BLOCK_ROWS  # blocks that are full stay as they are, unless codes in them changed
    else:
        here = np.isin(held.keys, store.keys(), assume_unique=True)
        kept = (held.keys[here], held.documents[here], held.bits[here])
    keys = np.concatenate([kept[0], keys])
    documents = np.concatenate([kept[1], documents])
    bits = np.concatenate([kept[2], bits])
    revised, codes = store.revised(dim, held.generation, last)
    rows = np.searchsorted(keys, revised)
    bits[rows] = codes
    ready = held.blocks[:whole]
    for number in np.unique(rows[rows < whole * BLOCK_ROWS] // BLOCK_ROWS).tolist():
        (ready[number],) = blocks(bits[number * BLOCK_ROWS : (number + 1) * BLOCK_ROWS])
    return Resident(generation, dim, keys, documents, bits, ready + blocks(bits[whole * BLOCK_ROWS :]))
