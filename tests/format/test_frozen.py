"""What the first supported versions wrote opens and answers as on the day it was written: a bundle of format 3, indexes
of format 1 and a library of version 4."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nestling import Encoder, Index, Library, Report
from nestling.bundle.manifest import read_bundle

TEXTS = ["owls hunt at night", "cool burns under running water"]


@pytest.fixture(params=["v4"])
def folder(request: pytest.FixtureRequest) -> Path:
    """What one version wrote."""
    return Path(__file__).parent / str(request.param)


@pytest.fixture
def expected(folder: Path) -> dict[str, Any]:
    """What it answered."""
    return dict(json.loads((folder / "expected.json").read_text()))


def test_the_bundle_opens_and_gives_its_vectors(folder: Path, expected: dict[str, Any]) -> None:
    bundle = read_bundle(folder / "bundle")
    bundle.verify()
    assert (bundle.name, bundle.dim, bundle.variants[0].width) == ("tiny", 32, "xl")
    found = Encoder(bundle).encode(TEXTS, role="document")
    assert ((found * np.array(expected["vectors"])).sum(axis=1) > 0.999).all()


def test_the_precisions_share_files(folder: Path) -> None:
    bundle = read_bundle(folder / "bundle")
    for width in ("xl", "l", "m", "s"):
        int8, int4 = (set(bundle.variant(width, precision).data) for precision in ("int8", "int4"))
        assert int8 & int4


def test_the_widths_share_a_space_and_give_their_vectors(folder: Path, expected: dict[str, Any]) -> None:
    bundle = read_bundle(folder / "bundle")
    assert [variant.name for variant in bundle.variants] == list(expected["variants"])
    assert bundle.widths == ("xl", "l", "m", "s", "static")
    for variant in bundle.variants:
        found = Encoder(bundle, width=variant.width, precision=variant.precision).encode(TEXTS, role="document")
        assert ((found * np.array(expected["variants"][variant.name])).sum(axis=1) > 0.999).all()


@pytest.fixture(params=["v4", "v5"])
def library_folder(request: pytest.FixtureRequest) -> Path:
    """The library that one version wrote, encoded by the bundle of the first."""
    return Path(__file__).parent / str(request.param)


def test_a_library_of_mixed_widths_is_refined(library_folder: Path, folder: Path, tmp_path: Path) -> None:
    shutil.copy(library_folder / "library.nest", tmp_path / "library.nest")
    bundle = read_bundle(folder / "bundle")
    with (
        Library(tmp_path / "library.nest", encoder=bundle, create=False) as library,
        Library(tmp_path / "whole.nest", encoder=bundle) as whole,
    ):
        passages = library.unrefined["static"]
        assert library.document_width == "xl"
        assert library.unrefined == {"static": passages}
        whole.add(filter(None, map(library.get, ("owl", "burn", "hands", "guide", "empty"))))
        assert library.refine() == Report(refined=passages)
        for query in ("owls at night", "clean water"):
            # Of the machine that wrote them are the codes of those that were encoded at xl there.
            found, expected = library.search(query), whole.search(query)
            assert [hit.id for hit in found] == [hit.id for hit in expected]
            assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=0.01)


@pytest.mark.parametrize("fine", ["float16", "int8", "int4", "bits"])
def test_the_index_opens_and_answers(folder: Path, expected: dict[str, Any], fine: str) -> None:
    path = folder / f"owls-{fine}.index"
    assert Index.problems(path) == []
    index = Index.open(path)
    vectors = np.array(expected["vectors"], dtype=np.float32)
    hits = index.search(vectors, k=2)
    assert hits.keys.tolist() == expected["keys"]
    assert np.allclose(hits.scores, expected["scores"][fine], atol=1e-3)


def test_the_library_opens_answers_and_can_be_written(library_folder: Path, folder: Path, tmp_path: Path) -> None:
    expected = json.loads((library_folder / "expected.json").read_text())
    shutil.copy(library_folder / "library.nest", tmp_path / "library.nest")
    with Library(tmp_path / "library.nest", encoder=Encoder(folder / "bundle"), create=False) as library:
        assert library.problems(full=True) == []
        for query, answer in expected["answers"].items():
            hits = library.search(query)
            assert [hit.id for hit in hits] == [id for id, _ in answer]
            # The halves are as they were; then meaning weighed 0.8 in their sum, and 0.5 for a single word.
            weight = 0.8 if " " in query else 0.5
            dense, lexical = (
                {hit.id: hit.score for hit in library.search(query, k=20, mode=mode)} for mode in ("dense", "lexical")
            )
            sums = [weight * dense[id] + (1 - weight) * lexical.get(id, 0) for id, _ in answer]
            assert sums == pytest.approx([score for _, score in answer], abs=0.01)
        assert library.get("owl").metadata == {"year": 2024, "ok": True}  # type: ignore[union-attr]
        assert library.get("hands").source == "/somewhere/hands.txt"  # type: ignore[union-attr]
        assert [hit.id for hit in library.search("water", where={"year": ("<", 2021)})] == ["burn"]
        library.remove(["hands"])
        assert library.problems(full=True) == []


def test_lists_places_and_words_of_other_scripts_are_as_they_were_written(tmp_path: Path) -> None:
    frozen = Path(__file__).parent
    shutil.copy(frozen / "v5" / "library.nest", tmp_path / "library.nest")
    with Library(tmp_path / "library.nest", encoder=Encoder(frozen / "v4" / "bundle"), create=False) as library:
        (hit,) = library.search("青霉素", mode="lexical")
        assert (hit.id, hit.place, hit.metadata) == ("guide", "用药", {"tags": ["care", 2, True, None]})
        assert [hit.id for hit in library.search("guide", where={"tags": ("contains", "care")})] == ["guide"]
        assert library.get("empty").text == ""  # type: ignore[union-attr]


def test_a_library_that_is_half_brought_over_opens_answers_and_is_finished(tmp_path: Path) -> None:
    frozen = Path(__file__).parent
    expected = json.loads((frozen / "v6" / "expected.json").read_text())
    shutil.copy(frozen / "v6" / "library.nest", tmp_path / "library.nest")
    bundle = read_bundle(frozen / "v4" / "bundle")
    with Library(tmp_path / "library.nest", encoder=bundle, create=False) as library:
        info = library.info()
        assert (info.earlier, info.passages_by_width) == ("later", {"earlier static": 11, "static": 3})
        assert library.problems(full=True) == []
        for query, answer in expected["answers"].items():
            hits = {hit.id: hit.score for hit in library.search(query)}
            assert hits == pytest.approx(dict(answer), abs=0.01)
        assert library.refine() == Report(refined=11)
        assert (library.info().earlier, library.problems(full=True)) == (None, [])
        assert library.get("owl").metadata == {"year": 2024, "ok": True}  # type: ignore[union-attr]
