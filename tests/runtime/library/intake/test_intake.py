from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nestling import Document, Encoder, Library, Report
from nestling.errors import BusyError
from nestling.library.store import full_text
from nestling.library.store.database import Database
from stored import opened


def section(number: int, words: str = "The heron stands in the reeds and waits for a fish.") -> str:
    return f"\n# Part {number}\n" + f"Number {number}: {words} " * 9


OTTER = "The otter stands in the reeds and waits for a fish."


def document(*sections: str, **fields: Any) -> Document:
    return Document(**{"id": "birds", "text": "".join(sections), "title": "Birds", **fields})


def codes(path: Path) -> list[tuple[Any, ...]]:
    with opened(path) as db:
        return db.execute(
            "SELECT id, start, stop, bits, code, digest FROM passages JOIN fine USING (key)"
            " JOIN documents ON documents.key = document ORDER BY id, start"
        ).fetchall()


@pytest.fixture
def counted(tmp_path: Path, counting: Any) -> Iterator[Library]:
    """A library with a document of many sections, whose encoder starts to count behind it."""
    with Library(tmp_path / "counted.nest", encoder=counting) as library:
        library.add([document(*map(section, range(8)))])
        counting.encoded.clear()
        yield library


@pytest.mark.parametrize("place", [0, 3, 7])
def test_a_document_that_changed_in_part_keeps_the_codes_of_the_rest(
    tmp_path: Path, counted: Library, counting: Any, place: int
) -> None:
    before = counted.info().passages
    sections = [section(number) if number != place else section(number, OTTER) for number in range(8)]
    assert counted.add([document(*sections)]) == Report(changed=1)
    assert 1 <= len(counting.encoded) <= 2 < before // 2
    assert all("otter" in text for text in counting.encoded)
    with Library(tmp_path / "fresh.nest", encoder=counting) as fresh:
        fresh.add([document(*sections)])
    assert codes(counted.path) == codes(fresh.path)
    assert counted.problems(full=True) == []


def test_sections_that_come_and_go_are_all_that_is_encoded(counted: Library, counting: Any) -> None:
    sections = [section(number) for number in range(8)]
    counted.add([document(*sections[:2], *sections[4:])])
    shorter = len(counting.encoded)
    assert shorter <= 2
    counted.add([document(*sections, section(8, "A new part."))])
    assert any("A new part." in text for text in counting.encoded[shorter:])
    assert len(counting.encoded) - shorter <= 5


def test_a_changed_title_changes_every_passage_and_changed_metadata_none(counted: Library, counting: Any) -> None:
    text = "".join(map(section, range(8)))
    assert counted.add([document(text, metadata={"year": 2024}, source="/birds.md")]) == Report(unchanged=1)
    assert counting.encoded == []
    assert counted.add([document(text, title="Waders")]) == Report(changed=1)
    assert len(counting.encoded) == counted.info().passages


def test_two_passages_of_one_text_are_two(counted: Library) -> None:
    twice = Document("twice", section(1) * 2)
    counted.add([twice])
    counted.add([replace(twice, text=twice.text * 2)])
    assert counted.problems(full=True) == []
    hits = [hit for hit in counted.search("part 1", k=50, by="passage") if hit.id == "twice"]
    assert sorted(hit.passage for hit in hits) == list(range(len(hits)))


class Stop(KeyboardInterrupt):
    """A person who stops the program."""


class StoppingEncoder(Encoder):
    """The bundled encoder; it is stopped when it is asked for a text."""

    def encode(self, texts: Any, role: Any) -> npt.NDArray[np.float32]:
        """Encode, or stop."""
        if any("stop here" in text for text in texts):
            raise Stop
        return super().encode(texts, role)


def test_what_was_encoded_before_a_stop_is_kept(tmp_path: Path) -> None:
    documents = [Document(f"d{n:03}", f"The heron, number {n}.") for n in range(200)]
    broken = [*documents[:150], Document("d150", "stop here"), *documents[151:]]
    with Library(tmp_path / "a.nest", encoder=StoppingEncoder()) as library:
        with pytest.raises(Stop):
            library.add(broken)
        assert len(library) == 128  # what is encoded together is 64 passages
        assert library.problems(full=True) == []
        assert library.add(documents) == Report(added=72, unchanged=128)
        assert library.problems(full=True) == []
        assert library.search("heron number 177", k=1)[0].id == "d177"


def test_a_document_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    long = Document("long", "".join(map(section, range(150))) + " stop here")
    with Library(tmp_path / "a.nest", encoder=StoppingEncoder()) as library:
        with pytest.raises(Stop):
            library.add([Document("first", "The heron."), long])
        assert (len(library), library.info().passages) == (1, 1)
        assert library.problems(full=True) == []


def test_a_stop_while_progress_is_told_keeps_what_was_told(library: Library) -> None:
    def progress(done: int, given: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        library.add([Document(f"d{n}", f"text {n}") for n in range(100)], progress=progress)
    assert len(library) == 3 + 64
    assert library.problems(full=True) == []
    assert library.add([Document(f"d{n}", f"text {n}") for n in range(100)]) == Report(added=36, unchanged=64)


def test_a_library_that_is_put_into_anew_writes_nothing_where_nothing_changed(library: Library) -> None:
    library.add([Document(f"d{n}", f"text {n}") for n in range(80)])
    with opened(library.path) as db:
        before = db.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
    assert library.add([Document(f"d{n}", f"text {n}") for n in range(80)]) == Report(unchanged=80)
    with opened(library.path) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone() == before


def test_a_library_keeps_no_room_for_nothing(tmp_path: Path, counting: Any) -> None:
    path = tmp_path / "many.nest"
    with Library(path, encoder=counting) as many:
        many.add([document(*map(section, range(8)), id=f"birds {number}") for number in range(40)])
    with opened(path) as db:
        # FTS5's own record of its parts, in which optimize has left one.
        assert db.execute("SELECT count(DISTINCT segid) FROM full_text_idx").fetchone() == (1,)
        assert db.execute("PRAGMA freelist_count").fetchone() == (0,)


def test_what_was_added_is_told_where_the_full_text_could_not_be_made_one_part(
    tmp_path: Path, counting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(store: Database) -> None:
        raise BusyError("another process is writing to it")

    monkeypatch.setattr(full_text, "purge", refuse)
    with Library(tmp_path / "busy.nest", encoder=counting) as busy:
        assert busy.add([document(section(0))]) == Report(added=1)
        # What was removed must not stay.
        with pytest.raises(BusyError, match="another process is writing to it"):
            busy.add([document(section(1))])
        monkeypatch.undo()
        assert busy.add([document(section(1))]) == Report(unchanged=1)
        assert busy.search("heron", mode="lexical") != []
    with opened(tmp_path / "busy.nest") as db:
        assert db.execute("SELECT count(*) FROM meta WHERE key = 'unpurged'").fetchone() == (0,)


def test_codes_that_are_damaged_are_not_passed_on(library: Library) -> None:
    text = "Otters hunt at night. " * 60
    library.add([Document("otter", text)])
    with sqlite3.connect(library.path) as db:
        owned = "key IN (SELECT p.key FROM passages AS p JOIN documents AS d ON d.key = p.document WHERE id = 'otter')"
        assert db.execute(f"UPDATE fine SET code = zeroblob(length(code)) WHERE {owned}").rowcount > 1
    library.add([Document("otter", text + "They hear a mouse under the snow. " * 40)])
    assert library.problems(full=True) == []
    with sqlite3.connect(library.path) as db:
        assert db.execute("SELECT count(*) FROM fine WHERE code = zeroblob(length(code))").fetchone() == (0,)


@pytest.mark.parametrize("first", ["", "/birds/heron.txt"])
def test_a_title_that_becomes_the_name_of_the_file_or_no_more_is_encoded_anew(
    tmp_path: Path, encoder: Encoder, first: str
) -> None:
    """The name of a file is not encoded where it is the title."""
    then = "" if first else "/birds/heron.txt"
    for name, sources in (("a", (first, then)), ("b", (then,))):
        with Library(tmp_path / f"{name}.nest", encoder=encoder) as library:
            for source in sources:
                library.add([document(OTTER, title="heron", source=source)])
            assert library.problems(full=True) == []
    assert codes(tmp_path / "a.nest") == codes(tmp_path / "b.nest")
