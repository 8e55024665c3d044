from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nestling.arrays import Floats
from nestling.library.search.bit_cache import BitCache, current
from nestling.library.store import documents, passage_codes, passages
from nestling.library.store.database import Database
from nestling.vectors import flat
from nestling.vectors.hamming import BLOCK_ROWS
from stored import DIM, Coded, coded, codes, stale_of


def now(store: Database, held: BitCache | None) -> BitCache:
    with store.reading():
        return current(store, DIM, held)


def assert_fresh(store: Database, held: BitCache) -> None:
    """What is held is what a fresh load gives, and is scanned to the same answers."""
    fresh = now(store, None)
    assert held.generation == fresh.generation
    for name in ("keys", "documents", "bits"):
        assert np.array_equal(getattr(held, name), getattr(fresh, name)), name
    assert len(held.blocks) == len(fresh.blocks)
    if len(fresh.keys):
        query = np.random.default_rng(len(fresh.keys)).normal(size=(1, DIM)).astype(np.float32)
        query /= np.linalg.norm(query)
        assert nearest(store, held, query) == nearest(store, fresh, query)


def nearest(store: Database, held: BitCache, query: Floats) -> list[tuple[int, float]]:
    segment = flat.Segment(
        held.keys,
        lambda width: held.blocks,
        held.bits.__getitem__,
        lambda rows: passages.fine(store, held.keys[rows], DIM),
        None,
    )
    (found,) = flat.search(query, [segment], min(20, len(held.keys)), 40)
    return list(found)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["put", "recode", "remove"]), st.integers(0, 2), st.booleans()), max_size=16))
def test_what_is_held_is_brought_up_to_what_a_fresh_load_gives(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("resident")
    writer = Database(folder / "a.nest", create=True)
    reader = Database(folder / "a.nest", create=False)
    held = now(reader, None)
    for number, (action, name, look) in enumerate(actions):
        with writer.writing():
            if action == "put":
                ranges = [(0, 1)] * (1 + name % 3)
                documents.put(writer, *coded(f"d{name}", "some text", ranges, seed=number))
            elif action == "remove":
                documents.remove(writer, f"d{name}")
            else:
                recoded(writer, f"d{name}", seed=number)
        if look:
            held = now(reader, held)
            assert_fresh(reader, held)
    assert_fresh(reader, now(reader, held))
    reader.close()
    writer.close()


def recoded(store: Database, id: str, seed: int) -> None:
    """Give every other passage of a document other codes, of a width of its own; inside `writing`."""
    stale = stale_of(store, f"w{seed}", id)[::2]
    for one, other in zip(stale, codes(len(stale), seed, f"w{seed}"), strict=True):
        assert passage_codes.recode(store, one, other)


def test_of_a_file_that_has_not_changed_the_same_is_held(store: Database) -> None:
    held = now(store, None)
    assert now(store, held) is held


def test_full_blocks_stay_as_they_are_where_only_new_passages_came(tmp_path: Path) -> None:
    seeded = random.Random(1)
    store = Database(tmp_path / "a.nest", create=True)
    held = now(store, None)
    blocks = 0
    for number, count in enumerate((BLOCK_ROWS - 3, 2, 1, 1, 5, BLOCK_ROWS)):
        with store.writing():
            documents.put(store, *many(f"d{number}", count, number))
        before, held = held, now(store, held)
        assert_fresh(store, held)
        whole = len(before.keys) // BLOCK_ROWS
        assert all(old is new for old, new in zip(before.blocks[:whole], held.blocks, strict=False))
        blocks = max(blocks, len(held.blocks))
    assert blocks == 3
    for id in seeded.sample([f"d{number}" for number in range(6)], 6):
        with store.writing():
            documents.remove(store, id)
        held = now(store, held)
        assert_fresh(store, held)
    assert len(held.keys) == 0
    store.close()


def test_of_full_blocks_those_alone_are_made_again_in_which_codes_changed(tmp_path: Path) -> None:
    store = Database(tmp_path / "a.nest", create=True)
    with store.writing():
        for number in range(3):
            documents.put(store, *many(f"d{number}", BLOCK_ROWS, number))
        documents.put(store, *coded("last", "x"))
    held = now(store, None)
    middle = passage_codes.stale(store, "other", 2 * BLOCK_ROWS, 2)
    for changed in (middle, stale_of(store, "other", "last")):
        with store.writing():
            for stale, other in zip(changed, codes(len(changed), 7, "other"), strict=True):
                assert passage_codes.recode(store, stale, other)
        before, held = held, now(store, held)
        assert_fresh(store, held)
        kept = [old is new for old, new in zip(before.blocks[:3], held.blocks, strict=False)]
        assert kept == ([True, False, True] if changed is middle else [True, True, True])
        assert not np.array_equal(before.bits, held.bits)  # what a search may still read is not written over
    store.close()


def many(id: str, count: int, seed: int) -> Coded:
    return coded(id, "x")[0], [(0, 1)] * count, codes(count, seed)
