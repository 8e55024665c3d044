from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bundles import listed_anew, tiny_bundle, tiny_family
from nestling import Encoder
from nestling.bundle.manifest import read_bundle
from nestling.bundle.quality import Quality, read_quality
from nestling.bundle.relevance import Relevance, read_relevance
from nestling.errors import BundleError
from nestling.export.bundle.rate import rate
from nestling.export.cli import commands
from nestling.export.errors import ExportError

RELEVANCE = {"hybrid": [-4, 6, 2.0], "dense": [-4, 7], "lexical": [-3, 5], "bound": 0.1}
MEASURED = {"xl.int8": {"documents": 99.5, "queries": 99.0}, "static.int4": {"documents": 80.5, "queries": 79.25}}


def test_what_was_measured_is_read_back_and_nothing_else_changes(tmp_path: Path) -> None:
    folder = tiny_family(tmp_path)
    before, report = read_bundle(folder), json.loads((folder / "report.json").read_text())
    names = {path.name for path in folder.iterdir()}
    bundle = rate(folder, {"quality": MEASURED})
    bundle.verify()
    assert read_quality(bundle) == {"xl.int8": Quality(99.5, 99.0), "static.int4": Quality(80.5, 79.25)}
    assert json.loads((folder / "report.json").read_text()) == {**report, "quality": MEASURED}
    assert {path.name for path in folder.iterdir()} == names
    assert {name for name, file in bundle.files.items() if file != before.files[name]} == {"report.json"}
    assert Encoder(folder, width="static").encode(["owls"], role="query").shape == (1, bundle.dim)


def test_rating_again_replaces_it(tmp_path: Path) -> None:
    folder = tiny_family(tmp_path)
    rate(folder, {"quality": MEASURED})
    assert read_quality(rate(folder, {"quality": {"s.int8": {"documents": 90, "queries": 91}}})) == {
        "s.int8": Quality(90, 91)
    }


@pytest.mark.parametrize(
    ("quality", "message"),
    [
        (
            {"m.int8": {"documents": 9, "queries": 9}},
            "quality has the unknown key 'm.int8', expected s.int8, static.int4, xl.int8",
        ),
        ({"xl.int8": {"documents": 9, "queries": -9}}, "-9 is no share in percent"),
        ({"xl.int8": 9}, "xl.int8 is int, expected keys with values"),
    ],
)
def test_what_is_no_quality_of_the_bundle_changes_nothing(tmp_path: Path, quality: Any, message: str) -> None:
    folder = tiny_family(tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ExportError, match="that is no study of it") as error:
        rate(folder, {"quality": quality})
    assert message in str(error.value)
    assert str(error.value).endswith("; measure it again")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_damaged_bundle_is_not_rated(tmp_path: Path) -> None:
    folder = tiny_family(tmp_path)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleError, match="the bundle is damaged"):
        rate(folder, {"quality": MEASURED})


def test_a_bundle_without_a_readable_report_is_not_rated(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path)
    (folder / "report.json").write_text("[1]")
    listed_anew(folder, "report.json")
    with pytest.raises(ExportError, match=r"report\.json: is no report \(.*\); build the bundle again"):
        rate(folder, {"quality": {}})
    values = json.loads((folder / "manifest.json").read_text())
    del values["files"]["report.json"]
    (folder / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(ExportError, match=r"has no report\.json to write into; build the bundle again"):
        rate(folder, {"quality": {}})


def test_the_command_reads_a_study(tmp_path: Path) -> None:
    folder, study = tiny_family(tmp_path), tmp_path / "study.json"
    study.write_text(json.dumps({"commit": "abc", "quality": MEASURED}))
    result = CliRunner().invoke(commands, ["rate", str(folder), str(study)], catch_exceptions=False)
    assert (result.exit_code, result.output) == (0, f"{read_bundle(folder).name}: has quality of {study}\n")
    study.write_text("[]")
    with pytest.raises(ExportError, match=r"the study has neither quality nor relevance; measure them first"):
        CliRunner().invoke(commands, ["rate", str(folder), str(study)], catch_exceptions=False)
    study.write_text("1")
    with pytest.raises(ExportError, match=r"is no study .*; expected a JSON object"):
        CliRunner().invoke(commands, ["rate", str(folder), str(study)], catch_exceptions=False)


def test_relevance_is_written_beside_quality(tmp_path: Path) -> None:
    folder = tiny_family(tmp_path)
    rate(folder, {"quality": MEASURED})
    bundle = rate(folder, {"commit": "abc", "relevance": RELEVANCE})
    assert read_quality(bundle)["xl.int8"] == Quality(99.5, 99.0)
    assert read_relevance(bundle) == Relevance((-4.0, 6.0, 2.0), (-4.0, 7.0), (-3.0, 5.0), 0.1)
    with pytest.raises(ExportError, match="bound is 2, expected a number from 0 to 1"):
        rate(folder, {"relevance": {**RELEVANCE, "bound": 2}})
