"""Format version 1 of bundle, index and library opens and answers as on the day it was written."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from nestling import Document, Encoder, Index, Library, Report
from nestling.encoding.bundle import read_bundle

FOLDER = Path(__file__).parent / "v1"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
TEXTS = ["owls hunt at night", "cool burns under running water"]


def test_the_bundle_opens_and_gives_its_vectors() -> None:
    bundle = read_bundle(FOLDER / "bundle")
    bundle.verify()
    assert (bundle.name, bundle.dim, bundle.variants[0].width) == ("tiny", 32, "xl")
    found = Encoder(bundle).encode(TEXTS, role="document")
    assert ((found * np.array(EXPECTED["vectors"])).sum(axis=1) > 0.999).all()


@pytest.mark.parametrize("fine", ["float16", "int8", "int4", "bits"])
def test_the_index_opens_and_answers(fine: str) -> None:
    path = FOLDER / f"owls-{fine}.index"
    assert Index.problems(path) == []
    index = Index.open(path)
    vectors = np.array(EXPECTED["vectors"], dtype=np.float32)
    hits = index.search(vectors, k=2)
    assert hits.keys.tolist() == EXPECTED["keys"]
    assert np.allclose(hits.scores, EXPECTED["scores"][fine], atol=1e-3)


def test_the_library_opens_answers_and_can_be_written(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "library.nest", tmp_path / "library.nest")
    with Library(tmp_path / "library.nest", encoder=Encoder(FOLDER / "bundle"), create=False) as library:
        assert library.problems() == []
        for query, answer in EXPECTED["answers"].items():
            hits = library.search(query)
            assert [hit.id for hit in hits] == [id for id, _ in answer]
            assert [hit.score for hit in hits] == pytest.approx([score for _, score in answer], abs=0.01)
        assert library.get("owl").metadata == {"year": 2024, "ok": True}  # type: ignore[union-attr]
        assert library.get("hands").source == "/somewhere/hands.txt"  # type: ignore[union-attr]
        assert [hit.id for hit in library.search("water", where={"year": ("<", 2021)})] == ["burn"]
        library.remove(["hands"])
        assert library.problems() == []


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
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
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
