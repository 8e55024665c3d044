"""Widths on the command line: fast first, refined later, and what a plan says."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from bundles import tiny_bundle, tiny_family
from nestling import Library
from nestling.bundle.manifest import read_bundle
from nestling.tuning.width_plan import WidthPlan, write_width_plan
from processes import Run, started
from stored import told


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle with widths xl, s and static."""
    return tiny_family(tmp_path_factory.mktemp("family"))


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A folder of six files."""
    (tmp_path / "notes").mkdir()
    for number in range(6):
        (tmp_path / "notes" / f"{number}.txt").write_text(told(number).text)
    return tmp_path / "notes"


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of each test's own."""
    for name in ("XDG_CONFIG_HOME", "APPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "settings"))


def info(nestling: Run, path: Path, family: Path) -> dict[str, object]:
    return dict(json.loads(nestling("info", path, "--bundle", family, "--json").stdout))


def test_fast_first_and_refined_later(nestling: Run, notes: Path, family: Path, tmp_path: Path) -> None:
    library, bundle = tmp_path / "a.nest", ("--bundle", family)
    added = nestling("add", library, notes, "--fast", *bundle)
    assert (added.returncode, added.stderr) == (0, "6 added, 0 changed, 0 unchanged, 0 removed, 0 skipped\n")
    found = info(nestling, library, family)
    assert (found["passages of static"], found["document width"], found["unrefined"]) == (6, "xl", 6)
    assert nestling("search", library, "owls", *bundle).returncode == 0
    some = nestling("refine", library, "--limit", "2", *bundle)
    assert (some.returncode, some.stdout, some.stderr) == (0, "", "2 passages refined, 4 left\n")
    rest = nestling("refine", library, "--json", *bundle)
    assert json.loads(rest.stdout) == {"refined": 4, "left": 0}
    (notes / "new.txt").write_text("owls at night")
    assert nestling("sync", library, "--fast", *bundle).returncode == 0
    found = info(nestling, library, family)
    assert (found["passages of static"], found["passages of xl"], found["unrefined"]) == (1, 6, 1)


def test_a_refined_library_answers_as_one_that_was_not_fast(
    nestling: Run, notes: Path, family: Path, tmp_path: Path
) -> None:
    for name, options in (("a", ["--fast"]), ("b", [])):
        assert nestling("add", tmp_path / name, notes, "--width", "s", "--bundle", family, *options).returncode == 0
    assert nestling("refine", tmp_path / "a", "--bundle", family).stderr == "6 passages refined, 0 left\n"
    asked = [nestling("search", tmp_path / name, "owls", "--json", "--bundle", family).stdout for name in "ab"]
    assert asked[0] == asked[1] != ""
    assert info(nestling, tmp_path / "a", family)["passages of s"] == 6


def test_queries_may_be_of_another_width(nestling: Run, notes: Path, family: Path, tmp_path: Path) -> None:
    nestling("add", tmp_path / "a", notes, "--bundle", family)
    scores = {
        width: nestling(
            "search", tmp_path / "a", "owls", "--mode", "dense", "--json", "--bundle", family, "--query-width", width
        ).stdout
        for width in ("xl", "s", "static")
    }
    assert len(set(scores.values())) == 3
    assert (
        nestling("search", tmp_path / "a", "owls", "--mode", "dense", "--json", "--bundle", family).stdout
        == scores["xl"]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["add", "{tmp}/a.nest", "{tmp}/notes", "--fast", "--bundle", "{plain}"],
            "bundle tiny has no width static; its widths are xl",
        ),
        (
            ["add", "{tmp}/a.nest", "{tmp}/notes", "--width", "m", "--bundle", "{family}"],
            "has no width m; its widths are xl, s, static",
        ),
        (
            ["search", "{tmp}/a.nest", "q", "--query-width", "m", "--bundle", "{family}"],
            "has no width m; its widths are xl, s, static",
        ),
        (["refine", "{tmp}/a.nest", "--bundle", "{family}"], "a.nest: no library there; make one with: nestling add"),
        (
            ["sync", "{tmp}/a.nest", "--fast", "--bundle", "{family}"],
            "a.nest: no library there; make one with: nestling add",
        ),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_no_file(
    nestling: Run, notes: Path, family: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    plain = tiny_bundle(tmp_path)
    before = sorted(tmp_path.iterdir())
    result = nestling(*[argument.format(tmp=tmp_path, family=family, plain=plain) for argument in arguments])
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert sorted(tmp_path.iterdir()) == before


def test_a_limit_of_none_is_one_line(nestling: Run, notes: Path, family: Path, tmp_path: Path) -> None:
    nestling("add", tmp_path / "a", notes, "--bundle", family)
    result = nestling("refine", tmp_path / "a", "--limit", "0", "--bundle", family)
    assert (result.returncode, result.stderr) == (
        1,
        "error: limit is 0, expected a whole number of 1 or more, or None\n",
    )


def test_a_plan_decides_what_is_not_said(nestling: Run, notes: Path, family: Path, tmp_path: Path) -> None:
    nestling("add", tmp_path / "before", notes, "--bundle", family)
    write_width_plan(read_bundle(family), WidthPlan("s", "static", "int8"))
    nestling("add", tmp_path / "after", notes, "--bundle", family)
    assert info(nestling, tmp_path / "before", family)["document width"] == "xl"  # as it was made
    assert info(nestling, tmp_path / "after", family)["passages of s"] == 6
    said = {
        width: nestling(
            "search", tmp_path / "after", "owls", "--json", "--bundle", family, "--query-width", width
        ).stdout
        for width in ("xl", "static")
    }
    assert (
        nestling("search", tmp_path / "after", "owls", "--json", "--bundle", family).stdout
        == said["static"]
        != said["xl"]
    )
    nestling("add", tmp_path / "told", notes, "--bundle", family, "--width", "xl")
    assert info(nestling, tmp_path / "told", family)["passages of xl"] == 6


def test_a_plan_that_is_none_is_said_once(nestling: Run, notes: Path, family: Path, tmp_path: Path) -> None:
    plan = write_width_plan(read_bundle(family), WidthPlan("s", "static", "int8"))
    plan.write_text("{}")
    added = nestling("add", tmp_path / "a", notes, "--bundle", family)
    said, counts = added.stderr.splitlines()
    assert (
        said == f"{plan}: is passed over (the plan lacks the key 'document_width'); make a new plan with: nestling tune"
    )
    assert (added.returncode, counts) == (0, "6 added, 0 changed, 0 unchanged, 0 removed, 0 skipped")
    assert info(nestling, tmp_path / "a", family)["passages of xl"] == 6


def test_ctrl_c_keeps_what_is_refined(nestling: Run, family: Path, tmp_path: Path) -> None:
    with Library(tmp_path / "a.nest", encoder=read_bundle(family)) as library:
        library.add([told(number, words=50) for number in range(6000)], width="static")
    with started("refine", tmp_path / "a.nest", "--bundle", family) as child:
        log = Path(f"{tmp_path / 'a.nest'}-wal")
        while not log.exists() or log.stat().st_size < 200_000:
            time.sleep(0.01)
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        said = child.communicate()[1]
    assert child.returncode == 130
    assert said.strip() == "stopped; what was done is kept, and the same command goes on from there"
    with Library(tmp_path / "a.nest", encoder=read_bundle(family)) as library:
        left = library.unrefined["static"]
        assert 0 < left < 6000
        assert library.problems() == []
        assert library.refine(limit=10).refined == 10
