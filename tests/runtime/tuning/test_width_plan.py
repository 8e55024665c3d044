from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nestling.bundle.manifest import Bundle, BundleFile, Variant
from nestling.bundle.quality import Quality
from nestling.errors import NestlingError
from nestling.tuning.cost import Cost
from nestling.tuning.width_plan import Choice, WidthPlan, choose, read_width_plan, write_width_plan
from nestling.user_folders import config_folder

VARIANTS = (
    Variant("xl", "int8", "a.onnx"),
    Variant("xl", "int4", "a.onnx"),
    Variant("s", "int8", "a.onnx"),
    Variant("s", "int4", "a.onnx"),
    Variant("static", "int4", "a.npz"),
)
COSTS = [
    Cost("xl", "int8", 5.0, 7_000, 110, 60),
    Cost("xl", "int4", 7.0, 5_000, 95, 60),
    Cost("s", "int8", 1.5, 20_000, 90, 60),
    Cost("s", "int4", 2.0, 15_000, 85, 60),
    Cost("static", "int4", 0.1, 900_000, 55, 35),
]
QUALITY = {
    "xl.int8": Quality(99.5, 99.5),
    "xl.int4": Quality(98.5, 98.6),
    "s.int8": Quality(97.0, 98.0),
    "s.int4": Quality(96.0, 97.0),
    "static.int4": Quality(80.0, 85.0),
}


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A manifest of three widths, and a user without a plan."""
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "config"))
    files = {name: BundleFile(1, "") for name in ("a.onnx", "a.npz", "t", "g")}
    prefixes: Any = {"document": "", "query": ""}
    return Bundle(tmp_path, "family", "ab" * 32, 16, 64, prefixes, "t", "g", VARIANTS, files)


@pytest.mark.parametrize(
    ("query_ms", "memory_mb", "expected"),
    [
        (None, None, Choice(WidthPlan("xl", "xl", "int8"), 5.0, 110)),
        (10, 200, Choice(WidthPlan("xl", "xl", "int8"), 5.0, 110)),
        (5, 110, Choice(WidthPlan("xl", "xl", "int8"), 5.0, 110)),
        (4, None, Choice(WidthPlan("xl", "s", "int8"), 1.5, 140)),  # 110 + 90 - 60
        (4, 139, Choice(WidthPlan("xl", "s", "int4"), 2.0, 120)),  # 95 + 85 - 60
        (4, 119, Choice(WidthPlan("s", "s", "int8"), 1.5, 90)),
        (None, 100, Choice(WidthPlan("xl", "xl", "int4"), 7.0, 95)),
        (1, None, Choice(WidthPlan("xl", "static", "int8"), 0.1, 130)),  # 110 + 55 - 35
        (1, 112, Choice(WidthPlan("s", "static", "int8"), 0.1, 110)),
        (1, 60, Choice(WidthPlan("static", "static", "int8"), 0.1, 55)),
    ],
)
def test_the_best_widths_within_the_limits_are_chosen(
    bundle: Bundle, query_ms: float | None, memory_mb: float | None, expected: Choice
) -> None:
    assert choose(bundle, COSTS, QUALITY, query_ms, memory_mb) == expected
    # What is better than the bundle's default without limits is not taken.
    best_is_s = {**QUALITY, "s.int8": Quality(120, 120)}
    assert choose(bundle, COSTS, best_is_s).plan == WidthPlan("xl", "xl", "int8")
    assert choose(bundle, COSTS, best_is_s, 100).plan == WidthPlan("s", "s", "int8")


def test_where_quality_is_not_known_the_wider_is_better(bundle: Bundle) -> None:
    partly = {"static.int4": Quality(100, 100)}
    for quality in ({}, partly):
        assert choose(bundle, COSTS, quality, 100).plan == WidthPlan("xl", "xl", "int8")
        assert choose(bundle, COSTS, quality, 4).plan == WidthPlan("xl", "s", "int8")
        assert choose(bundle, COSTS, quality, None, 92).plan == WidthPlan("s", "s", "int8")


@pytest.mark.parametrize(
    ("query_ms", "memory_mb", "said"),
    [
        (0.01, None, "within 0.01 ms a query here; closest is document width xl, query width static, precision int8 "
                     "with 0.10 ms and 130 MB"),
        (None, 50, "within 50 MB here; closest is document width static, query width static, precision int8 with "
                   "0.10 ms and 55 MB"),
        (0.05, 40, "within 0.05 ms a query and 40 MB here; closest is document width static, query width static, "
                   "precision int8 with 0.10 ms and 55 MB"),
    ],
)  # fmt: skip
def test_what_fits_nowhere_is_an_error_that_names_the_closest(
    bundle: Bundle, query_ms: float | None, memory_mb: float | None, said: str
) -> None:
    with pytest.raises(NestlingError) as caught:
        choose(bundle, COSTS, QUALITY, query_ms, memory_mb)
    assert str(caught.value) == f"no widths of bundle family keep {said}; allow that much"


def test_a_plan_is_kept_for_its_space(bundle: Bundle, capfd: pytest.CaptureFixture[str]) -> None:
    assert read_width_plan(bundle) is None
    for plan in (WidthPlan("xl", "s", "int8"), WidthPlan("xl", "static", "int4")):
        path = write_width_plan(bundle, plan)
        assert read_width_plan(bundle) == plan
        assert read_width_plan(replace(bundle, name="renamed")) == plan
        assert read_width_plan(replace(bundle, space="cd" * 32)) is None
        assert list(path.parent.iterdir()) == [path]
    assert capfd.readouterr() == ("", "")


def test_a_plan_that_cannot_be_written_leaves_the_old_one(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_width_plan(bundle, WidthPlan("xl", "s", "int8"))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_width_plan(bundle, WidthPlan("s", "s", "int8"))
    assert read_width_plan(bundle) == WidthPlan("xl", "s", "int8")
    assert list(path.parent.iterdir()) == [path]


def content(**changes: object) -> bytes:
    """A plan's file with other values."""
    plan = {"document_width": "xl", "query_width": "s", "precision": "int8"}
    return json.dumps({"format": 1, "space": "ab" * 32, **plan, **changes}).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", ""),
        (b"\xff\xfe\x00", ""),
        (b"[" * 60_000, ""),
        (b"[1]", "the plan is list, expected keys with values"),
        (b"{}", "the plan lacks the key 'document_width'"),
        (content(more=1), "the plan has the unknown key 'more', expected document_width, format, precision"),
        (content(query_width=None), "query_width is NoneType, expected str"),
        (content(query_width=["s"]), "query_width is list, expected str"),
        (content(format=2), "is of another version"),
        (content(space="cd" * 32), "is for another vector space"),
        (content(document_width="m"), "bundle family has no width 'm' of precision 'int8'"),
        (content(query_width=7), "query_width is int, expected str"),
        (content(query_width="m"), "bundle family has no width 'm' of precision 'int8'"),
        (content(precision="int2\n"), "bundle family has no width 'xl' of precision 'int2\\n'"),
        (content() + b" " * (1 << 17) + b"x", None),
    ],
)
def test_a_damaged_or_foreign_plan_is_passed_over(
    bundle: Bundle, capfd: pytest.CaptureFixture[str], data: bytes, reason: str | None
) -> None:
    path = write_width_plan(bundle, WidthPlan("xl", "s", "int8"))
    path.write_bytes(data)
    found = read_width_plan(bundle)
    out, err = capfd.readouterr()
    assert out == ""
    if reason is None:  # what is behind the first 64 KB is not looked at
        assert (found, err) == (WidthPlan("xl", "s", "int8"), "")
        return
    assert found is None
    (line,) = err.splitlines()
    assert line.startswith(f"{path}: is passed over ({reason}")
    assert line.endswith("); make a new plan with: nestling tune")


def test_what_is_no_file_is_passed_over(bundle: Bundle, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write_width_plan(bundle, WidthPlan("xl", "s", "int8"))
    path.unlink()
    path.mkdir()
    assert read_width_plan(bundle) is None
    assert capfd.readouterr().err == (
        f"{path}: is passed over (is no regular file); make a new plan with: nestling tune\n"
    )
    path.rmdir()
    path.parent.rmdir()
    path.parent.write_text("no folder")
    assert read_width_plan(bundle) is None
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_a_pipe_is_not_waited_for(bundle: Bundle) -> None:
    path = write_width_plan(bundle, WidthPlan("xl", "s", "int8"))
    path.unlink()
    os.mkfifo(path)
    assert read_width_plan(bundle) is None


def test_a_user_without_a_folder_has_no_plan(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, "no/absolute/path")
    assert read_width_plan(bundle) is None
    with pytest.raises(NestlingError, match=r"^there is no folder for a user's settings; give the widths with each"):
        write_width_plan(bundle, WidthPlan("xl", "xl", "int8"))


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="where Linux keeps settings")
def test_the_suite_reads_no_plan_of_the_developer() -> None:
    assert config_folder() == Path(os.environ["XDG_CONFIG_HOME"])
    assert "nestling-config-" in os.environ["XDG_CONFIG_HOME"]
