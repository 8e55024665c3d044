from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from nestling import Encoder, Library, Report
from nestling.errors import NestlingError
from nestling.library.intake.folders import IGNORE_FILE, require_patterns
from nestling.library.intake.sync import SyncPlan, mirrored, plan
from nestling.library.store.file_state import FileState, MirroredFolder
from nestling.readers import READERS, known_suffixes


def planned(paths: Sequence[Path | str], known: dict[str, FileState]) -> SyncPlan:
    return plan(mirrored(paths, [], None, None), known)


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


def known(folder: Path, *names: str) -> dict[str, FileState]:
    return {
        str(folder / name): FileState(stat.st_size, stat.st_mtime_ns)
        for name in names
        for stat in [(folder / name).stat()]
    }


def names(folder: Path, paths: object) -> list[str]:
    return [str(Path(path).relative_to(folder)) for path in paths]  # type: ignore[attr-defined]


def test_a_folder_is_walked_whole_but_for_what_is_hidden_linked_or_unknown(folder: Path) -> None:
    todo = planned([folder], {})
    assert names(folder, (file.path for file in todo.read)) == ["a.md", "b.txt", "sub/c.html", "sub/deep/d.csv"]
    assert (todo.same, todo.gone, todo.skipped) == ((), (), ())


def test_files_without_a_reader_are_counted_by_their_suffixes_but_for_what_is_ignored(folder: Path) -> None:
    for name in ("sub/b.JPG", "Makefile", "sub/deep/settings.json", "sub/x.py", ".hidden.py", ".git/y.py", "link.py"):
        (folder / name).write_text(name)
    (folder / "a.c").symlink_to(folder / "link.py")
    assert planned([folder], {}).passed_over == ((".py", 2), (".jpg", 2), ("", 1), (".json", 1))
    assert planned([folder, folder / "sub"], {}).passed_over == ((".py", 2), (".jpg", 2), ("", 1), (".json", 1))
    ignoring = MirroredFolder(str(folder), ignored=("*.py", "sub/deep/"))
    assert plan([ignoring], {}).passed_over == ((".jpg", 2), ("", 1))


def test_only_what_changed_is_read(folder: Path) -> None:
    before = known(folder, "a.md", "b.txt", "sub/c.html", "sub/deep/d.csv")
    (folder / "a.md").write_text("longer than it was")
    os.utime(folder / "b.txt", ns=(1, 1))
    (folder / "sub" / "c.html").unlink()
    (folder / "new.txt").write_text("new")
    todo = planned([folder], before)
    assert names(folder, (file.path for file in todo.read)) == ["a.md", "b.txt", "new.txt"]
    assert names(folder, todo.same) == ["sub/deep/d.csv"]
    assert names(folder, todo.gone) == ["sub/c.html"]


def test_files_outside_of_the_given_folders_are_not_gone(folder: Path) -> None:
    before = {
        str(folder.parent / "other" / "x.txt"): FileState(1, 1),
        str(folder / "sub" / "gone.txt"): FileState(1, 1),
    }
    assert names(folder, planned([folder / "sub"], before).gone) == ["sub/gone.txt"]


@pytest.mark.parametrize("name", [".hidden.txt", "link.txt", "photo.jpg", ".git/e.txt", "loop/b.txt"])
def test_a_file_that_is_there_but_no_longer_read_is_gone(folder: Path, name: str) -> None:
    before = {str(folder / name): FileState(1, 1)}
    assert names(folder, planned([folder], before).gone) == [name]


def test_a_file_given_twice_is_read_once(folder: Path) -> None:
    todo = planned([folder, folder / "b.txt", folder / "sub" / ".." / "sub"], {})
    assert len({str(file.path) for file in todo.read}) == len(todo.read) == 4


def test_paths_may_be_relative_or_of_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder.parent))
    absolute = [file.path for file in planned([folder / "b.txt"], {}).read]
    assert [file.path for file in planned(["b.txt"], {}).read] == absolute
    assert [file.path for file in planned(["~/notes/b.txt"], {}).read] == absolute


def test_a_file_without_a_reader_is_skipped_only_where_it_was_asked_for(folder: Path) -> None:
    (skip,) = planned([folder / "photo.jpg"], {}).skipped
    assert skip.source == str(folder / "photo.jpg")
    assert skip.reason == f"no reader for .jpg; known are {known_suffixes()}"
    assert set(known_suffixes().split()) < READERS.keys()


def test_a_path_that_does_not_exist_is_an_error(folder: Path) -> None:
    with pytest.raises(NestlingError, match=f"^{re.escape(str(folder / 'none'))}: no such file or folder$"):
        planned([folder, folder / "none"], {})


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are closed to all but one."""
    folder = Path(tempfile.mkdtemp()).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_an_empty_library_and_an_empty_folder_have_nothing_to_do(tmp_path: Path) -> None:
    todo = planned([tmp_path], {})
    assert (todo.read, todo.same, todo.gone, todo.skipped) == ((), (), (), ())


def test_a_file_is_remembered_with_its_size_and_time(folder: Path) -> None:
    os.utime(folder / "b.txt", ns=(5, 1_234_567_890_123_456_789))
    (file,) = planned([folder / "b.txt"], {}).read
    assert (file.path, file.size, file.mtime_ns) == (folder / "b.txt", 5, 1_234_567_890_123_456_789)


def test_a_change_that_keeps_size_or_time_is_a_change(folder: Path) -> None:
    (path,) = known(folder, "b.txt")
    was = known(folder, "b.txt")[path]
    assert planned([folder / "b.txt"], {path: was}).read == ()
    assert len(planned([folder / "b.txt"], {path: replace(was, mtime_ns=was.mtime_ns - 1)}).read) == 1
    assert len(planned([folder / "b.txt"], {path: replace(was, size=was.size + 1)}).read) == 1
    assert len(planned([folder / "b.txt"], {path: replace(was, size=-1)}).read) == 1


def test_suffixes_are_read_in_any_case_and_names_in_order(tmp_path: Path) -> None:
    for name in ("b.TXT", "a.Md", "c.jsonl.bak", "noext", "10.csv", "9.csv"):
        (tmp_path / name).write_text("x")
    assert names(tmp_path, (file.path for file in planned([tmp_path], {}).read)) == ["10.csv", "9.csv", "a.Md", "b.TXT"]


def test_a_file_that_was_asked_for_without_a_suffix_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("x")
    (skip,) = planned([tmp_path / "README"], {}).skipped
    assert skip.reason.startswith("no reader for a file without a suffix; known are .adoc .asciidoc .bib .csv .doc")


def test_a_link_that_was_asked_for_is_followed(folder: Path) -> None:
    assert names(folder, (file.path for file in planned([folder / "link.txt"], {}).read)) == ["b.txt"]
    assert planned([folder / "loop"], {}) == planned([folder], {})


def test_a_hidden_folder_that_was_asked_for_is_read(folder: Path) -> None:
    assert names(folder, (file.path for file in planned([folder / ".git"], {}).read)) == [".git/e.txt"]


def test_a_missing_path_is_an_error_even_where_it_was_read_before(folder: Path) -> None:
    before = known(folder, "b.txt")
    (folder / "b.txt").unlink()
    with pytest.raises(NestlingError, match=f"^{re.escape(str(folder / 'b.txt'))}: no such file or folder$"):
        planned([folder / "b.txt"], before)


def test_a_folder_in_a_given_folder_that_was_removed_takes_its_files_along(folder: Path) -> None:
    before = known(folder, "b.txt", "sub/c.html", "sub/deep/d.csv")
    shutil.rmtree(folder / "sub")
    assert sorted(names(folder, planned([folder], before).gone)) == ["sub/c.html", "sub/deep/d.csv"]


def test_a_folder_with_a_name_that_begins_like_another_is_another(folder: Path) -> None:
    before = {str(folder.parent / "notes2" / "x.txt"): FileState(1, 1)}
    assert planned([folder], before).gone == ()


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
        todo = planned([open_folder], before)
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
    assert planned([tmp_path], {}).read == ()
    assert planned([tmp_path / "pipe.txt"], {}).read == ()


@pytest.mark.parametrize("path", ["~nobody-of-this-name/notes", "round.txt"])
def test_a_path_that_leads_nowhere_is_a_known_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("round.txt").symlink_to("round.txt")
    with pytest.raises(NestlingError):
        planned([path], {})


def found(root: Path, *ignored: str, max_bytes: int | None = None) -> list[str]:
    return names(root, (file.path for file in plan([MirroredFolder(str(root), ignored, max_bytes)], {}).read))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name in ("a.txt", "b.md", "build/c.txt", "src/build/d.txt", "src/keep.txt", "src/e.md", "src/deep/f.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["*.txt"], ["b.md", "src/e.md"]),
        (["build/"], ["a.txt", "b.md", "src/deep/f.txt", "src/e.md", "src/keep.txt"]),
        (["/build/"], ["a.txt", "b.md", "src/build/d.txt", "src/deep/f.txt", "src/e.md", "src/keep.txt"]),
        (["*.txt", "!keep.txt"], ["b.md", "src/e.md", "src/keep.txt"]),
        (["src/**/*.txt"], ["a.txt", "b.md", "build/c.txt", "src/e.md"]),
        (["src/", "!src/keep.txt"], ["a.txt", "b.md", "build/c.txt"]),
        (
            ["# a comment", "", "b.md"],
            ["a.txt", "build/c.txt", "src/build/d.txt", "src/deep/f.txt", "src/e.md", "src/keep.txt"],
        ),
        (["*"], []),
    ],
)
def test_patterns_are_those_of_a_gitignore_wherever_they_are_given(
    tree: Path, patterns: list[str], left: list[str]
) -> None:
    assert found(tree, *patterns) == left
    (tree / IGNORE_FILE).write_text("\n".join(patterns) + "\n")
    assert found(tree) == left


def test_patterns_of_a_folder_hold_below_it_beside_those_above(tree: Path) -> None:
    (tree / IGNORE_FILE).write_text("b.md\n")
    (tree / "src" / IGNORE_FILE).write_text("/deep/\n*.md\n")
    assert found(tree, "build/") == ["a.txt", "src/keep.txt"]
    (tree / "deep").mkdir()
    (tree / "deep" / "g.txt").write_text("not below src")
    assert found(tree, "build/") == ["a.txt", "deep/g.txt", "src/keep.txt"]


def test_files_that_are_ignored_now_are_gone(tree: Path) -> None:
    before = known(tree, "a.txt", "b.md", "src/build/d.txt")
    assert names(tree, plan([MirroredFolder(str(tree), ("build/", "*.md"))], before).gone) == [
        "b.md",
        "src/build/d.txt",
    ]


def test_larger_files_are_passed_over(tree: Path) -> None:
    (tree / "a.txt").write_text("x" * 101)
    (tree / "b.md").write_text("x" * 100)
    assert found(tree, "src/", "build/", max_bytes=100) == ["b.md"]
    before = known(tree, "a.txt", "b.md")
    assert names(tree, plan([MirroredFolder(str(tree), (), 100)], before).gone) == ["a.txt"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"caf\xe9", "is not UTF-8 text (byte 3); save it as UTF-8"),
        (b"x" * (1 << 20) + b"y", "has over 1048576 bytes, expected a list of patterns; shorten it"),
    ],
)
def test_a_folder_whose_patterns_cannot_be_read_keeps_its_files(tree: Path, data: bytes, reason: str) -> None:
    before = known(tree, "src/e.md", "src/deep/f.txt", "b.md")
    (tree / "src" / IGNORE_FILE).write_bytes(data)
    (tree / "b.md").unlink()
    todo = plan([MirroredFolder(str(tree))], before)
    assert [(skip.source, skip.transient) for skip in todo.skipped] == [(str(tree / "src"), True)]
    assert todo.skipped[0].reason.endswith(reason)
    assert names(tree, (file.path for file in todo.read)) == ["a.txt", "build/c.txt"]
    assert names(tree, todo.gone) == ["b.md"]


def test_patterns_that_are_none_are_refused_before_anything_is_done(tree: Path) -> None:
    require_patterns([MirroredFolder(str(tree), ("*.txt",))])
    with pytest.raises(NestlingError, match=rf"^{re.escape(str(tree))}: .*expected patterns as in a \.gitignore$"):
        require_patterns([MirroredFolder(str(tree), ("!",))])


def test_a_folder_that_is_missing_is_named_and_keeps_its_files(tree: Path) -> None:
    before = known(tree, "a.txt", "src/e.md")
    shutil.rmtree(tree)
    todo = plan([MirroredFolder(str(tree))], before)
    assert (todo.read, todo.same, todo.gone) == ((), (), ())
    assert [(skip.source, skip.reason) for skip in todo.skipped] == [
        (str(tree), "is not there; its documents are kept until it is forgotten")
    ]


def test_what_was_said_of_a_folder_is_remembered_until_it_is_said_anew(tree: Path) -> None:
    notes, papers = MirroredFolder(str(tree), ("*.tmp",), 10), MirroredFolder(str(tree / "src"))
    assert mirrored([], [notes, papers], None, None) == [notes, papers]
    drive = tree.stat().st_dev
    assert mirrored([tree], [notes, papers], None, None) == [replace(notes, device=drive)]
    assert mirrored([tree], [notes, papers], [], 20) == [MirroredFolder(str(tree), (), 20, drive)]
    assert mirrored([tree / "build"], [notes], None, None) == [MirroredFolder(str(tree / "build"), device=drive)]


def test_what_another_folder_mirrors_is_not_gone_where_it_is_ignored(tmp_path: Path, encoder: Encoder) -> None:
    (tmp_path / "notes" / "sub").mkdir(parents=True)
    (tmp_path / "notes" / "a.txt").write_text("owls hunt")
    (tmp_path / "notes" / "sub" / "b.txt").write_text("bats fly")
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.sync(tmp_path / "notes" / "sub")
        assert library.sync(tmp_path / "notes", ignore=["sub/"]) == Report(added=1)
        assert library.sync() == Report(unchanged=2)
        (tmp_path / "notes" / "sub" / "b.txt").unlink()
        assert library.sync(tmp_path / "notes") == Report(unchanged=1, removed=1)


def test_folders_may_lie_deeper_than_python_calls_itself(tmp_path: Path) -> None:
    here = Path.cwd()
    root = tmp_path / "deep"
    root.mkdir()
    try:
        os.chdir(root)
        for _ in range(1100):
            Path("d").mkdir()
            os.chdir("d")
        Path("a.txt").write_text("owls")
    finally:
        os.chdir(here)
    (root / "b.txt").write_text("hawks")
    found = planned([root], {})
    assert [str(file.path.relative_to(root)) for file in found.read] == ["b.txt", "d/" * 1100 + "a.txt"]
    subprocess.run(["rm", "-rf", root / "d"], check=True)  # which `shutil` and pytest call themselves too often for


NFC, NFD = "Ca\u00f1o\u0301n", "Can\u0303o\u0301n"


@pytest.mark.parametrize(("name", "pattern"), [(NFC, NFD), (NFD, NFC), (NFC, NFC)])
def test_names_and_patterns_that_look_alike_are_alike(tmp_path: Path, name: str, pattern: str) -> None:
    root = tmp_path / "notes"
    (root / name).mkdir(parents=True)
    for path in (root / name / "a.txt", root / f"{name}.txt", root / "b.txt"):
        path.write_text("owls")
    (given,) = mirrored([root], [], [f"{pattern}.txt"], None)
    assert [str(file.path.relative_to(root)) for file in plan([given], {}).read] == [f"{name}/a.txt", "b.txt"]
    (root / IGNORE_FILE).write_text(f"{pattern}/\n", encoding="utf-8")
    assert [file.path.name for file in planned([root], {}).read] == [f"{name}.txt", "b.txt"]
    assert [folder.path for folder in mirrored([root / pattern], [], None, None)] == [str(root / name)]
    assert [folder.path for folder in mirrored([root / f"{pattern}.txt"], [], None, None)] == [
        str(root / f"{name}.txt")
    ]
