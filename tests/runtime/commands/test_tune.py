"""`nestling tune` as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundles import listed_anew, tiny_family
from nestling.bundle.manifest import read_bundle
from nestling.tuning.width_plan import WidthPlan, read_width_plan
from processes import Run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle of three widths, and a user without a plan."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "config"))
    return tiny_family(tmp_path)


def test_widths_are_measured_shown_and_the_best_remembered(nestling: Run, folder: Path, tmp_path: Path) -> None:
    result = nestling("tune", "--bundle", folder)
    assert result.returncode == 0, result.stderr
    heading, *rows, chosen = [line.split() for line in result.stdout.splitlines()]
    assert " ".join(heading) == "width precision query ms tokens/s MB documents % queries %"
    assert [row[:2] for row in rows] == [["xl", "int8"], ["s", "int8"], ["static", "int4"]]
    assert all(row[-2:] == ["-", "-"] for row in rows)
    assert " ".join(chosen).startswith("documents xl, queries xl, precision int8: ")
    (plan,) = (tmp_path / "config").rglob("*.json")
    assert result.stderr == f"remembered in {plan}\n"
    assert read_width_plan(read_bundle(folder)) == WidthPlan("xl", "xl", "int8")


def test_limits_and_quality_decide(nestling: Run, folder: Path) -> None:
    quality = {name: {"documents": 90, "queries": 90} for name in ("xl.int8", "s.int8")}
    quality["static.int4"] = {"documents": 80, "queries": 95}
    (folder / "report.json").write_text(json.dumps({"quality": quality}))
    listed_anew(folder, "report.json")
    result = nestling("tune", "--bundle", folder, "--query-ms", "5000", "--memory-mb", "4000", "--json")
    assert result.returncode == 0, result.stderr
    *rows, last = map(json.loads, result.stdout.splitlines())
    assert [row["quality"] for row in rows] == list(quality.values())
    assert last["plan"] == {"document_width": "xl", "query_width": "static", "precision": "int8"}
    assert last["query_ms"] == rows[2]["query_ms"]
    assert last["megabytes"] == pytest.approx(
        rows[0]["megabytes"] + rows[2]["megabytes"] - min(rows[0]["base_megabytes"], rows[2]["base_megabytes"])
    )
    assert read_width_plan(read_bundle(folder)) == WidthPlan("xl", "static", "int8")


def test_what_fits_nowhere_is_an_error_and_remembers_nothing(nestling: Run, folder: Path) -> None:
    result = nestling("tune", "--bundle", folder, "--memory-mb", "1")
    assert result.returncode == 1
    assert len(result.stdout.splitlines()) == 4
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: no widths of bundle tiny keep within 1 MB here; closest is document width static, ")
    assert read_width_plan(read_bundle(folder)) is None


@pytest.mark.parametrize("value", ["0", "-1", "fast"])
def test_a_limit_that_is_none_is_wrong_usage(nestling: Run, folder: Path, value: str) -> None:
    assert nestling("tune", "--bundle", folder, "--query-ms", value).returncode == 2
    assert read_width_plan(read_bundle(folder)) is None
