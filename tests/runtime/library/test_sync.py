from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from nestling.errors import NestlingError
from nestling.library.sync import plan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    notes = tmp_path / "notes"
    (notes / "sub" / "deep").mkdir(parents=True)
    (notes / ".git").mkdir()
    for name in ("b.txt", "a.md", "sub/c.html", "sub/deep/d.csv", ".hidden.txt", ".git/e.txt", "photo.jpg"):
        (notes / name).write_text(name)
    (notes / "link.txt").symlink_to(notes / "b.txt")
    (notes / "loop").symlink_to(notes)
    return notes


def known(folder: Path, *names: str) -> dict[str, tuple[int, int]]:
    return {str(folder / name): (stat.st_size, stat.st_mtime_ns) for name in names for stat in [(folder / name).stat()]}


def names(folder: Path, paths: object) -> list[str]:
    return [str(Path(path).relative_to(folder)) for path in paths]  # type: ignore[attr-defined]


def test_a_folder_is_walked_whole_but_for_what_is_hidden_linked_or_unknown(folder: Path) -> None:
    todo = plan([folder], {})
    assert names(folder, (file.path for file in todo.read)) == ["a.md", "b.txt", "sub/c.html", "sub/deep/d.csv"]
    assert (todo.same, todo.gone, todo.skipped) == ((), (), ())


def test_only_what_changed_is_read(folder: Path) -> None:
    before = known(folder, "a.md", "b.txt", "sub/c.html", "sub/deep/d.csv")
    (folder / "a.md").write_text("longer than it was")
    os.utime(folder / "b.txt", ns=(1, 1))
    (folder / "sub" / "c.html").unlink()
    (folder / "new.txt").write_text("new")
    todo = plan([folder], before)
    assert names(folder, (file.path for file in todo.read)) == ["a.md", "b.txt", "new.txt"]
    assert names(folder, todo.same) == ["sub/deep/d.csv"]
    assert names(folder, todo.gone) == ["sub/c.html"]


def test_files_outside_of_the_given_folders_are_not_gone(folder: Path) -> None:
    before = {str(folder.parent / "other" / "x.txt"): (1, 1), str(folder / "sub" / "gone.txt"): (1, 1)}
    assert names(folder, plan([folder / "sub"], before).gone) == ["sub/gone.txt"]


def test_a_file_that_is_there_but_no_longer_read_is_not_gone(folder: Path) -> None:
    before = {str(folder / ".hidden.txt"): (1, 1)}
    assert plan([folder], before).gone == ()


def test_a_file_given_twice_is_read_once(folder: Path) -> None:
    todo = plan([folder, folder / "b.txt", folder / "sub" / ".." / "sub"], {})
    assert len({str(file.path) for file in todo.read}) == len(todo.read) == 4


def test_paths_may_be_relative_or_of_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder.parent))
    absolute = [file.path for file in plan([folder / "b.txt"], {}).read]
    assert [file.path for file in plan(["b.txt"], {}).read] == absolute
    assert [file.path for file in plan(["~/notes/b.txt"], {}).read] == absolute


def test_a_file_without_a_reader_is_skipped_only_where_it_was_asked_for(folder: Path) -> None:
    (skip,) = plan([folder / "photo.jpg"], {}).skipped
    assert skip.source == str(folder / "photo.jpg")
    assert skip.reason == "no reader for .jpg; known are .csv .htm .html .jsonl .markdown .md .text .txt"


def test_a_path_that_does_not_exist_is_an_error(folder: Path) -> None:
    with pytest.raises(NestlingError, match=f"^{re.escape(str(folder / 'none'))}: no such file or folder$"):
        plan([folder, folder / "none"], {})
