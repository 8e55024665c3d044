"""Libraries of versions 1 to 3 are brought up to date, and answer where they may not be written."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bundles import tiny_family
from nestling import Document, Encoder, Library, Report
from nestling.bundle.manifest import read_bundle

VERSIONS = ["v1", "v2", "v3"]
BEFORE_WIDTHS = ["v1", "v2"]


@pytest.fixture(params=VERSIONS)
def folder(request: pytest.FixtureRequest) -> Path:
    """What one version wrote."""
    return Path(__file__).parent / str(request.param)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """Its library."""
    return Path(shutil.copy(folder / "library.nest", tmp_path / "library.nest"))


@pytest.mark.parametrize("folder", BEFORE_WIDTHS, indirect=True)
def test_its_passages_are_of_the_width_that_there_was(folder: Path, copy: Path) -> None:
    with Library(copy, encoder=Encoder(folder / "bundle"), create=False) as library:
        info = library.info()
        assert (library.document_width, library.unrefined) == ("xl", {})
        assert (info["passages of xl"], info["document width"], info["unrefined"]) == (info["passages"], "xl", 0)
        assert library.refine() == Report()
        assert library.problems(full=True) == []
        assert library.add([Document("new", "owls again")]) == Report(added=1)
        assert library.remove(["owl"]) == Report(removed=1)
        assert library.problems(full=True) == []
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (4,)
        new = "CREATE INDEX passages_revision ON passages (revision) WHERE revision > 0"
        assert db.execute("SELECT sql FROM sqlite_master WHERE name = 'passages_revision'").fetchone() == (new,)


def test_it_answers_as_before_where_it_may_not_be_written(
    folder: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Library(Path(shutil.copy(copy, f"{copy}.2")), encoder=Encoder(folder / "bundle")) as library:
        expected = [library.search(query, mode=mode) for query in ("owls", "water") for mode in ("hybrid", "dense")]  # type: ignore[arg-type]
        unrefined, passages = library.unrefined, library.info()["passages of xl"]
    before = copy.read_bytes()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with Library(copy, encoder=Encoder(folder / "bundle"), create=False) as library:
        assert [
            library.search(query, mode=mode) for query in ("owls", "water") for mode in ("hybrid", "dense")
        ] == expected  # type: ignore[arg-type]
        assert (library.document_width, library.unrefined) == ("xl", unrefined)
        assert library.info()["passages of xl"] == passages
        assert library.problems(full=True) == []
    assert copy.read_bytes() == before


def test_a_library_of_version_2_is_refined_to_another_width_of_its_space(tmp_path: Path) -> None:
    copy = Path(shutil.copy(Path(__file__).parent / "v2" / "library.nest", tmp_path / "library.nest"))
    family = read_bundle(tiny_family(tmp_path))
    with (
        Library(copy, encoder=family, document_width="s") as library,
        Library(tmp_path / "b.nest", encoder=family, document_width="s") as whole,
    ):
        whole.add(filter(None, map(library.get, ("owl", "burn", "hands"))))
        assert library.unrefined == {"xl": (passages := library.info()["passages"])}
        assert library.refine() == Report(refined=passages)
        for query in ("owls at night", "clean water"):
            assert library.search(query) == whole.search(query)


def test_texts_stay_as_they_were_stored_and_new_ones_are_deflated(folder: Path, copy: Path) -> None:
    with Library(copy, encoder=Encoder(folder / "bundle"), create=False) as library:
        hands = library.get("hands")
        assert hands is not None
        library.add([Document("new", hands.text + "Rub them dry.", "hands")])
        assert library.get("hands") == hands
        assert library.search("rub them dry", mode="lexical")[0].text.endswith("Rub them dry.")
        assert library.problems(full=True) == []
        with closing(sqlite3.connect(copy)) as db:
            kinds = dict(db.execute("SELECT id, typeof(text) FROM documents"))
        assert kinds == {"owl": "text", "burn": "text", "hands": "text", "new": "blob"}
        assert library.remove(["hands"]) == Report(removed=1)
        assert library.problems(full=True) == []


def test_titles_weigh_as_in_a_new_library_though_they_stand_elsewhere_in_the_full_text(
    folder: Path, copy: Path, tmp_path: Path
) -> None:
    encoder = Encoder(folder / "bundle")
    with (
        Library(copy, encoder=encoder, create=False) as library,
        Library(tmp_path / "new.nest", encoder=encoder) as new,
    ):
        new.add(filter(None, map(library.get, ("owl", "burn", "hands"))))
        for query in ("owls", "owls at night", "hands", "water"):
            found, expected = (one.search(query, mode="lexical") for one in (library, new))
            assert [hit.id for hit in found] == [hit.id for hit in expected]
            assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected])
    columns = []
    for path in (copy, tmp_path / "new.nest"):
        with closing(sqlite3.connect(path)) as db:
            columns.append([row[1] for row in db.execute("PRAGMA table_info(full_text)")])
    assert columns == [["title", "body"], ["body", "title"]]


def test_its_file_keeps_the_room_of_what_is_removed_for_what_is_written_next(folder: Path, copy: Path) -> None:
    with Library(copy, encoder=Encoder(folder / "bundle"), create=False) as library:
        library.add([Document(f"new {number}", "owls again " * 300) for number in range(30)])
        library.remove([f"new {number}" for number in range(30)])
        assert library.problems(full=True) == []
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (0,)
        assert db.execute("PRAGMA freelist_count").fetchone()[0] > 0
