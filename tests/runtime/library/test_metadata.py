"""Metadata from a document, or a file's line, into a library, its filters and its dumps, and back."""

from __future__ import annotations

import json
import sqlite3
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from nestling import Document, Encoder, Library

GIVEN = {
    "tags": ("owl", "night", "owl"),
    "mixed": [1, 2.5, True, None, "é \"'\\ \n 日本", 1.0, 1e300, -7],
    "days": [date(2024, 5, 2), date(2023, 1, 1)],
    "none": [],
    "year": np.int64(2024),
}
KEPT = GIVEN | {"tags": ["owl", "night", "owl"], "days": ["2024-05-02", "2023-01-01"], "year": 2024}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.nest"
    with Library(path, document_width="static") as library:
        library.add([Document("a", "owls hunt", metadata=GIVEN), Document("b", "hawks hunt", metadata={"tags": "owl"})])
    return path


def test_a_list_comes_back_as_a_list(path: Path) -> None:
    with Library(path) as library:
        kept = library.get("a")
        assert kept is not None
        assert kept.metadata == KEPT
        assert [type(one) for one in kept.metadata["mixed"]] == [type(one) for one in KEPT["mixed"]]  # type: ignore[union-attr]
        assert library.search("owls", mode="lexical")[0].metadata == KEPT


def test_an_unchanged_list_is_unchanged(path: Path) -> None:
    with Library(path, document_width="static") as library:
        assert library.add([Document("a", "owls hunt", metadata=GIVEN)]).unchanged == 1


def test_what_filters_read_of_lists_is_compared_and_made_again(path: Path) -> None:
    with Library(path, document_width="static") as library:
        assert library.problems(full=True) == []
        db = sqlite3.connect(path)
        before = sorted(map(repr, db.execute("SELECT * FROM metadata")))
        db.execute("DELETE FROM metadata WHERE kind IN ('T', 'l')")
        db.commit()
        assert len(library.problems()) == 1
        assert library.repair() == []
        assert sorted(map(repr, db.execute("SELECT * FROM metadata"))) == before
        db.close()


def test_replaced_and_removed_lists_leave_no_row(path: Path) -> None:
    with Library(path, document_width="static") as library:
        library.add([Document("a", "owls hunt", metadata={"tags": ["hawk"]})])
        assert library.problems(full=True) == []
        library.remove(["a", "b"])
    db = sqlite3.connect(path)
    assert db.execute("SELECT count(*) FROM metadata").fetchone()[0] == 0
    db.close()


def test_dumps_have_lists_as_lists(path: Path, tmp_path: Path) -> None:
    lines, table = tmp_path / "a.jsonl", tmp_path / "a.parquet"
    with Library(path) as library:
        library.dump(lines)
        library.dump(table)
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    assert rows[0]["metadata"] == KEPT
    assert json.loads(pyarrow.parquet.read_table(table).column("metadata")[0].as_py()) == KEPT


def test_a_line_of_json_may_have_lists(tmp_path: Path) -> None:
    file = tmp_path / "notes.jsonl"
    file.write_text('{"id": "x", "text": "owls", "metadata": {"tags": ["a", 2], "deep": [[1]]}}\n')
    with Library(tmp_path / "b.nest", document_width="static") as library:
        (skip,) = library.sync(file).skipped
        assert skip.reason.startswith("document 'x': metadata 'deep', value 0 is list, expected str, int, float, bool")
        file.write_text('{"id": "x", "text": "owls", "metadata": {"tags": ["a", 2]}}\n')
        assert library.sync(file).added == 1
        kept = library.get("x")
        assert kept is not None
        assert kept.metadata["tags"] == ["a", 2]


@pytest.mark.parametrize("kept", [[1], [1.0], [1, "a", None], [1.0, "a", None], [-0.0, 0.5], [0, 0.5]])
def test_a_list_is_found_however_its_whole_numbers_are_written(
    tmp_path: Path, encoder: Encoder, kept: list[Any]
) -> None:
    whole = [int(one) if isinstance(one, float) and one.is_integer() else one for one in kept]
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.add([Document("a", "owls", metadata={"x": kept}), Document("b", "owls", metadata={"x": [2**60 * 1.0]})])
        for asked in (whole, [float(one) if isinstance(one, int) else one for one in whole]):
            assert [hit.id for hit in library.search("owls", where={"x": asked})] == ["a"]
            assert [hit.id for hit in library.search("owls", where={"x": ("in", [asked])})] == ["a"]
            assert [hit.id for hit in library.search("owls", where={"x": ("!=", asked)})] == ["b"]
        assert library.problems(full=True) == []
        library.remove(["a"])
        assert library.problems(full=True) == []


def test_a_list_of_an_older_library_is_sound_found_and_removed(path: Path) -> None:
    """It has whole numbers in lists as they were given."""
    with Library(path) as library:
        library.add([Document("c", "gulls hunt", metadata={"x": [1.0, 2.5]})])
    with sqlite3.connect(path) as db:
        assert db.execute("UPDATE metadata SET value = '[1.0,2.5]' WHERE value = '[1,2.5]'").rowcount == 1
    db.close()
    with Library(path) as library:
        assert library.problems(full=True) == []
        assert [hit.id for hit in library.search("hunt", where={"x": [1.0, 2.5]})] == ["c"]
        library.remove(["c"])
        assert library.problems(full=True) == []
