from __future__ import annotations

import gc
import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest

from bundles import listed_anew, tiny_bundle, turn_golden
from nestling import Encoder
from nestling.bundle.golden import read_golden
from nestling.bundle.manifest import default_bundle, read_bundle
from nestling.encoding import engine
from nestling.encoding.onnx_engine import new_session
from nestling.errors import BundleError
from protobuf import field, number

# The graph of the bundled default, and the weights that it shares with no other.
FIRST, *OTHERS = read_bundle().variants
GRAPH = FIRST.graph
(OWN,) = set(FIRST.data).difference(*(other.data for other in OTHERS))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The default bundle in a folder that may be written."""
    return Path(shutil.copytree(default_bundle(), tmp_path / "bundle"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A verification cache of this test's own."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    return tmp_path / "cache" / "nestling"


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_encoders_of_one_variant_share_an_engine_and_the_last_one_frees_it(copy: Path) -> None:
    first, second = Encoder(copy), Encoder(copy, dim=128, threads=1)
    assert first.engine is second.engine
    other = Encoder(copy, precision="int4")
    assert other.engine is not first.engine
    assert other.tokens is first.tokens
    seen = weakref.ref(first.engine)
    first.close()
    gc.collect()
    assert seen() is not None
    assert second.encode(["owls"], role="query").shape == (1, 128)
    second.close()
    gc.collect()
    assert seen() is None


@pytest.mark.parametrize("name", [GRAPH, OWN, "shared.bin", "tokenizer.json"])
def test_an_altered_file_is_refused(copy: Path, name: str) -> None:
    damage(copy / name)
    with pytest.raises(BundleError) as caught:
        Encoder(copy)
    assert str(caught.value) == (
        f"{copy / name}: its hash differs from the manifest; the bundle is damaged, install it again"
    )


def test_a_missing_shared_file_is_named(copy: Path) -> None:
    (copy / "shared.bin").unlink()
    with pytest.raises(BundleError) as caught:
        Encoder(copy)
    assert str(caught.value) == (
        f"{copy / 'shared.bin'}: cannot be read (No such file or directory); the bundle is incomplete, install it again"
    )


def test_what_a_precision_does_not_use_may_be_missing(copy: Path) -> None:
    (copy / OWN).unlink()
    assert Encoder(copy, precision="int4").encode(["owls"], role="query").shape == (1, 384)


@pytest.mark.parametrize("location", ["../int8.bin", "/etc/passwd", "other.bin"])
def test_a_graph_that_takes_weights_from_elsewhere_is_refused(copy: Path, location: str) -> None:
    graph = copy / GRAPH
    data = graph.read_bytes()
    old = b"\x12" + bytes([len(OWN)]) + OWN.encode()
    assert old in data
    # Of equal length all around, since the messages around it carry their lengths.
    new = location.encode()[: len(OWN)].ljust(len(OWN), b"x")
    graph.write_bytes(data.replace(old, old[:2] + new, 1))
    listed_anew(copy, graph.name)
    with pytest.raises(BundleError) as caught:
        Encoder(copy)
    assert str(caught.value) == (
        f"{graph}: takes weights from {new.decode()!r}, which the manifest does not list for it; do not use this bundle"
    )


def test_wrong_vectors_are_noticed_at_the_first_start(copy: Path, cache: Path) -> None:
    path = copy / "golden.npz"
    with np.load(path) as stored:
        arrays = {name: stored[name] if name == "texts" else np.roll(stored[name], 1, axis=1) for name in stored.files}
    np.savez(path, **arrays)
    listed_anew(copy, path.name)
    with pytest.raises(BundleError, match=r"xl\.int8 gives on this machine a vector with cosine -?0\.\d+ to"):
        Encoder(copy)
    assert not cache.exists()


def test_vectors_that_differ_as_they_may_are_no_wrong_ones(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path)
    turn_golden(folder, 0.99, "xl.int8")
    assert Encoder(folder).encode(["owls"], role="query").shape == (1, 32)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one with each check of vectors."""
    checks: list[str] = []
    real = engine.quick_check

    def counted(*arguments: object) -> None:
        checks.append("check")
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "quick_check", counted)
    return checks


def test_what_was_verified_is_not_verified_again_until_it_changes(copy: Path, cache: Path, checks: list[str]) -> None:
    for _ in range(2):
        Encoder(copy).close()
    assert len(checks) == 1
    Encoder(copy, precision="int4").close()
    assert len(checks) == 2
    shutil.copy(copy / OWN, copy / "again")
    (copy / "again").replace(copy / OWN)
    Encoder(copy).close()
    assert len(checks) == 3
    assert len(list(cache.iterdir())) == 3


def test_without_a_verification_cache_every_start_verifies(copy: Path, tmp_path: Path, checks: list[str]) -> None:
    (tmp_path / "cache").write_text("no folder")
    for starts in (1, 2, 3):
        Encoder(copy).close()
        assert len(checks) == starts
    assert (tmp_path / "cache").read_text() == "no folder"


def test_a_relative_folder_is_another_one_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = (tiny_bundle(tmp_path / name) for name in ("here", "there"))
    monkeypatch.chdir(here.parent)
    first = Encoder("bundle")
    assert Encoder(here)._engine is first.engine
    monkeypatch.chdir(there.parent)
    second = Encoder("bundle")
    assert second.engine is not first.engine
    assert Encoder(there)._engine is second.engine


def test_what_onnx_runtime_cannot_run_is_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tiny_bundle(tmp_path)
    listed_anew(folder, "tokenizer.json", max_tokens=99)
    encoder = Encoder(folder)
    with pytest.raises(BundleError) as caught:
        encoder.encode(["owls hunt", "owls " * 90], role="document")
    found = str(caught.value)
    assert found.startswith(f"{folder / 'model.xl.int8.onnx'}: ONNX Runtime cannot run it on 92 token ids up to ")
    assert found.endswith("; build the bundle again")
    assert "\n" not in found
    assert capfd.readouterr() == ("", "")


FLOAT, INT64, DOUBLE = 1, 7, 11


def graph(kind: int, *dims: int, name: str = "vector") -> bytes:
    """An ONNX model that casts `input_ids` of these dims to another type."""

    def value(name: bytes, kind: int) -> bytes:
        shape = b"".join(field(1, number(1, dim)) for dim in dims)
        return field(1, name) + field(2, field(1, number(1, kind) + field(2, shape)))

    output = name.encode()
    to = field(1, b"to") + number(3, kind) + number(20, 2)
    node = field(1, b"input_ids") + field(2, output) + field(4, b"Cast") + field(5, to)
    inside = field(1, node) + field(2, b"g") + field(11, value(b"input_ids", INT64)) + field(12, value(output, kind))
    return number(1, 8) + field(7, inside) + field(8, field(1, b"") + number(2, 17))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (graph(FLOAT, 1, 1, 8), "[('vector', 'tensor(float)', [1, 1, 8])]"),
        (graph(FLOAT, 8), "[('vector', 'tensor(float)', [8])]"),
        (graph(FLOAT, 1, 16), "[('vector', 'tensor(float)', [1, 16])]"),
        (graph(DOUBLE, 1, 8), "[('vector', 'tensor(double)', [1, 8])]"),
        (graph(FLOAT, 1, 8, name="pooled"), "[('pooled', 'tensor(float)', [1, 8])]"),
    ],
)
def test_a_graph_whose_output_is_no_row_of_floats_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(BundleError) as caught:
        new_session(path, 8)
    assert str(caught.value) == (
        f"{path}: has [('input_ids', 'tensor(int64)')] -> {said}, expected input_ids -> vector of 8"
    )
    path.write_bytes(graph(FLOAT, 1, 8))
    (row,) = new_session(path, 8).run(["vector"], {"input_ids": np.arange(8)[None, :]})
    assert row.tolist() == [[0, 1, 2, 3, 4, 5, 6, 7]]


def test_the_quick_check_takes_short_texts(copy: Path) -> None:
    golden = read_golden(read_bundle(copy))
    encoder = Encoder(copy)
    asked: list[str] = []
    bundle = read_bundle(copy)

    def encode(text: str) -> np.ndarray:
        asked.append(text)
        return encoder.encode([text], role="document")[0]

    engine.quick_check(bundle, bundle.variants[0], encode)
    assert 3 <= len(asked) <= 4
    assert set(asked) <= set(golden.texts)
    assert sum(map(len, asked)) < 1000
