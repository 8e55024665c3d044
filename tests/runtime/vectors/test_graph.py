from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nestling import Index
from nestling.vectors import files, graph

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


def test_filters_and_exact_searches_do_not_use_it(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    exact, allowed = index.search(QUERIES, 5, oversample=None), index.search(QUERIES, 5, allow=[2, 4, 6])
    index.build_graph()
    monkeypatch.setattr(graph.Graph, "nearest", None)
    assert (index.search(QUERIES, 5, oversample=None).keys == exact.keys).all()
    assert (index.search(QUERIES, 5, allow=[2, 4, 6]).keys == allowed.keys).all()


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
    other = Index(128)
    wide = np.concatenate([near_vectors(3000), near_vectors(3000)], axis=1) / np.float32(np.sqrt(2))
    other.add(range(3000), wide)
    other.build_graph()
    path = tmp_path / "a.index"
    index.save(path)
    assert other._graph is not None
    graph.save(other._graph, path, Index._mapped(path)[1].fingerprint)
    assert len(list(tmp_path.iterdir())) == 2
    assert not Index.open(path, with_graph=True).has_graph


def test_a_graph_that_cannot_be_written_leaves_the_old_index(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.index"
    index.save(path)
    before = path.read_bytes()
    index.add([1], near_vectors(1, seed=9))
    index.build_graph()

    def full(unfinished: Path, path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "put_in_place", full)
    with pytest.raises(OSError, match="No space left on device"):
        index.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.index"]


def test_the_graph_of_another_index_and_files_of_others_stay(tmp_path: Path, index: Index) -> None:
    index.build_graph()
    index.save(tmp_path / "notes.v2")
    (tmp_path / "notes.social.graph").write_text("mine")
    there = {file.name for file in tmp_path.iterdir()}
    Index(DIM).save(tmp_path / "notes")
    assert {file.name for file in tmp_path.iterdir()} == there | {"notes"}


def test_a_scan_of_fewer_bits_does_not_use_it(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = index.search(QUERIES, 5, scan_dim=32)
    index.build_graph()
    monkeypatch.setattr(graph.Graph, "nearest", None)
    assert (index.search(QUERIES, 5, scan_dim=32).keys == expected.keys).all()


def test_a_graph_that_finds_too_few_is_followed_by_a_scan(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = index.search(QUERIES, 5)
    index.build_graph()
    monkeypatch.setattr(graph.Graph, "nearest", lambda self, queries, count: [np.arange(3)] * len(queries))
    assert (index.search(QUERIES, 5).keys == expected.keys).all()


def test_an_empty_index_has_no_graph(tmp_path: Path) -> None:
    index = Index(DIM)
    index.build_graph()
    assert not index.has_graph
    index.save(tmp_path / "a.index")
    assert [file.name for file in tmp_path.iterdir()] == ["a.index"]
