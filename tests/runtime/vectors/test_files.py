from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nestling import Index
from nestling.errors import IndexFileError
from nestling.vectors import files
from processes import guarded_environment

START = 48


def vectors(rows: int = 20, seed: int = 1) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(rows, 16))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def filled(rows: int = 20, fine: Any = "int8") -> Index:
    index = Index(16, fine=fine)
    index.add(range(rows), vectors(rows))
    return index


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    filled().save(tmp_path / "a.index")
    return tmp_path / "a.index"


def answer(path: Path) -> list[list[tuple[int, float]]]:
    return list(Index.open(path).search(vectors(3), 4))


def with_header(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a file's header as another program would that keeps to the layout: with the right hash over it."""
    data = path.read_bytes()
    length = int.from_bytes(data[8:16], "little")
    header = json.loads(data[START : START + length])
    change(header)
    text = json.dumps(header, sort_keys=True).encode().ljust(length)
    path.write_bytes(
        data[:8] + len(text).to_bytes(8, "little") + hashlib.sha256(text).digest() + text + data[START + len(text) :]
    )


@pytest.mark.parametrize("fine", ["int8", "int4", "float16", None])
def test_a_saved_index_answers_as_before(tmp_path: Path, fine: Any) -> None:
    index = filled(fine=fine)
    index.save(tmp_path / "a.index")
    assert answer(tmp_path / "a.index") == list(index.search(vectors(3), 4))
    assert Index.open(tmp_path / "a.index").fine == index.fine
    assert Index.problems(tmp_path / "a.index") == []


def test_saving_twice_gives_the_same_bytes(saved: Path) -> None:
    first = saved.read_bytes()
    Index.open(saved).save(saved)
    assert saved.read_bytes() == first


def test_the_order_of_adding_and_what_was_removed_leave_no_trace_in_the_file(tmp_path: Path, saved: Path) -> None:
    index = Index(16)
    for row in reversed(range(20)):
        index.add([row, row + 100], vectors()[[row, row]])
        index.remove([row + 100])
    index.save(tmp_path / "b.index")
    assert (tmp_path / "b.index").read_bytes() == saved.read_bytes()


def test_an_empty_index_is_kept(tmp_path: Path) -> None:
    Index(8).save(tmp_path / "empty.index")
    index = Index.open(tmp_path / "empty.index")
    assert len(index) == 0
    assert Index.problems(tmp_path / "empty.index") == []
    index.add([1], np.full((1, 8), 8**-0.5, dtype=np.float32))
    assert len(index) == 1


def test_an_open_index_can_be_changed_and_saved_over_itself(saved: Path) -> None:
    index, reader = Index.open(saved), Index.open(saved)
    before = list(reader.search(vectors(3), 4))
    index.remove(range(10))
    index.add([77], vectors(1, seed=7))
    index.save(saved)
    assert list(reader.search(vectors(3), 4)) == before  # it goes on with what it opened
    assert Index.open(saved).keys.tolist() == [*range(10, 20), 77]


def test_every_changed_byte_is_found_or_outside_of_the_data(tmp_path: Path) -> None:
    path = tmp_path / "a.index"
    filled(3000).save(path)
    data, right = path.read_bytes(), answer(path)
    header = files.read(path).header
    end = START + int.from_bytes(data[8:16], "little")
    ranges = [(0, end)]
    for entry in header["arrays"].values():
        size = int(np.prod(entry["shape"])) * np.dtype(entry["dtype"]).itemsize
        ranges.append((entry["offset"], entry["offset"] + size))
    for place in np.random.default_rng(2).choice(len(data), 2000, replace=False):
        with path.open("r+b") as stream:
            stream.seek(int(place))
            stream.write(bytes([data[place] ^ 1 << (place % 8)]))
        try:
            found = Index.problems(path) != []
        except IndexFileError:
            found = True
        assert found == any(begin <= place < stop for begin, stop in ranges)
        if not found:
            assert answer(path) == right
        with path.open("r+b") as stream:
            stream.seek(int(place))
            stream.write(data[place : place + 1])


def test_damage_is_named_by_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.index"
    filled(300_000).save(path)
    entry = files.read(path).header["arrays"]["values"]
    with path.open("r+b") as stream:
        stream.seek(entry["offset"] + (1 << 20) + 5)
        stream.write(b"\x7f\x01\x7f\x01")
    assert Index.problems(path) == ["values of rows 65536 to 131071 differ from their hash"]


def test_every_shorter_file_is_found(saved: Path) -> None:
    data = saved.read_bytes()
    for length in range(0, len(data), 97):
        saved.write_bytes(data[:length])
        with pytest.raises(IndexFileError):
            Index.open(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: header.update(format=9), "has format 9, this Nestling reads 1; update it"),
        (
            lambda header: header.update(bytes=7),
            "has 20480 bytes, expected 7; restore it from a copy or build it again",
        ),
        (
            lambda header: header.update(dim=24),
            "its contents are damaged (bits are uint8 (20, 2), expected uint8 (20, 3)); build it again",
        ),
        (lambda header: header.update(fine="int3"), "its contents are damaged (fine is 'int3', expected one of"),
        (lambda header: header.pop("fine"), "its contents are damaged ('fine'); build it again"),
        (lambda header: header["arrays"].pop("keys"), "its contents are damaged ('keys'); build it again"),
        (
            lambda header: header["arrays"]["bits"].update(dtype="int99"),
            "its header is damaged (unknown dtype 'int99'); restore",
        ),
        (
            lambda header: header["arrays"]["bits"].update(offset=10**9),
            "its header is damaged (offset must be non-negative and no greater than buffer length",
        ),
        (lambda header: header["arrays"]["keys"].update(shape=[-20]), "its header is damaged (shape (-20,))"),
        (lambda header: header["arrays"]["keys"].update(shape=[10**15]), "its header is damaged (buffer is smaller"),
    ],
)
def test_a_header_that_cannot_be_says_what_is_wrong(saved: Path, change: Any, message: str) -> None:
    with_header(saved, change)
    with pytest.raises(IndexFileError) as caught:
        Index.open(saved)
    assert str(caught.value).startswith(f"{saved}: {message}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"something else", "is not a Nestling index; expected a file that Index.save wrote"),
        (lambda data: b"", "is not a Nestling index; expected a file that Index.save wrote"),
        (lambda data: data.replace(b'"dim": 16', b'"dim": 24'), "its header is damaged; restore it from a copy or"),
        (lambda data: data[:8] + b"\xff" * 8 + data[16:], "its header is damaged; restore it from a copy or"),
        (lambda data: data + b"more", "has 20484 bytes, expected 20480; restore it from a copy or build it again"),
    ],
)
def test_a_damaged_file_says_what_is_wrong(saved: Path, change: Any, message: str) -> None:
    saved.write_bytes(change(saved.read_bytes()))
    with pytest.raises(IndexFileError) as caught:
        Index.open(saved)
    assert str(caught.value).startswith(f"{saved}: {message}")


def test_keys_out_of_order_are_a_problem(saved: Path) -> None:
    entry = files.read(saved).header["arrays"]["keys"]
    keys = np.arange(20)[::-1].astype("<i8").tobytes()
    data = bytearray(saved.read_bytes())
    data[entry["offset"] : entry["offset"] + len(keys)] = keys
    saved.write_bytes(data)
    digest = hashlib.sha256(keys).hexdigest()
    with_header(saved, lambda header: header["arrays"]["keys"].update(blocks=[digest]))
    assert Index.problems(saved) == ["keys do not ascend"]


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


FULL = """
import resource, signal, sys
import numpy as np
from nestling import Index
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
index = Index.open(sys.argv[1])
index.add(range(1000, 3000), np.tile(np.float32([[0.25] * 16]), (2000, 1)))
try:
    index.save(sys.argv[1])
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of a process are those of POSIX")
def test_a_disk_that_is_full_leaves_the_old_file(saved: Path) -> None:
    before = saved.read_bytes()
    command = [sys.executable, "-c", FULL, str(saved)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=guarded_environment()).stdout
    assert said == "File too large\n"
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["a.index"]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Index(16).save(tmp_path / "no" / "a.index")


def test_what_a_killed_writer_left_is_removed_when_it_is_old(saved: Path) -> None:
    old, new = saved.with_name("a.index.0123abcd.tmp"), saved.with_name("a.index.4567abcd.tmp")
    for path in (old, new):
        shutil.copy(saved, path)
    os.utime(old, (0, 0))
    filled().save(saved)
    assert sorted(path.name for path in saved.parent.iterdir()) == ["a.index", new.name]
