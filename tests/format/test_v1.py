"""A library of version 1 is brought up to date."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from nestling import Document, Encoder, Library, Report

FOLDER = Path(__file__).parent / "v1"


WHERE = [
    ({"year": ("<", 2021)}, {"burn"}),
    ({"ok": True}, {"owl"}),
    ({"kind": "first aid"}, {"burn"}),
    ({"a": 1}, set()),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A library as version 1 wrote it."""
    return Path(shutil.copy(FOLDER / "library.nest", tmp_path / "library.nest"))


def test_a_library_of_version_1_is_brought_up_to_date_when_it_is_opened(copy: Path) -> None:
    with Library(copy, encoder=Encoder(FOLDER / "bundle"), create=False) as library:
        for where, ids in WHERE:
            assert {hit.id for hit in library.search("water", where=where)} == ids
        assert library.add([Document("new", "owls again", "", {"year": 1999})]) == Report(added=1)
        assert [hit.id for hit in library.search("water", where={"year": ("<", 2000)})] == ["new"]
        assert library.problems(full=True) == []
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (4,)
    with Library(copy, encoder=Encoder(FOLDER / "bundle"), create=False) as library:
        assert len(library) == 4
        assert library.repair() == []


def test_a_library_of_version_1_that_may_not_be_written_answers_too(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copy.read_bytes()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with Library(copy, encoder=Encoder(FOLDER / "bundle"), create=False) as library:
        for where, ids in WHERE:
            assert {hit.id for hit in library.search("water", where=where)} == ids
        assert [hit.id for hit in library.search("owls at night")] == ["owl", "burn", "hands"]
        assert library.problems(full=True) == []
        assert library.info()["documents"] == 3
        assert library.failures() == []
    assert copy.read_bytes() == before
    assert list(copy.parent.iterdir()) == [copy]
