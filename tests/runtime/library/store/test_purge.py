"""When the full text of a store is rewritten, and what is left in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from nestling.library.store.audit import damage
from nestling.library.store.documents import Store
from stored import DIM, coded, words


def test_removed_words_are_not_left_in_the_file(store: Store, path: Path) -> None:
    # The file is opened with secure_delete, so that what was removed is gone; the full text must not keep it.
    with store.writing():
        store.put(coded("patient", "treated for zyxwvut"))
    assert words(store, '"zyxwvut"') == [4]
    assert not store.has_removed_words
    with store.writing():
        store.remove("patient")
        assert store.has_removed_words
        store.purge()
    assert not store.has_removed_words
    store.close()
    assert b"zyxwvut" not in path.read_bytes()


def test_a_store_has_doubled_where_it_holds_more_than_twice_the_passages_of_its_last_purge(store: Store) -> None:
    assert store.has_doubled  # the fixture's documents were never merged
    with store.writing():
        store.purge()
    assert not store.has_doubled
    for number in range(store.count("passages") + 1):
        assert not store.has_doubled
        with store.writing():
            store.put(coded(f"more {number}", "owls hunt mice"))
    assert store.has_doubled


@pytest.mark.parametrize("times", [1, 499])
def test_a_purge_leaves_one_part_of_the_full_text(store: Store, times: int) -> None:
    # Every 500th makes it anew.
    with store.writing():
        store.set_meta("purges", str(times))
        store.put(coded("more", "owls hunt mice"))
    with store.writing():
        store.purge()
    # FTS5's own record of its parts.
    assert store.rows("SELECT count(DISTINCT segid) FROM full_text_idx") == [(1,)]
    assert len(words(store, '"mice"')) == 1


def test_the_room_of_what_is_removed_is_given_back(store: Store) -> None:
    with store.writing():
        store.purge()
    before = store.file_bytes()
    with store.writing():
        for number in range(300):
            store.put(coded(f"more {number}", " ".join(f"word{number}x{place}" for place in range(100))))
    assert store.file_bytes() > 2 * before
    with store.writing():
        for number in range(300):
            store.remove(f"more {number}")
        store.purge()
    assert store.file_bytes() <= before + 8192
    assert damage(store, DIM, full=True).sentences == ()
