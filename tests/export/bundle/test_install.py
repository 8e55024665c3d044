from __future__ import annotations

from pathlib import Path

import pytest

from nestling.bundle.manifest import MANIFEST
from nestling.export.bundle.install import put_in_place

NAMES = ("a.bin", "b.bin", MANIFEST)


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    folder = tmp_path / "staged"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_text(f"new {name}")
    return folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A folder with an older bundle and a file of its own."""
    folder = tmp_path / "output"
    folder.mkdir()
    for name in (*NAMES, "notes.txt"):
        (folder / name).write_text(f"old {name}")
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_files_are_replaced_and_others_left_alone(staged: Path, output: Path) -> None:
    with (output / "a.bin").open() as opened:
        put_in_place(staged, output, NAMES)
        assert opened.read() == "old a.bin"
    assert contents(output) == {name: f"new {name}" for name in NAMES} | {"notes.txt": "old notes.txt"}


@pytest.mark.parametrize("missing", NAMES)
def test_what_cannot_be_copied_whole_changes_nothing(staged: Path, output: Path, missing: str) -> None:
    before = contents(output)
    (staged / missing).unlink()
    with pytest.raises(FileNotFoundError):
        put_in_place(staged, output, NAMES)
    assert contents(output) == before


def test_what_breaks_off_in_between_leaves_no_manifest(staged: Path, output: Path) -> None:
    (output / "b.bin").unlink()
    (output / "b.bin").mkdir()  # a folder is not replaced by a file
    with pytest.raises(OSError, match=r"b\.bin"):
        put_in_place(staged, output, NAMES)
    assert not (output / MANIFEST).exists()
    assert {path.name for path in output.iterdir()} == {"a.bin", "b.bin", "notes.txt"}
