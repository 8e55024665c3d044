from __future__ import annotations

import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundles import listed_anew, tiny_bundle, tiny_family, token_table, turn_golden
from nestling import Encoder
from nestling.bundle.manifest import default_bundle, read_bundle
from nestling.demo import demo_documents
from nestling.encoding.conformance import conformance
from nestling.encoding.static import StaticEngine, Table, read_table
from nestling.encoding.tokens import Tokens
from nestling.errors import BundleError, TruncationWarning
from processes import guarded_environment

TOKENS = Tokens(default_bundle() / "tokenizer.json", {"document": "", "query": ""}, 64)
WORDS = "owls hunt at night cool burns under running water wash hands with clean, first aid! zebra".split()


@pytest.fixture
def family(tmp_path: Path) -> Path:
    """A bundle of three widths that may be altered."""
    return tiny_family(tmp_path)


def table(rank: int, dim: int, tokens: int = 55, seed: int = 0) -> dict[str, Any]:
    """The arrays of a random table of 8 bits."""
    random = np.random.default_rng(seed)
    arrays: dict[str, Any] = {
        "codes": random.integers(-128, 128, (tokens, rank)).astype(np.int8),
        "factors": random.normal(size=tokens).astype(np.float16),
    }
    return arrays if rank == dim else {**arrays, "map": random.normal(size=(rank, dim)).astype(np.float16)}


def expected(arrays: dict[str, Any], ids: list[int]) -> np.ndarray:
    """A text's vector by the plain formula, in float64."""
    total = sum((np.float64(arrays["factors"][id]) * arrays["codes"][id].astype(np.float64) for id in ids), np.zeros(1))
    total = total @ arrays["map"].astype(np.float64) if "map" in arrays else total
    return np.asarray(total / np.linalg.norm(total))


@pytest.mark.parametrize("rank", [8, 16])
@given(ids=st.lists(st.integers(0, 54), min_size=1, max_size=40))
def test_a_vector_is_the_unit_sum_of_its_rows(rank: int, ids: list[int]) -> None:
    arrays = table(rank, 16)
    wide = Table(
        arrays["codes"], arrays["factors"].astype(np.float32),
        arrays["map"].astype(np.float32) if "map" in arrays else None,
    )  # fmt: skip
    found = StaticEngine(TOKENS, wide).vector(np.array(ids))
    assert found.dtype == np.float32
    assert found @ expected(arrays, ids) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("rank", [16, 32])
def test_a_file_is_read_as_it_was_written(tmp_path: Path, bits: int, rank: int) -> None:
    arrays = table(rank, 32)
    stored = dict(arrays)
    if bits == 4:
        arrays["codes"] = (arrays["codes"] >> 4).astype(np.int8)  # -8 to 7
        stored["codes"] = np.array([[(low + 8) | (high + 8) << 4 for low, high in zip(row[::2], row[1::2], strict=True)]
                                    for row in arrays["codes"].tolist()], dtype=np.uint8)  # fmt: skip
    np.savez(tmp_path / "static.npz", **stored)
    found = read_table(tmp_path / "static.npz", f"int{bits}", 32, 54)
    assert found.codes.dtype == np.int8
    assert found.codes.flags["C_CONTIGUOUS"]
    assert (found.codes == arrays["codes"]).all()
    assert (found.factors == arrays["factors"].astype(np.float32)).all()
    assert (found.map is None) == (rank == 32)
    assert found.map is None or (found.map == arrays["map"].astype(np.float32)).all()


GOOD = table(16, 32)
INT4 = {**table(32, 32), "codes": np.zeros((55, 16), dtype=np.uint8)}


@pytest.mark.parametrize(
    ("arrays", "precision", "message"),
    [
        ({"codes": GOOD["codes"]}, "int8", "it has ['codes'], expected codes, factors and perhaps map"),
        ({**GOOD, "more": GOOD["map"]}, "int8", "it has ['codes', 'factors', 'map', 'more'], expected codes, factors"),
        (
            {**GOOD, "codes": GOOD["codes"].astype(float)},
            "int8",
            "its codes are float64 of shape (55, 16), expected int8",
        ),
        (GOOD, "int4", "its codes are int8 of shape (55, 16), expected uint8 in rows for int4"),
        (INT4, "int8", "its codes are uint8 of shape (55, 16), expected int8 in rows for int8"),
        ({**GOOD, "codes": GOOD["codes"][0]}, "int8", "its codes are int8 of shape (16,), expected int8 in rows"),
        ({**GOOD, "codes": GOOD["codes"][:, :0]}, "int8", "its rows have 0 codes, expected 1 to 4096"),
        ({**GOOD, "codes": np.zeros((55, 4097), np.int8)}, "int8", "its rows have 4097 codes, expected 1 to 4096"),
        (
            {**GOOD, "codes": GOOD["codes"][:54]},
            "int8",
            "it has 54 rows, expected more than the tokenizer's highest id 54",
        ),
        (
            {**GOOD, "factors": GOOD["factors"][:9]},
            "int8",
            "its factors are float16 of shape (9,), expected float16 of",
        ),
        ({**GOOD, "factors": GOOD["factors"].astype(np.float32)}, "int8", "its factors are float32 of shape (55,)"),
        (
            {**GOOD, "factors": GOOD["factors"] * np.float16("inf")},
            "int8",
            "its factors have numbers that are not finite",
        ),
        ({**GOOD, "map": GOOD["map"] * np.float16("nan")}, "int8", "its map have numbers that are not finite"),
        (
            {**GOOD, "map": GOOD["map"].T},
            "int8",
            "its map are float16 of shape (32, 16), expected float16 of shape (16,",
        ),
        ({k: v for k, v in GOOD.items() if k != "map"}, "int8", "it has rows of 16 codes and no map, expected 32"),
        (
            {**GOOD, "codes": np.array([["x"]], dtype=object)},
            "int8",
            "Object arrays cannot be loaded when allow_pickle",
        ),
    ],
)
def test_a_file_that_is_no_table_is_refused(
    tmp_path: Path, arrays: dict[str, Any], precision: str, message: str
) -> None:
    path = tmp_path / "static.npz"
    np.savez(path, **arrays)
    with pytest.raises(BundleError) as caught:
        read_table(path, precision, 32, 54)
    assert str(caught.value).startswith(f"{path}: holds no token table ({message}")
    assert str(caught.value).endswith("; build the bundle again")


@pytest.mark.parametrize("content", ["noise", "array", "much", "huge", "missing"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "static.npz"
    np.savez(path, **GOOD)
    if content == "noise":
        path.write_bytes(path.read_bytes()[:500])
    elif content == "array":
        with path.open("wb") as stream:
            np.save(stream, np.ones(3))
    elif content == "missing":
        path.unlink()
    else:
        header = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|i1', 'fortran_order': False, 'shape': (99999999999, 384), }"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("codes.npy", bytes(257 << 20) if content == "much" else header.ljust(127) + b"\n")
            archive.writestr("factors.npy", b"")
    with pytest.raises(BundleError, match=r"static\.npz: holds no token table \(.+\); build the bundle again$"):
        read_table(path, "int8", 32, 54)


def test_texts_without_a_direction_have_a_fixed_one(family: Path) -> None:
    encoder = Encoder(family, width="static")
    vectors = encoder.encode(["", " \n", "zebra", "owls"], role="document")
    assert (vectors[:3] == np.eye(32, dtype=np.float32)[0]).all()
    assert np.linalg.norm(vectors[3]) == pytest.approx(1, abs=1e-6)


def test_extreme_factors_overflow_nothing(tmp_path: Path) -> None:
    largest, smallest = np.float16(65504), np.float16(6e-8)
    for factor in (largest, smallest):
        arrays = table(16, 32)
        arrays["factors"][:], arrays["map"][:] = factor, factor
        np.savez(tmp_path / "static.npz", **arrays)
        engine = StaticEngine(TOKENS, read_table(tmp_path / "static.npz", "int8", 32, 54))
        assert np.linalg.norm(engine.vector(np.arange(54))) == pytest.approx(1, abs=1e-6)


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """The frozen bundle with a table of 24 codes a row and a map."""
    folder = tiny_family(tmp_path)
    np.savez(folder / "static.npz", **{**table(24, 32), "codes": np.arange(55 * 12, dtype=np.uint8).reshape(55, 12)})
    with np.load(folder / "golden.npz") as stored:
        arrays = dict(stored)
    bundle = read_bundle(folder)
    tokens = Tokens(folder / bundle.tokenizer, dict(bundle.prefixes), bundle.max_tokens)
    engine = StaticEngine(tokens, read_table(folder / "static.npz", "int4", 32, 54))
    texts = json.loads(arrays["texts"].tobytes())
    arrays["static.int4"] = engine.run(texts, "document", 1)[0].astype(np.float16)
    np.savez(folder / "golden.npz", **arrays)
    listed_anew(folder, "static.npz")
    listed_anew(folder, "golden.npz")
    return folder


@pytest.mark.parametrize("bundle", ["family", "wide"])
@pytest.mark.filterwarnings("ignore::nestling.errors.TruncationWarning")
def test_a_vector_does_not_depend_on_its_neighbours_their_order_or_the_threads(
    bundle: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(bundle)
    random = np.random.default_rng(5)
    texts = [" ".join(random.choice(WORDS, size)) for size in np.linspace(0, 80, 1500).round().astype(int)]
    with Encoder(folder, width="static", threads=1) as encoder:
        alone = np.concatenate([encoder.encode([text], role="query") for text in texts])
        by_ids = np.stack([encoder.engine.vector(encoder.tokens.ids(text, "query")[0]) for text in texts])
    assert (alone == by_ids).all()
    assert np.linalg.norm(alone, axis=1) == pytest.approx(1, abs=1e-6)
    order = random.permutation(len(texts))
    for threads in (1, 3):
        with Encoder(folder, width="static", threads=threads) as many:
            assert (many.encode(texts, role="query") == alone).all()
            assert (many.encode([texts[row] for row in order], role="query") == alone[order]).all()


def test_a_long_text_is_read_to_the_limit_and_said(family: Path) -> None:
    encoder = Encoder(family, width="static")
    with pytest.warns(TruncationWarning, match=r"^1 of 2 texts are over 64 tokens, 191 characters were left out$"):
        vectors = encoder.encode(["owls", "owls " * 100], role="document")
    assert (vectors[1] == encoder.encode(["owls " * 62], role="document")[0]).all()


def test_another_process_without_onnx_runtime_gives_the_same_vectors(family: Path) -> None:
    code = (
        "import sys, nestling\n"
        "encoder = nestling.Encoder(sys.argv[1], width='static', threads=int(sys.argv[2]))\n"
        "vectors = encoder.encode(sys.argv[3:], 'document')\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "sys.stdout.buffer.write(vectors.tobytes())"
    )
    texts = ["owls hunt at night", "cool burns under running water"]
    here = Encoder(family, width="static").encode(texts, role="document")
    for threads, parallel in (("1", "false"), ("2", "true")):
        environment = {
            **guarded_environment(),
            "TOKENIZERS_PARALLELISM": parallel,
            "XDG_CACHE_HOME": str(family.parent),
        }
        for _ in range(2):  # verified, and in the cache
            command = [sys.executable, "-c", code, str(family), threads, *texts]
            found = subprocess.run(command, check=True, capture_output=True, env=environment).stdout
            assert found == here.tobytes()


def test_wrong_vectors_and_altered_files_are_noticed_at_the_first_start(family: Path) -> None:
    turn_golden(family, 0.9, "static.int4")
    with pytest.raises(BundleError, match=r"static\.int4 gives on this machine a vector with cosine 0\.\d+ to the one"):
        Encoder(family, width="static")
    Encoder(family, width="s").close()
    data = bytearray((family / "static.npz").read_bytes())
    data[-200] ^= 1
    (family / "static.npz").write_bytes(data)
    with pytest.raises(BundleError, match=r"static\.npz: its hash differs from the manifest"):
        Encoder(family, width="static")


def test_widths_share_a_tokenizer_and_a_space(family: Path) -> None:
    encoders = [Encoder(family, width=width) for width in ("xl", "s", "static")]
    assert len({id(encoder.tokens) for encoder in encoders}) == 1
    assert Encoder(family, width="static", precision="int8").precision == "int4"
    widest, narrow, _ = (encoder.encode(["owls hunt at night"], role="document")[0] for encoder in encoders)
    assert 0.99 < widest @ narrow < 0.99999


def test_conformance_measures_a_table_too(family: Path) -> None:
    found = list(conformance(family))
    assert [measured.variant for measured in found] == ["xl.int8", "s.int8", "static.int4"]
    assert found[2].cosine_min > 0.999


def test_a_table_with_too_few_rows_is_refused_at_the_start(family: Path) -> None:
    np.savez(family / "static.npz", **token_table(np.ones((54, 32), dtype=np.float32)))
    listed_anew(family, "static.npz")
    with pytest.raises(BundleError, match="it has 54 rows, expected more than the tokenizer's highest id 54"):
        Encoder(family, width="static")


def test_it_is_far_faster_than_a_graph(tmp_path: Path) -> None:
    tokens = Tokens(default_bundle() / "tokenizer.json", {"document": "", "query": ""}, 256)
    random = np.random.default_rng(0)
    rows = Table(random.integers(-8, 8, (30522, 384)).astype(np.int8), random.random(30522).astype(np.float32), None)
    engine = StaticEngine(tokens, rows)
    texts = [document.text for document in demo_documents()] * 10
    count = sum(len(tokens.ids(text, "document")[0]) for text in texts)
    seconds = []
    for _ in range(5):
        begin = time.process_time()
        engine.run(texts, "document", 1)
        seconds.append(time.process_time() - begin)
    assert count / min(seconds) > 200_000


def test_a_bundle_without_a_table_has_no_such_width(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"^bundle tiny has no width static; its widths are xl$"):
        Encoder(tiny_bundle(tmp_path), width="static")
