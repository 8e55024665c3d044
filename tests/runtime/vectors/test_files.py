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
    entry = files.read(path).header["arrays"]["fine"]
    with path.open("r+b") as stream:
        stream.seek(entry["offset"] + (1 << 20) + 5)
        stream.write(b"\x7f\x01\x7f\x01")
    assert Index.problems(path) == ["fine of rows 52428 to 104857 differ from their hash"]


def test_every_shorter_file_is_found(saved: Path) -> None:
    data = saved.read_bytes()
    for length in range(0, len(data), 97):
        saved.write_bytes(data[:length])
        with pytest.raises(IndexFileError):
            Index.open(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: header.update(format=9), "has format 9, this Nestling reads 1; open it with a newer Nestling"),
        (
            lambda header: header.update(bytes=7),
            "has 16384 bytes, expected 7; restore it from a copy or build it again",
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
            "its header is damaged (40 bytes at 1000000000 in a file of 16384); restore",
        ),
        (lambda header: header["arrays"]["keys"].update(shape=[-20]), "its header is damaged (shape [-20])"),
        (lambda header: header.update(arrays=[]), "its header is damaged ('list' object has no attribute 'items')"),
        (lambda header: header.update(dim=16.0), "its contents are damaged (dim is 16.0, expected a whole number"),
        (lambda header: header["arrays"]["keys"].update(shape=[True]), "its header is damaged (shape [True])"),
        (lambda header: header["arrays"]["keys"].update(shape=[float("inf")]), "its header is damaged (shape [inf])"),
        (lambda header: header["arrays"]["keys"].update(shape=[2**70]), "its header is damaged (9444732965739290427"),
        (lambda header: header["arrays"]["keys"].update(offset=4097), "its header is damaged (160 bytes at 4097 in a"),
        (lambda header: header["arrays"]["keys"].update(offset=2**70), "its header is damaged (160 bytes at 11805916"),
        (lambda header: header["arrays"]["keys"].update(blocks=[]), "its header is damaged (hashes for 160 bytes are"),
        (lambda header: header["arrays"]["keys"].update(blocks=3), "its header is damaged (hashes for 160 bytes are"),
        (lambda header: header["arrays"]["keys"].pop("blocks"), "its header is damaged ('blocks'); restore"),
        (lambda header: header.update(format=float("nan")), "has format nan, this Nestling reads 1; open it with a"),
        (
            lambda header: header["arrays"]["keys"].update(shape=[10**15]),
            "its header is damaged (8000000000000000 bytes at 4096 in a file of 16384)",
        ),
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
        (lambda data: data + b"more", "has 16388 bytes, expected 16384; restore it from a copy or build it again"),
    ],
)
def test_a_damaged_file_says_what_is_wrong(saved: Path, change: Any, message: str) -> None:
    saved.write_bytes(change(saved.read_bytes()))
    with pytest.raises(IndexFileError) as caught:
        Index.open(saved)
    assert str(caught.value).startswith(f"{saved}: {message}")


@pytest.mark.parametrize("keys", [np.arange(20)[::-1], np.arange(20) - 1])
def test_keys_out_of_order_are_a_problem(saved: Path, keys: np.ndarray) -> None:
    entry = files.read(saved).header["arrays"]["keys"]
    stored = keys.astype("<i8").tobytes()
    data = bytearray(saved.read_bytes())
    data[entry["offset"] : entry["offset"] + len(stored)] = stored
    saved.write_bytes(data)
    digest = hashlib.sha256(stored).hexdigest()
    with_header(saved, lambda header: header["arrays"]["keys"].update(blocks=[digest]))
    assert Index.problems(saved) == ["keys do not ascend from 0"]


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
    path = tmp_path / "no" / "a.index"
    with pytest.raises(FileNotFoundError) as caught:
        Index(16).save(path)
    assert str(caught.value) == f"[Errno 2] Its folder is missing, make it first: '{path}'"


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="a folder that not even root may write to")
def test_a_folder_that_cannot_be_written_to_is_an_error() -> None:
    with pytest.raises(PermissionError):
        Index(16).save("/sys/a.index")


def damaged(saved: Path) -> None:
    offset = files.read(saved).header["arrays"]["fine"]["offset"]
    with saved.open("r+b") as stream:
        stream.seek(offset)
        stream.write(b"\x01\x02\x03")


@pytest.mark.parametrize(
    "change",
    [
        lambda index, path: index.save(path),
        lambda index, path: index.add([100], vectors(1)),
        lambda index, path: index.remove(range(15)),
    ],
)
def test_damage_is_not_copied_and_hashed_anew(saved: Path, change: Any) -> None:
    damaged(saved)
    index, before = Index.open(saved), saved.read_bytes()
    with pytest.raises(IndexFileError) as caught:
        change(index, saved)
    said = "the file of this index is damaged (fine of rows 0 to 19 differ from their hash)"
    assert str(caught.value) == f"{said}; restore it or build it again"
    assert (len(index), saved.read_bytes()) == (20, before)
    assert Index.problems(saved) == ["fine of rows 0 to 19 differ from their hash"]


def test_a_part_may_begin_and_end_anywhere_in_a_block(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    sizes = [0, 1, 700_000, 348_575, 348_576, 3_000_000, 5]
    parts = [random.integers(0, 256, size, dtype=np.uint8) for size in sizes]
    files.write(tmp_path / "a", {}, {"x": files.Column(np.uint8, (sum(sizes),), parts)})
    found = files.read(tmp_path / "a")
    assert (found.arrays["x"] == np.concatenate(parts)).all()
    assert found.damage() == []
    whole = np.concatenate(parts).tobytes()
    blocks = [hashlib.sha256(whole[at : at + (1 << 20)]).hexdigest() for at in range(0, len(whole), 1 << 20)]
    assert found.header["arrays"]["x"]["blocks"] == blocks


def test_what_a_killed_writer_left_is_removed_when_it_is_old(saved: Path) -> None:
    old, new = saved.with_name("a.index.0123abcd.tmp"), saved.with_name("a.index.4567abcd.tmp")
    others = ["a.index.draft.tmp", "a.index.more.0123abcd.tmp", "b.index.0123abcd.tmp"]
    for path in (old, new, *map(saved.with_name, others)):
        shutil.copy(saved, path)
        if path != new:
            os.utime(path, (0, 0))
    filled().save(saved)
    assert sorted(path.name for path in saved.parent.iterdir()) == sorted(["a.index", new.name, *others])
