from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nestling.export.code_version import code_version, sources
from nestling.export.steps import BuildSteps

MODULE = "nestling.export.errors"


def silent(line: str) -> None:
    """Say nothing."""


def test_a_finished_step_is_not_done_again(tmp_path: Path) -> None:
    lines: list[str] = []
    steps = BuildSteps(tmp_path, MODULE, lines.append)
    path = steps.file("one.txt", "first", lambda path: path.write_text("1") and None)
    assert path.read_text() == "1"
    assert steps.file("one.txt", "first", lambda path: path.write_text("2") and None).read_text() == "1"
    assert lines == ["first", "first: done before"]


def test_a_step_that_breaks_off_is_not_finished(tmp_path: Path) -> None:
    def broken(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    steps = BuildSteps(tmp_path, MODULE, silent)
    with pytest.raises(KeyboardInterrupt):
        steps.file("one.txt", "first", broken)
    assert list(steps.folder.iterdir()) == []
    assert steps.file("one.txt", "first", lambda path: path.write_text("whole") and None).read_text() == "whole"


def test_a_step_of_several_files_begins_with_none(tmp_path: Path) -> None:
    def broken(folder: Path) -> None:
        (folder / "left.txt").write_text("half")
        raise KeyboardInterrupt

    steps = BuildSteps(tmp_path, MODULE, silent)
    with pytest.raises(KeyboardInterrupt):
        steps.files("some", "first", broken)
    assert not (steps.folder / "some").exists()
    folder = steps.files("some", "first", lambda folder: (folder / "a.txt").write_text("whole") and None)
    assert [path.name for path in folder.iterdir()] == ["a.txt"]


def test_an_array_is_kept(tmp_path: Path) -> None:
    made = [np.ones((2, 3), dtype=np.float32)]
    for _ in range(2):
        found = BuildSteps(tmp_path, MODULE, silent).array("one.npy", "first", lambda: made.pop())
        assert (found == 1).all()


def test_a_step_is_done_again_where_something_else_is_given(tmp_path: Path) -> None:
    lines: list[str] = []
    for given, content in (("a", "1"), ("b", "2"), ("a", "3")):
        steps = BuildSteps(tmp_path, MODULE, lines.append, given)
        steps.file("one.txt", "first", lambda path, content=content: path.write_text(content) and None)
    assert steps.file("one.txt", "first", lambda path: None).read_text() == "1"
    again = "first: done again, for its code or what it is made of has changed"
    assert lines == ["first", again, "first: done before", "first: done before"]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of which `rooms.maker` imports `tool` and `deep`, one of them in a function; `other` is apart."""
    folder = tmp_path / "house"
    (folder / "rooms").mkdir(parents=True)
    for path, code in {
        "__init__.py": "",
        "deep.py": "VALUE = 1\n",
        "tool.py": "from . import deep\n",
        "other.py": "from .rooms import maker\n",
        "rooms/__init__.py": "",
        "rooms/maker.py": "import json\n\ndef make():\n    from ..tool import deep\n    return deep.VALUE\n",
    }.items():
        (folder / path).write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "house"]:
        del sys.modules[name]


@pytest.mark.parametrize("edited", ["deep.py", "tool.py", "rooms/maker.py"])
def test_a_step_is_done_again_when_its_code_has_changed(package: Path, tmp_path: Path, edited: str) -> None:
    lines: list[str] = []

    def made(content: str) -> str:
        steps = BuildSteps(tmp_path / "work", "house.rooms.maker", lines.append)
        return steps.file("one.txt", "first", lambda path: path.write_text(content) and None).read_text()

    assert made("1") == made("2") == "1"
    with (package / edited).open("a") as stream:
        stream.write("MORE = 2\n")
    assert made("3") == made("4") == "3"
    again = "first: done again, for its code or what it is made of has changed"
    assert lines == ["first", "first: done before", again, "first: done before"]


def test_what_a_module_does_not_import_is_no_part_of_its_version(package: Path) -> None:
    before = code_version("house.rooms.maker")
    (package / "other.py").write_text("CHANGED = True\n")
    assert code_version("house.rooms.maker") == before


def test_comments_and_docstrings_are_no_part_of_a_version(package: Path) -> None:
    before = code_version("house.rooms.maker")
    (package / "deep.py").write_text('"""What it is."""\n\n# why\nVALUE  =  1\n')
    assert code_version("house.rooms.maker") == before
    (package / "deep.py").write_text('"""What it is."""\n\n# why\nVALUE = 2\n')
    assert code_version("house.rooms.maker") != before


def test_the_training_does_not_depend_on_how_matrices_are_rounded() -> None:
    """Its hours are not spent again for an edit in a later step."""
    training = set(sources("nestling.export.train.students"))
    assert {f"nestling.export.train.{name}" for name in ("distil", "losses", "nest", "schedule")} <= training
    assert not {name for name in training if ".quantize" in name or ".bundle" in name}
