from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bundles import listed_anew, tiny_bundle, tiny_family
from nestling.bundle.manifest import read_bundle
from nestling.bundle.quality import Quality, read_quality
from nestling.errors import BundleError


def reported(folder: Path, report: Any) -> Path:
    """The folder with another report."""
    (folder / "report.json").write_text(json.dumps(report))
    listed_anew(folder, "report.json")
    return folder


def test_quality_is_read_from_the_report(tmp_path: Path) -> None:
    values = {"xl.int8": {"documents": 99.5, "queries": 99}, "static.int4": {"documents": 80.5, "queries": 79.25}}
    folder = reported(tiny_family(tmp_path), {"quality": values, "versions": {}})
    assert read_quality(read_bundle(folder)) == {"xl.int8": Quality(99.5, 99), "static.int4": Quality(80.5, 79.25)}


def test_a_report_may_say_nothing_of_it(tmp_path: Path) -> None:
    bundle = read_bundle(tiny_bundle(tmp_path))
    assert "quality" not in json.loads((bundle.folder / "report.json").read_text())
    assert read_quality(bundle) == {}


def test_a_bundle_without_a_report_says_nothing_of_it(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path)
    values = json.loads((folder / "manifest.json").read_text())
    del values["files"]["report.json"]
    (folder / "manifest.json").write_text(json.dumps(values))
    assert read_quality(read_bundle(folder)) == {}


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ([], "it is list, expected dict"),
        ({"quality": 7}, "quality is int, expected keys with values"),
        ({"quality": {"xl.int8": 7}}, "xl.int8 is int, expected keys with values"),
        ({"quality": {"xl.int8": {"documents": 9}}}, "xl.int8 lacks the key 'queries'"),
        (
            {"quality": {"xl.int8": {"documents": 9, "queries": 9, "more": 9}}},
            "xl.int8 has the unknown key 'more', expected documents, queries",
        ),
        ({"quality": {"xl.int8": {"documents": 9, "queries": "9"}}}, "'9' is no number"),
        ({"quality": {"xl.int8": {"documents": True, "queries": 9}}}, "True is no number"),
        ({"quality": {"xl.int8": {"documents": float("nan"), "queries": 9}}}, "nan is no share in percent"),
        ({"quality": {"xl.int8": {"documents": float("inf"), "queries": 9}}}, "inf is no share in percent"),
        ({"quality": {"xl.int8": {"documents": 10**400, "queries": 9}}}, "1000000000"),
        ({"quality": {"xl.int8": {"documents": -1, "queries": 9}}}, "-1 is no share in percent"),
        (
            {"quality": {"m.int8": {"documents": 9, "queries": 9}}},
            "quality has the unknown key 'm.int8', expected xl.int4, xl.int8",
        ),
        ({"more": "x" * (1 << 20)}, "it has over 1048576 bytes"),
    ],
)
def test_a_report_that_is_malformed_is_refused(tmp_path: Path, report: Any, message: str) -> None:
    folder = reported(tiny_bundle(tmp_path), report)
    with pytest.raises(BundleError) as caught:
        read_quality(read_bundle(folder))
    assert str(caught.value).startswith(f"{folder / 'report.json'}: says nothing readable of quality ({message}")
    assert str(caught.value).endswith("; build the bundle again")


def test_an_altered_report_is_refused(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path)
    (folder / "report.json").write_text("{}")
    with pytest.raises(BundleError, match=r"report\.json: has 2 bytes, expected 1335"):
        read_quality(read_bundle(folder))
