from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundles import listed_anew, tiny_bundle
from nestling import Document, Library
from nestling.bundle.manifest import read_bundle
from nestling.bundle.relevance import Relevance, read_relevance
from nestling.errors import BundleError
from processes import Run

VALUES = {"hybrid": [-4, 6.5, 2], "dense": [-4, 7], "lexical": [-3, 5], "bound": 0.25}
KNOWN = Relevance((-4.0, 6.5, 2.0), (-4.0, 7.0), (-3.0, 5.0), 0.25)


def reported(folder: Path, relevance: Any) -> Path:
    """The folder with a report that says this of relevance."""
    (folder / "report.json").write_text(json.dumps({"relevance": relevance}))
    listed_anew(folder, "report.json")
    return folder


def test_it_is_read_from_the_report(tmp_path: Path) -> None:
    assert read_relevance(read_bundle(tiny_bundle(tmp_path / "a"))) is None
    assert read_relevance(read_bundle(reported(tiny_bundle(tmp_path / "b"), VALUES))) == KNOWN


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (1, "relevance is int, expected keys with values"),
        ({}, "relevance lacks the key 'bound'"),
        ({**VALUES, "more": 1}, "relevance has the unknown key 'more', expected bound, dense, hybrid, lexical"),
        ({**VALUES, "dense": [1]}, "dense is [1], expected 2 numbers"),
        ({**VALUES, "dense": [1, True]}, "dense is [1, True], expected 2 numbers"),
        ({**VALUES, "lexical": [1, float("nan")]}, "lexical is [1, nan], expected 2 numbers"),
        ({**VALUES, "bound": 1.5}, "bound is 1.5, expected a number from 0 to 1"),
    ],
)
def test_what_is_malformed_is_refused(tmp_path: Path, values: Any, message: str) -> None:
    folder = reported(tiny_bundle(tmp_path), values)
    expected = f"{folder / 'report.json'}: says nothing readable of relevance ({message}); build the bundle again"
    with pytest.raises(BundleError, match=f"^{re.escape(expected)}$"):
        read_relevance(read_bundle(folder))


def test_it_is_a_logistic_function_of_what_is_known() -> None:
    cosine, words, unknown = np.array([0.5, 0.1]), np.array([0.25, np.nan]), np.full(2, np.nan)

    def logistic(*logits: float) -> Any:
        return pytest.approx([1 / (1 + np.exp(-logit)) for logit in logits])

    assert KNOWN.of(cosine, words).tolist() == logistic(-4 + 3.25 + 0.5, -4 + 0.65)
    assert KNOWN.of(cosine, unknown).tolist() == logistic(-4 + 3.5, -4 + 0.7)
    assert KNOWN.of(unknown, np.array([0.25, 1.0])).tolist() == logistic(-3 + 1.25, -3 + 5)
    assert KNOWN.fits(0.25)
    assert not KNOWN.fits(0.2499)
    assert KNOWN.fits(None)


def test_hits_have_it_and_weak_ones_are_told(tmp_path: Path, nestling: Run) -> None:
    folder, path = tiny_bundle(tmp_path / "bundle"), tmp_path / "a.nest"
    documents = [Document("owls", "owls hunt at night"), Document("burns", "cool the burn under water")]
    with Library(path, bundle=folder) as library:
        library.add(documents)
        assert [(hit.relevance, hit.fits) for hit in library.search("owls")] == [(None, True)] * 2
    reported(folder, {**VALUES, "hybrid": [0, 0, 5], "bound": 0.6})
    with Library(path, bundle=folder) as library:
        best, other = library.search("owls hunt")
        assert (best.id, best.fits, other.relevance, other.fits) == ("owls", True, 0.5, False)
        assert best.relevance is not None
        assert 0.6 < best.relevance < 1
        assert all(
            hit.relevance is not None for mode in ("dense", "lexical") for hit in library.search("owls", mode=mode)
        )
    told = nestling("search", path, "owls hunt", "--bundle", folder)
    assert f"relevance {best.relevance:.2f})" in told.stdout
    assert told.stderr == ""
    weak = nestling("search", path, "mice", "--bundle", folder)
    assert weak.stderr == "nothing fits well; the nearest are:\n"
    assert "relevance 0.50)" in weak.stdout
