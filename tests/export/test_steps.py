from __future__ import annotations

from pathlib import Path

import pytest

from nestling.export.steps import Work


def test_a_finished_step_is_not_done_again(tmp_path: Path) -> None:
    lines: list[str] = []
    work = Work(tmp_path, lines.append)
    path = work.step("one.txt", "first", lambda path: path.write_text("1") and None)
    assert path.read_text() == "1"
    assert work.step("one.txt", "first", lambda path: path.write_text("2") and None).read_text() == "1"
    assert lines == ["first", "first: done before"]


def test_a_step_that_breaks_off_is_not_finished(tmp_path: Path) -> None:
    def broken(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    work = Work(tmp_path, lambda line: None)
    with pytest.raises(KeyboardInterrupt):
        work.step("one.txt", "first", broken)
    assert not (tmp_path / "one.txt").exists()
    assert work.step("one.txt", "first", lambda path: path.write_text("whole") and None).read_text() == "whole"
