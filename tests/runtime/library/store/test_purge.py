"""When the full text of a store is rewritten, and what is left in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from nestling.library.store import documents, full_text
from nestling.library.store.audit import damage
from nestling.library.store.database import Database
from stored import DIM, coded, words


def test_removed_words_are_not_left_in_the_file(store: Database, path: Path) -> None:
    # The file is opened with secure_delete, so that what was removed is gone; the full text must not keep it.
    with store.writing():
        documents.put(store, *coded("patient", "treated for zyxwvut"))
    assert words(store, '"zyxwvut"') == [4]
    assert not full_text.has_removed_words(store)
    with store.writing():
        documents.remove(store, "patient")
        assert full_text.has_removed_words(store)
        full_text.purge(store)
    assert not full_text.has_removed_words(store)
    store.close()
    assert b"zyxwvut" not in path.read_bytes()


def test_a_store_has_doubled_where_it_holds_more_than_twice_the_passages_of_its_last_purge(store: Database) -> None:
    assert full_text.has_doubled(store)  # the fixture's documents were never merged
    with store.writing():
        full_text.purge(store)
    assert not full_text.has_doubled(store)
    for number in range(documents.count(store, "passages") + 1):
        assert not full_text.has_doubled(store)
        with store.writing():
            documents.put(store, *coded(f"more {number}", "owls hunt mice"))
    assert full_text.has_doubled(store)


@pytest.mark.parametrize("times", [1, 499])
def test_a_purge_leaves_one_part_of_the_full_text(store: Database, times: int) -> None:
    # Every 500th makes it anew.
    with store.writing():
        store.set_meta("purges", str(times))
        documents.put(store, *coded("more", "owls hunt mice"))
    with store.writing():
        full_text.purge(store)
    # FTS5's own record of its parts.
    assert store.rows("SELECT count(DISTINCT segid) FROM full_text_idx") == [(1,)]
    assert len(words(store, '"mice"')) == 1


def test_the_room_of_what_is_removed_is_given_back(store: Database) -> None:
    with store.writing():
        full_text.purge(store)
    before = store.file_bytes()
    with store.writing():
        for number in range(300):
            documents.put(store, *coded(f"more {number}", " ".join(f"word{number}x{place}" for place in range(100))))
    assert store.file_bytes() > 2 * before
    with store.writing():
        for number in range(300):
            documents.remove(store, f"more {number}")
        full_text.purge(store)
    assert store.file_bytes() <= before + 8192
    assert damage(store, DIM, full=True).sentences == ()
