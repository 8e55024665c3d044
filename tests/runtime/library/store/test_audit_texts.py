"""Texts of which a part is lost: found, lived with, replaced, and mended as far as they can be."""

from __future__ import annotations

import tracemalloc
import zlib
from itertools import takewhile
from pathlib import Path

import pytest

from nestling import Document, Encoder, Library, Report
from stored import DOCUMENTS, OWL, opened

LOST = "The bittern booms in the fen. " * 3 + " ".join(f"It was heard {number} times." for number in range(300))


def damage_text(path: Path, id: str, share: float) -> None:
    """Zeros in the place of what is stored behind a share of a text."""
    with opened(path) as db:
        select = "SELECT texts.key, text FROM texts JOIN documents ON documents.key = texts.key >> 20 WHERE id = ?"
        key, stored = db.execute(select, (id,)).fetchone()
        assert isinstance(stored, bytes)
        kept = int(len(stored) * share)
        db.execute("UPDATE texts SET text = ? WHERE key = ?", (stored[:kept] + bytes(len(stored) - kept), key))


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9])
def test_of_a_text_that_is_partly_lost_the_rest_is_found_and_kept(
    tmp_path: Path, encoder: Encoder, share: float
) -> None:
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.add([*DOCUMENTS, Document("lost", LOST, "Bittern")])
    damage_text(library.path, "lost", share)
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        assert "1 documents have text of which a part cannot be read: 'lost'" in library.problems()
        assert library.search("bittern", k=1)[0].id == "lost"
        assert library.repair() == []
        assert library.problems(full=True) == []
        left = library.get("lost")
        assert left is not None
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(LOST, left.text, strict=False)))
        assert same >= max(0, share - 0.3) * len(LOST)
        assert left.title == "Bittern"
        assert [library.get(document.id) for document in DOCUMENTS] == DOCUMENTS


def test_another_text_can_take_the_place_of_a_damaged_one(tmp_path: Path, encoder: Encoder) -> None:
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.add([*DOCUMENTS, Document("lost", LOST)])
        damage_text(library.path, "lost", 0.3)
        assert library.add([Document("lost", "The bittern is silent.")]) == Report(changed=1)
        assert library.search("heard 299 times", mode="lexical") == []
        assert library.search("bittern", mode="lexical")[0].text == "The bittern is silent."
        assert library.problems(full=True) == []
        library.add([Document("lost", LOST)])
        damage_text(library.path, "lost", 0.3)
        assert library.remove(["lost"]) == Report(removed=1)
        assert library.search("heard 299 times", mode="lexical") == []
        assert library.problems(full=True) == []


def test_several_damaged_texts_keep_nothing_from_being_done(tmp_path: Path, encoder: Encoder) -> None:
    ids = [f"lost{number}" for number in range(4)]
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.add([*DOCUMENTS, *(Document(id, f"Häron {id}. {LOST}") for id in ids)])
        for id in ids:
            damage_text(library.path, id, 0.3)
        assert library.remove(["lost0"]) == Report(removed=1)
        assert library.add([Document("lost1", "The bittern is silent.")]) == Report(changed=1)
        assert library.add([Document("new", "A crane.")]) == Report(added=1)
        for query in ("heard 299 times", "bittern", "Häron", "crane", "owls"):
            library.search(query, k=20)
            library.search(query, k=20, mode="lexical")
        damaged = "2 documents have text of which a part cannot be read: 'lost2', 'lost3'"
        assert damaged in library.problems()
        with opened(library.path) as db:
            db.execute("UPDATE meta SET value = 499 WHERE key = 'purges'")
        assert library.remove(["new"]) == Report(removed=1)
        assert library.repair() == []
        assert library.problems(full=True) == []


def test_whichever_bit_of_the_only_text_turns_it_can_be_removed(tmp_path: Path, encoder: Encoder) -> None:
    text = LOST[:400]
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        for place in range(0, 150, 7):
            library.add([Document("only", text)])
            with opened(library.path) as db:
                stored = bytearray(db.execute("SELECT text FROM texts").fetchone()[0])
                stored[place % len(stored)] ^= 4
                db.execute("UPDATE texts SET text = ?", (bytes(stored),))
            assert library.remove(["only"]) == Report(removed=1)
        assert library.problems(full=True) == []


def test_a_text_that_would_fill_the_memory_is_not_inflated(tmp_path: Path, encoder: Encoder) -> None:
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.add(DOCUMENTS)
        with opened(library.path) as db:
            db.execute("UPDATE texts SET text = ? WHERE key >> 20 = 1", (zlib.compress(bytes(300 << 20)),))
        tracemalloc.start()
        assert any("'owl'" in one for one in library.problems(full=True))
        library.search("owl", k=9)
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
        tracemalloc.stop()


def test_places_that_are_no_numbers_are_damage_and_no_end(tmp_path: Path, encoder: Encoder) -> None:
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.add([*DOCUMENTS, Document("lost", LOST)])
        with opened(library.path) as db:
            db.execute("UPDATE passages SET start = 'here', stop = 40.5 WHERE key > 2")
        assert library.problems(full=True) != []
        library.search("bittern", k=9)
        assert library.repair() == []
        assert library.get("lost") == Document("lost", LOST)


def test_the_file_of_a_damaged_text_is_read_again(tmp_path: Path, encoder: Encoder) -> None:
    (tmp_path / "notes").mkdir()
    for name, text in (("lost", LOST), ("kept", OWL.text)):
        (tmp_path / "notes" / f"{name}.txt").write_text(text)
    id = str(tmp_path / "notes" / "lost.txt")
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.sync(tmp_path / "notes")
        damage_text(library.path, id, 0.3)
        assert library.repair() == []
        assert library.sync() == Report(changed=1, unchanged=1)
        found = library.get(id)
        assert found is not None
        assert found.text == LOST
        assert library.sync() == Report(unchanged=2)
