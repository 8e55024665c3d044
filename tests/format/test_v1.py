"""Format version 1 of bundle, index and library opens and answers as on the day it was written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from nestling import Encoder, Index, Library
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
