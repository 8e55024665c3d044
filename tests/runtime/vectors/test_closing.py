"""A closed index has given back its file, and says that it is closed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nestling import Index
from nestling.errors import IndexFileError

DIM = 16
ON_LINUX = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="open files are read as Linux tells them")


def vectors(rows: int, seed: int = 1) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(rows, DIM))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(params=["int8", None])
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    index = Index(DIM, fine=request.param)
    index.add(range(3000), vectors(3000))
    index.save(tmp_path / "a.index")
    return tmp_path / "a.index"


def handles(path: Path) -> tuple[int, int]:
    """How many descriptors and how many mappings of a file this process has."""
    descriptors = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            descriptors += descriptor.readlink() == path
        except OSError:  # the one that the folder was read by
            continue
    lines = Path("/proc/self/maps").read_text().splitlines()
    return descriptors, sum(line.endswith(str(path)) for line in lines)


def search(index: Index) -> None:
    for way in ({}, {"allow": [1, 2, 5000]}, {"scan_dim": 8}, {"oversample": None}):
        index.search(vectors(2), 5, **way)  # type: ignore[arg-type]
    index.reconstruct([7])


@ON_LINUX
@pytest.mark.parametrize(
    "work",
    [
        lambda index: None,
        search,
        lambda index: index.remove([4]),
        lambda index: index.add([4000], vectors(1)),
        lambda index: index.remove(range(1000, 3000)),
        lambda index: index.build_graph(),
        lambda index: index.keys,
    ],
)
def test_a_closed_index_has_neither_its_file_open_nor_mapped(saved: Path, work: Callable[[Index], object]) -> None:
    index = Index.open(saved)
    assert min(handles(saved)) > 0
    work(index)
    search(index)
    index.close()
    assert handles(saved) == (0, 0)


@ON_LINUX
def test_a_block_closes_it_whatever_happens_in_it(saved: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Index.open(saved) as index:
        search(index)
        raise KeyboardInterrupt
    assert handles(saved) == (0, 0)


@ON_LINUX
def test_an_error_that_is_still_held_does_not_keep_it_from_closing(saved: Path) -> None:
    with saved.open("r+b") as stream:
        stream.seek(-4096, os.SEEK_END)
        stream.write(b"damage")
    index = Index.open(saved)
    with pytest.raises(IndexFileError) as caught:
        index.remove(range(2000))
    index.close()
    assert caught.value.__traceback__ is not None
    del caught
    assert handles(saved) == (0, 0)


@ON_LINUX
def test_looking_for_problems_leaves_nothing_open(saved: Path) -> None:
    assert Index.problems(saved) == []
    saved.write_bytes(saved.read_bytes().replace(b"NESTIDX1", b"something"))
    with pytest.raises(IndexFileError):
        Index.open(saved)
    assert handles(saved) == (0, 0)


def test_what_was_found_before_it_was_closed_stays(saved: Path, tmp_path: Path) -> None:
    with Index.open(saved) as index:
        hits, keys, kept = index.search(vectors(2), 5), index.keys, index.reconstruct([7, 3])
    shutil.copy(saved, tmp_path / "b.index")
    saved.unlink()
    again = Index.open(tmp_path / "b.index")
    assert (again.search(vectors(2), 5).keys == hits.keys).all()
    assert (again.keys == keys).all()
    assert (again.reconstruct([7, 3]) == kept).all()


@pytest.mark.parametrize(
    "use",
    [
        len,
        lambda index: 3 in index,
        lambda index: index.keys,
        lambda index: index.add([4000], vectors(1)),
        lambda index: index.add([], vectors(0)),
        lambda index: index.remove([1]),
        lambda index: index.search(vectors(1), 3),
        lambda index: index.reconstruct([1]),
        lambda index: index.build_graph(),
        lambda index: index.has_graph,
        lambda index: index.save("unwritten.index"),
    ],
)
def test_a_closed_index_says_that_it_is_closed(saved: Path, use: Callable[[Index], Any]) -> None:
    opened, made = Index.open(saved), Index(DIM)
    made.add([1], vectors(1))
    for index in (opened, made):
        index.close()
        index.close()
        with pytest.raises(IndexFileError) as caught:
            use(index)
        assert str(caught.value) == "the index is closed; open it again"
    assert len(Index.open(saved)) == 3000


def test_an_index_can_be_saved_over_itself_closed_and_opened_again(saved: Path) -> None:
    with Index.open(saved) as index:
        index.remove([5])
        index.save(saved)
    with Index.open(saved) as index:
        assert len(index) == 2999
