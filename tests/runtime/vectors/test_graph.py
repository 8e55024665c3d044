from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nestling import Index
from nestling.vectors import files, graph
from nestling.vectors.codes import to_bits
from processes import guarded_environment

DIM = 64


def near_vectors(rows: int, seed: int = 1) -> np.ndarray:
    """Around a hundred centres, so that neighbours mean something."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(100, DIM))
    values = centres[random.integers(0, 100, rows)] + 0.4 * random.normal(size=(rows, DIM))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def index() -> Index:
    index = Index(DIM)
    index.add(np.arange(3000) * 2, near_vectors(3000))
    return index


QUERIES = near_vectors(40, seed=2)


def opened_beside(path: Path, other: graph.Graph) -> Index:
    """The index of a file, opened with another graph under the name of its own."""
    graph.save(other, path, files.read(path).fingerprint)
    return Index.open(path, with_graph=True)


def test_a_graph_finds_nearly_what_the_scan_finds_with_the_same_scores(index: Index) -> None:
    exact = index.search(QUERIES, 10)
    index.build_graph()
    assert index.has_graph
    found = index.search(QUERIES, 10)
    shared = [len(set(mine) & set(theirs)) for mine, theirs in zip(found.keys, exact.keys, strict=True)]
    assert np.mean(shared) >= 9.5
    for mine, theirs in zip(found, exact, strict=True):
        assert len(mine) == 10
        assert mine == sorted(mine, key=lambda hit: (-hit[1], hit[0]))
        assert all(dict(theirs).get(key, score) == score for key, score in mine)


def test_a_query_has_the_same_answer_alone_and_in_company(index: Index) -> None:
    index.build_graph()
    together = index.search(QUERIES, 5)
    for row in range(5):
        alone = index.search(QUERIES[row : row + 1], 5)
        assert (alone.keys[0] == together.keys[row]).all()


def test_equal_bits_give_equal_graphs(tmp_path: Path, index: Index) -> None:
    for name in ("a", "b"):
        index.build_graph()
        (tmp_path / name).mkdir()
        index.save(tmp_path / name / "x.index")
    (mine,), (theirs,) = ((tmp_path / name).glob("*.graph") for name in ("a", "b"))
    assert (mine.name, mine.read_bytes()) == (theirs.name, theirs.read_bytes())


def test_a_changed_index_drops_its_graph(index: Index) -> None:
    index.build_graph()
    index.add([1], near_vectors(1, seed=9))
    assert not index.has_graph
    index.build_graph()
    index.remove([1])
    assert not index.has_graph
    assert 1 not in index.search(QUERIES, 50).keys


def test_filters_exact_searches_and_scans_of_fewer_bits_do_not_use_it(tmp_path: Path, index: Index) -> None:
    path = tmp_path / "a.index"
    index.save(path)
    wrong = opened_beside(path, graph.build(to_bits(near_vectors(3000))[::-1]))
    assert wrong.has_graph
    assert (wrong.search(QUERIES, 5).keys != index.search(QUERIES, 5).keys).any()  # what it finds is another's
    ways: list[dict[str, Any]] = [
        {"oversample": None},
        {"allow": [2, 4, 6]},
        {"allow": index.keys > 9},
        {"scan_dim": 32},
    ]
    for way in ways:
        assert (wrong.search(QUERIES, 5, **way).keys == index.search(QUERIES, 5, **way).keys).all()


def test_a_saved_graph_is_used_again_and_goes_when_the_index_is_another(tmp_path: Path, index: Index) -> None:
    path = tmp_path / "a.index"
    index.build_graph()
    index.save(path)
    opened = Index.open(path, with_graph=True)
    assert opened.has_graph
    assert (opened.search(QUERIES, 5).keys == index.search(QUERIES, 5).keys).all()
    assert not Index.open(path).has_graph
    opened.save(path)
    assert len(list(tmp_path.iterdir())) == 2
    opened.add([1], near_vectors(1, seed=9))
    opened.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.index"]
    assert not Index.open(path, with_graph=True).has_graph


def test_a_stale_damaged_or_missing_graph_is_not_used(tmp_path: Path, index: Index) -> None:
    path = tmp_path / "a.index"
    index.build_graph()
    index.save(path)
    (file,) = tmp_path.glob("*.graph")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert not Index.open(path, with_graph=True).has_graph
    file.write_bytes(b"")
    assert not Index.open(path, with_graph=True).has_graph
    file.unlink()
    assert not Index.open(path, with_graph=True).has_graph
    index.save(path)
    other = Index(DIM)
    other.add([5], near_vectors(1))
    kept = next(tmp_path.glob("*.graph")).read_bytes()
    name = next(tmp_path.glob("*.graph")).name
    other.save(path)
    (tmp_path / name).write_bytes(kept)  # as a crash between the two files may leave it
    assert not Index.open(path, with_graph=True).has_graph
    assert Index.open(path, with_graph=True).search(QUERIES[:1], 1).keys.tolist() == [[5]]


@pytest.mark.parametrize("change", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"\x07" * 900])
def test_what_is_no_graph_under_the_right_name_is_not_used(tmp_path: Path, index: Index, change: Any) -> None:
    path = tmp_path / "a.index"
    index.build_graph()
    index.save(path)
    (file,) = tmp_path.glob("*.graph")
    data = change(file.read_bytes())
    file.unlink()
    begin = file.name.split("-")[0]
    file.with_name(f"{begin}-{hashlib.sha256(data).hexdigest()[:16]}.graph").write_bytes(data)
    assert not Index.open(path, with_graph=True).has_graph


def test_a_graph_of_another_dimension_is_not_used(tmp_path: Path, index: Index) -> None:
    wide = np.concatenate([near_vectors(3000), near_vectors(3000)], axis=1)
    path = tmp_path / "a.index"
    index.save(path)
    assert not opened_beside(path, graph.build(to_bits(wide))).has_graph
    assert len(list(tmp_path.iterdir())) == 2


FULL = """
import resource, signal, sys
import numpy as np
from nestling import Index
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
index = Index.open(sys.argv[1])
index.remove([0])
index.build_graph()
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    index.save(sys.argv[1])
except OSError as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of a process are those of POSIX")
def test_a_graph_that_cannot_be_written_leaves_the_old_index(tmp_path: Path, index: Index) -> None:
    path = tmp_path / "a.index"
    index.save(path)
    before = path.read_bytes()
    assert len(before) < 300_000
    command = [sys.executable, "-c", FULL, str(path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=guarded_environment()).stdout
    assert said.startswith(f"the graph of {path} cannot be written (")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.index"]


def test_the_graph_of_another_index_and_files_of_others_stay(tmp_path: Path, index: Index) -> None:
    index.build_graph()
    index.save(tmp_path / "notes.v2")
    (tmp_path / "notes.social.graph").write_text("mine")
    there = {file.name for file in tmp_path.iterdir()}
    Index(DIM).save(tmp_path / "notes")
    assert {file.name for file in tmp_path.iterdir()} == there | {"notes"}


def test_a_graph_that_finds_too_few_is_followed_by_a_scan(tmp_path: Path, index: Index) -> None:
    path = tmp_path / "a.index"
    index.save(path)
    bits = to_bits(near_vectors(3000))
    other = graph.build(bits)
    other.clear()
    other.add(np.arange(3000) + 2998, bits)  # but for two rows of no vectors of the index
    few = opened_beside(path, other)
    assert few.has_graph
    assert [len(rows) for rows in graph.nearest(other, to_bits(QUERIES), 3000)] == [2] * 40
    assert (few.search(QUERIES, 5).keys == index.search(QUERIES, 5).keys).all()


def test_an_empty_index_has_no_graph(tmp_path: Path) -> None:
    index = Index(DIM)
    index.build_graph()
    assert not index.has_graph
    index.save(tmp_path / "a.index")
    assert [file.name for file in tmp_path.iterdir()] == ["a.index"]
