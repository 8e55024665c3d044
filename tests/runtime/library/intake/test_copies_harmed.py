"""Copies while others change the library, and copies of what is damaged, removed or read again: none is lost."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from nestling import Document, Encoder, Library, Report
from nestling.library.intake.sync import Progress

HERON = "The heron stands in the reeds and waits for a fish."
COOT = "Another bird of the water is the coot."
LINES = "\n".join(json.dumps({"id": f"line{n}", "text": f"Line {n} of the table."}) for n in range(2))


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "notes" / name).write_text(HERON)
    return tmp_path / "notes"


@pytest.fixture
def mirror(tmp_path: Path, encoder: Encoder, notes: Path) -> Library:
    library = Library(tmp_path / "mirror.nest", encoder=encoder)
    assert library.sync(notes) == Report(added=1, copies=1)
    return library


def places(library: Library, query: str = "heron reeds") -> list[tuple[str, list[str]]]:
    hits = library.search(query, k=9, mode="lexical")
    return sorted((Path(hit.source).name, [Path(path).name for path in hit.copies]) for hit in hits)


def touch(path: Path) -> None:
    os.utime(path, (1_700_000_000, 1_700_000_000))


def meanwhile(at: str, work: Callable[[], object]) -> Callable[[Progress], None]:
    """What does something once, as a sync comes to a file."""
    left = [work]

    def progress(now: Progress) -> None:
        if Path(now.path).name == at and left:
            left.pop()()

    return progress


def test_a_copy_is_no_copy_of_what_another_sync_read_anew_meanwhile(
    mirror: Library, tmp_path: Path, encoder: Encoder, notes: Path
) -> None:
    (notes / "c.txt").write_text(HERON)
    (notes / "new.txt").write_text(COOT)

    def change() -> None:
        (notes / "a.txt").write_text("The otter dives.")
        other.sync()

    with Library(tmp_path / "mirror.nest", encoder=encoder) as other:
        mirror.sync(progress=meanwhile("new.txt", change))
    assert places(mirror) == [("b.txt", ["c.txt"])]
    (notes / "b.txt").unlink()
    mirror.sync()
    assert places(mirror) == [("c.txt", [])]
    assert mirror.problems(full=True) == []


def test_a_copy_is_read_where_another_forgets_its_original_meanwhile(
    mirror: Library, tmp_path: Path, encoder: Encoder, notes: Path
) -> None:
    mirror.forget(notes / "b.txt")
    with Library(tmp_path / "mirror.nest", encoder=encoder) as other:
        mirror.sync(progress=meanwhile("b.txt", lambda: other.forget(notes / "a.txt")))
    assert places(mirror) == [("b.txt", [])]
    assert mirror.sync() == Report(unchanged=1, copies=1)
    assert places(mirror) == [("b.txt", ["a.txt"])]


def test_a_copy_of_which_nothing_is_there_is_read(mirror: Library, notes: Path) -> None:
    mirror.close()
    with sqlite3.connect(mirror.path) as db:
        db.execute("UPDATE files SET copy_of = ? WHERE copy_of != ''", (str(notes / "c.txt"),))
    db.close()
    with Library(mirror.path) as library:
        assert library.sync().copies == 1
        assert places(library) == [("a.txt", ["b.txt"])]


def test_the_original_goes_while_a_copy_is_only_touched(mirror: Library, notes: Path) -> None:
    (notes / "a.txt").unlink()
    touch(notes / "b.txt")
    mirror.sync()
    (notes / "c.txt").write_text(HERON)
    assert mirror.sync() == Report(unchanged=1, copies=1)
    (notes / "b.txt").unlink()
    mirror.sync()
    assert places(mirror) == [("c.txt", [])]


def test_the_original_changes_while_a_copy_is_only_touched(mirror: Library, notes: Path) -> None:
    (notes / "a.txt").write_text(COOT)
    touch(notes / "b.txt")
    assert mirror.sync() == Report(added=1, unchanged=2)
    (notes / "a.txt").unlink()
    assert mirror.sync() == Report(unchanged=1, removed=1)
    assert places(mirror) == [("b.txt", [])]


def test_a_copy_whose_name_is_the_id_of_another_document_is_read(mirror: Library, notes: Path) -> None:
    mirror.add([Document(str(notes / "b.txt"), COOT)])
    (notes / "a.txt").unlink()
    assert mirror.sync() == Report(changed=1, removed=1)
    assert mirror.sync() == Report(unchanged=1)
    assert places(mirror) == [("b.txt", [])]


def test_rows_of_a_table_stay_as_long_as_any_file_has_them(mirror: Library, notes: Path) -> None:
    for name in ("x.jsonl", "y.jsonl"):
        (notes / name).write_text(LINES)
    mirror.sync()
    (notes / "x.jsonl").write_text(LINES + "\n" + json.dumps({"id": "line2", "text": "Line 2 of the table."}))
    mirror.sync()
    (notes / "x.jsonl").unlink()
    mirror.sync()
    assert [name for name, _ in places(mirror, "table")] == ["y.jsonl", "y.jsonl"]


@pytest.mark.parametrize("gone", [None, "a.txt"])
def test_a_damaged_text_is_read_again_though_it_has_a_copy(
    tmp_path: Path, encoder: Encoder, notes: Path, gone: str | None
) -> None:
    text = " ".join(f"The heron number {number} stands in the reeds." for number in range(100))
    for name in ("a.txt", "b.txt"):
        (notes / name).write_text(text)
    with Library(tmp_path / "long.nest", encoder=encoder) as library:
        library.sync(notes)
    with sqlite3.connect(tmp_path / "long.nest") as db:
        ((key, packed),) = db.execute("SELECT key, text FROM texts LIMIT 1").fetchall()
        damaged = packed[: len(packed) // 2] + bytes(8) + packed[len(packed) // 2 + 8 :]
        db.execute("UPDATE texts SET text = ? WHERE key = ?", (damaged, key))
    db.close()
    with Library(tmp_path / "long.nest", encoder=encoder) as library:
        assert library.repair() == []
        if gone is not None:
            (notes / gone).unlink()
        library.sync()
        (hit,) = library.search("heron reeds", mode="lexical")
        found = library.get(hit.id)
        assert found is not None
        assert found.text == text
        assert [Path(path).name for path in hit.copies] == ([] if gone else ["b.txt"])
        assert library.problems(full=True) == []


def test_what_was_removed_stays_so_in_what_stands_for_it_and_comes_back_named(mirror: Library, notes: Path) -> None:
    mirror.remove([str(notes / "a.txt")])
    (notes / "a.txt").unlink()
    assert mirror.sync() == Report()
    assert mirror.sync(notes / "b.txt").added == 1
    assert places(mirror) == [("b.txt", [])]


def test_an_original_that_is_named_again_keeps_its_copies(mirror: Library, notes: Path) -> None:
    mirror.remove([str(notes / "a.txt")])
    assert mirror.sync(notes / "a.txt").added == 1
    assert places(mirror) == [("a.txt", ["b.txt"])]
    (notes / "a.txt").unlink()
    mirror.sync()
    assert places(mirror) == [("b.txt", [])]


@pytest.mark.parametrize(("first", "second"), [("Birds.md", "Heron.md"), ("Heron.md", "Waders.md")])
def test_a_copy_for_which_something_else_is_encoded_is_read(
    tmp_path: Path, encoder: Encoder, first: str, second: str
) -> None:
    """The name of a file is not encoded where it is the title."""
    for folder, names in (("both", (first, second)), ("one", (second,))):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text(f"# Heron\n\n{HERON}")
    found = []
    for folder in ("both", "one"):
        with Library(tmp_path / f"{folder}.nest", encoder=encoder) as library:
            library.sync(tmp_path / folder)
            (tmp_path / folder / first).unlink(missing_ok=True)
            library.sync()
            found += [(hit.title, hit.score) for hit in library.search("a bird of the water", mode="dense")]
            assert places(library) == [(second, [])]
    assert found[0] == found[1]
