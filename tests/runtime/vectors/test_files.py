from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nestling import Index
from nestling.errors import IndexFileError


def vectors(rows: int = 20) -> np.ndarray:
    values = np.random.default_rng(1).normal(size=(rows, 16))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    index = Index(16)
    index.add(range(20), vectors())
    index.save(tmp_path / "a.index")
    return tmp_path / "a.index"


def answer(path: Path) -> list[list[tuple[int, float]]]:
    return list(Index.open(path).search(vectors(3), 4))


def test_a_saved_index_answers_as_before(saved: Path) -> None:
    index = Index(16)
    index.add(range(20), vectors())
    assert answer(saved) == list(index.search(vectors(3), 4))


def test_saving_twice_gives_the_same_bytes(saved: Path) -> None:
    first = saved.read_bytes()
    Index.open(saved).save(saved)
    assert saved.read_bytes() == first


def test_an_empty_index_is_kept(tmp_path: Path) -> None:
    Index(8).save(tmp_path / "empty.index")
    assert len(Index.open(tmp_path / "empty.index")) == 0


def test_every_changed_byte_is_found_or_changes_nothing(saved: Path) -> None:
    data, right = saved.read_bytes(), answer(saved)
    places = np.random.default_rng(2).choice(len(data), 300, replace=False)
    found = 0
    for place in places:
        broken = bytearray(data)
        broken[place] ^= 1 << (place % 8)
        saved.write_bytes(broken)
        try:
            assert answer(saved) == right
        except IndexFileError:
            found += 1
    assert found > 250


def test_every_shorter_file_is_found(saved: Path) -> None:
    data = saved.read_bytes()
    for length in range(0, len(data), 7):
        saved.write_bytes(data[:length])
        with pytest.raises(IndexFileError):
            Index.open(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"something else", "is not a Nestling index; expected a file that Index.save wrote"),
        (lambda data: data.replace(b'"format": 1', b'"format": 9'), "has format 9, this Nestling reads 1; update it"),
        (lambda data: data[:-1] + b"x", "is damaged, its bytes differ from its hash; restore it or build it again"),
        (lambda data: data.replace(b'"dim": 16', b'"dim": 24'), "its contents are damaged (arrays ((20, 2), (20, 16))"),
        (lambda data: data.replace(b'"uint8"', b'"int99"'), "its header is damaged (unknown dtype 'int99'); restore"),
    ],
)
def test_a_damaged_file_says_what_is_wrong(saved: Path, change: object, message: str) -> None:
    saved.write_bytes(change(saved.read_bytes()))  # type: ignore[operator]
    with pytest.raises(IndexFileError) as caught:
        Index.open(saved)
    assert str(caught.value).startswith(f"{saved}: {message}")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(IndexFileError, match=r"none\.index: cannot be read \(No such file or directory\)"):
        Index.open(tmp_path / "none.index")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        Index(16).save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["a.index"]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Index(16).save(tmp_path / "no" / "a.index")
