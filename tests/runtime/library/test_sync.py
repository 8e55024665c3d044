from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nestling.errors import NestlingError
from nestling.library.readers import known_suffixes
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
    assert skip.reason == f"no reader for .jpg; known are {known_suffixes()}"
    assert known_suffixes().startswith(".csv .docx .eml ")


def test_a_path_that_does_not_exist_is_an_error(folder: Path) -> None:
    with pytest.raises(NestlingError, match=f"^{re.escape(str(folder / 'none'))}: no such file or folder$"):
        plan([folder, folder / "none"], {})


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are closed to all but one."""
    folder = Path(tempfile.mkdtemp()).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_an_empty_library_and_an_empty_folder_have_nothing_to_do(tmp_path: Path) -> None:
    todo = plan([tmp_path], {})
    assert (todo.read, todo.same, todo.gone, todo.skipped) == ((), (), (), ())


def test_a_file_is_remembered_with_its_size_and_time(folder: Path) -> None:
    os.utime(folder / "b.txt", ns=(5, 1_234_567_890_123_456_789))
    (file,) = plan([folder / "b.txt"], {}).read
    assert (file.path, file.size, file.mtime_ns) == (folder / "b.txt", 5, 1_234_567_890_123_456_789)


def test_a_change_that_keeps_size_or_time_is_a_change(folder: Path) -> None:
    (path,) = known(folder, "b.txt")
    size, mtime_ns = known(folder, "b.txt")[path]
    assert plan([folder / "b.txt"], {path: (size, mtime_ns)}).read == ()
    assert len(plan([folder / "b.txt"], {path: (size, mtime_ns - 1)}).read) == 1
    assert len(plan([folder / "b.txt"], {path: (size + 1, mtime_ns)}).read) == 1


def test_suffixes_are_read_in_any_case_and_names_in_order(tmp_path: Path) -> None:
    for name in ("b.TXT", "a.Md", "c.jsonl.bak", "noext", "10.csv", "9.csv"):
        (tmp_path / name).write_text("x")
    assert names(tmp_path, (file.path for file in plan([tmp_path], {}).read)) == ["10.csv", "9.csv", "a.Md", "b.TXT"]


def test_a_file_that_was_asked_for_without_a_suffix_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("x")
    (skip,) = plan([tmp_path / "README"], {}).skipped
    assert skip.reason.startswith("no reader for a file without a suffix; known are .csv .docx ")


def test_a_link_that_was_asked_for_is_followed(folder: Path) -> None:
    assert names(folder, (file.path for file in plan([folder / "link.txt"], {}).read)) == ["b.txt"]
    assert plan([folder / "loop"], {}) == plan([folder], {})


def test_a_hidden_folder_that_was_asked_for_is_read(folder: Path) -> None:
    assert names(folder, (file.path for file in plan([folder / ".git"], {}).read)) == [".git/e.txt"]


def test_a_missing_path_is_an_error_even_where_it_was_read_before(folder: Path) -> None:
    before = known(folder, "b.txt")
    (folder / "b.txt").unlink()
    with pytest.raises(NestlingError, match=f"^{re.escape(str(folder / 'b.txt'))}: no such file or folder$"):
        plan([folder / "b.txt"], before)


def test_a_folder_in_a_given_folder_that_was_removed_takes_its_files_along(folder: Path) -> None:
    before = known(folder, "b.txt", "sub/c.html", "sub/deep/d.csv")
    shutil.rmtree(folder / "sub")
    assert sorted(names(folder, plan([folder], before).gone)) == ["sub/c.html", "sub/deep/d.csv"]


def test_a_folder_with_a_name_that_begins_like_another_is_another(folder: Path) -> None:
    before = {str(folder.parent / "notes2" / "x.txt"): (1, 1)}
    assert plan([folder], before).gone == ()


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="permissions are those of POSIX")
def test_a_folder_that_may_not_be_entered_now_keeps_its_files(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir()
    (closed / "a.txt").write_text("a")
    before = known(open_folder, "closed/a.txt")
    closed.chmod(0o000)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # root may enter every folder
    try:
        todo = plan([open_folder], before)
    finally:
        if root:
            os.seteuid(0)
        closed.chmod(0o755)
    assert [(skip.source, skip.reason) for skip in todo.skipped] == [
        (str(closed), "cannot be read (Permission denied)")
    ]
    assert todo.gone == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are files on POSIX only")
def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")  # opening it would wait for ever
    assert plan([tmp_path], {}).read == ()
    assert plan([tmp_path / "pipe.txt"], {}).read == ()


@pytest.mark.parametrize("path", ["~nobody-of-this-name/notes", "round.txt"])
def test_a_path_that_leads_nowhere_is_a_known_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("round.txt").symlink_to("round.txt")
    with pytest.raises(NestlingError):
        plan([path], {})
