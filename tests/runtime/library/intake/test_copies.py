"""Files of the same content: kept once, shown once with their other places, and gone only with the last of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nestling import Library, Report
from nestling.errors import NestlingError

HERON = "The heron stands in the reeds and waits for a fish."


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    notes = tmp_path / "notes"
    (notes / "sub").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "sub/c.txt"):
        (notes / name).write_text(HERON)
    (notes / "other.txt").write_text("Another bird of the water is the coot.")
    return notes


@pytest.fixture
def mirror(tmp_path: Path, counting: Any, notes: Path) -> Iterator[Library]:
    with Library(tmp_path / "mirror.nest", encoder=counting) as library:
        assert library.sync(notes) == Report(added=2, copies=2)
        assert len(counting.encoded) == 2
        counting.encoded.clear()
        yield library


def places(library: Library) -> list[tuple[str, list[str]]]:
    """Of the hits on the heron, the file's name and those of its copies."""
    hits = [hit for hit in library.search("heron reeds", k=9) if "heron" in hit.text]
    return [(Path(hit.source).name, [Path(path).name for path in hit.copies]) for hit in hits]


def sound(library: Library) -> bool:
    return library.problems(full=True) == []


def test_copies_are_one_hit_with_all_its_places(mirror: Library) -> None:
    assert places(mirror) == [("a.txt", ["b.txt", "c.txt"])]
    assert len(mirror) == 2
    assert mirror.sync() == Report(unchanged=2)
    assert sound(mirror)


def test_a_copy_is_found_by_its_own_name(mirror: Library, notes: Path) -> None:
    (notes / "waterside.txt").write_text(HERON)
    assert mirror.sync() == Report(unchanged=2, copies=1)
    (hit,) = mirror.search("waterside", mode="lexical")
    assert (Path(hit.source).name, len(hit.copies)) == ("a.txt", 3)
    (notes / "waterside.txt").unlink()
    mirror.sync()
    assert mirror.search("waterside", mode="lexical") == []
    assert sound(mirror)


@pytest.mark.parametrize(
    "gone", [["a.txt"], ["b.txt"], ["a.txt", "b.txt"], ["a.txt", "sub/c.txt"], ["b.txt", "sub/c.txt"]]
)
def test_what_is_left_stands_for_what_is_gone(mirror: Library, notes: Path, counting: Any, gone: list[str]) -> None:
    for name in gone:
        (notes / name).unlink()
    left = sorted({"a.txt", "b.txt", "c.txt"} - {Path(name).name for name in gone})
    assert mirror.sync().removed == 0
    assert places(mirror) == [(left[0], left[1:])]
    (hit,) = [hit for hit in mirror.search("heron", k=9) if "heron" in hit.text]
    assert (hit.id, hit.metadata["path"], hit.title) == (hit.source, hit.source, Path(hit.source).stem)
    assert counting.encoded == []
    assert mirror.sync() == Report(unchanged=2)
    assert sound(mirror)


def test_the_last_one_takes_its_document_with_it(mirror: Library, notes: Path) -> None:
    for name in ("a.txt", "b.txt", "sub/c.txt"):
        (notes / name).unlink()
    assert mirror.sync() == Report(unchanged=1, removed=1)
    assert places(mirror) == []
    assert sound(mirror)


@pytest.mark.parametrize("changed", ["a.txt", "b.txt", "sub/c.txt"])
def test_one_that_changes_is_no_copy_any_more(mirror: Library, notes: Path, changed: str) -> None:
    (notes / changed).write_text("A heron that flies away over the reeds.")
    assert mirror.sync().added == 1
    left = sorted({"a.txt", "b.txt", "c.txt"} - {Path(changed).name})
    assert sorted(places(mirror)) == sorted([(left[0], left[1:]), (Path(changed).name, [])])
    (notes / changed).write_text(HERON)
    report = mirror.sync()
    assert (report.removed, report.copies) == (1, 1)
    assert len(places(mirror)) == 1
    assert {places(mirror)[0][0], *places(mirror)[0][1]} == {"a.txt", "b.txt", "c.txt"}
    assert sound(mirror)


def test_a_copy_outlives_the_folder_that_is_forgotten(mirror: Library, tmp_path: Path, notes: Path) -> None:
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "z.txt").write_text(HERON)
    assert mirror.sync(tmp_path / "backup") == Report(copies=1)
    mirror.forget(notes)
    assert places(mirror) == [("z.txt", [])]
    assert mirror.sync() == Report(unchanged=1)
    assert sound(mirror)


def test_the_same_bytes_under_another_suffix_are_read_by_their_own_reader(mirror: Library, notes: Path) -> None:
    (notes / "a.md").write_text(HERON)
    assert mirror.sync() == Report(added=1, unchanged=2)


def test_a_table_and_its_copy_are_kept_once(mirror: Library, notes: Path, counting: Any) -> None:
    lines = [json.dumps({"id": f"line{n}", "text": f"Line {n} of a table."}) for n in range(5)]
    for name in ("x.jsonl", "y.jsonl"):
        (notes / name).write_text("\n".join(lines))
    assert mirror.sync() == Report(added=5, unchanged=2, copies=1)
    assert [Path(path).name for path in mirror.search("line 3", k=1)[0].copies] == ["y.jsonl"]
    (notes / "x.jsonl").unlink()
    counting.encoded.clear()
    assert mirror.sync() == Report(unchanged=7)
    assert Path(mirror.search("line 3", k=1)[0].source).name == "y.jsonl"
    assert counting.encoded == []
    assert sound(mirror)


def test_a_copy_that_is_damaged_later_is_told_and_keeps_nothing_else_back(mirror: Library, notes: Path) -> None:
    (notes / "b.txt").write_bytes(b"\0\0\0\0")
    mirror.sync()
    assert places(mirror)[0] == ("a.txt", ["c.txt"])
    assert sound(mirror)


def test_removed_by_its_id_and_named_again_it_is_back(mirror: Library, notes: Path) -> None:
    assert mirror.remove([str(notes / "a.txt")]) == Report(removed=1)
    assert places(mirror) == []
    assert mirror.sync() == Report(unchanged=1)
    assert places(mirror) == []
    assert mirror.sync(notes / "b.txt").added == 1
    assert places(mirror)[0][0] == "b.txt"
    assert sound(mirror)


def test_removing_a_copy_by_its_path_names_the_file_that_has_the_document(mirror: Library, notes: Path) -> None:
    original, copy = str(notes / "a.txt"), str(notes / "b.txt")
    with pytest.raises(NestlingError, match=re.escape(f"as that file holds what {original!r} does; nothing was")):
        mirror.remove([copy])
    assert mirror.get(copy) is None
    assert mirror.remove([original]) == Report(removed=1)
