from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nestling import Encoder
from nestling.demo import demo_documents
from nestling.encoding.bundle import default_bundle
from nestling.encoding.conformance import to_texts
from nestling.encoding.encoder import truncate
from nestling.errors import BundleError, TruncationWarning
from processes import guarded_environment

WORDS = " ".join(document.text for document in demo_documents()).split()


def texts_of_all_lengths(count: int = 200) -> list[str]:
    """Real texts of 1 to 400 words: windows of the demo collection."""
    random = np.random.default_rng(5)
    lengths = np.linspace(1, 400, count).round().astype(int)
    starts = random.integers(0, len(WORDS) - 400, count)
    return [" ".join(WORDS[start : start + length]) for start, length in zip(starts, lengths, strict=True)]


@pytest.mark.filterwarnings("ignore::nestling.errors.TruncationWarning")
def test_a_vector_does_not_depend_on_its_neighbours_their_order_or_the_threads(encoder: Encoder) -> None:
    texts = texts_of_all_lengths()
    alone = np.concatenate([encoder.encode([text], role="document") for text in texts])
    order = np.random.default_rng(1).permutation(len(texts))
    for threads in (1, 4):
        many = Encoder(threads=threads)
        assert (many.encode(texts, role="document") == alone).all()
        assert (many.encode([texts[row] for row in order], role="document") == alone[order]).all()
        assert (many.encode(texts[::7], role="document") == alone[::7]).all()


def test_another_process_gives_the_same_vectors(encoder: Encoder) -> None:
    code = "import sys, nestling; sys.stdout.buffer.write(nestling.Encoder().encode(sys.argv[1:], 'query').tobytes())"
    texts = ["when do owls hunt?", "E24", "a burn under cool running water " * 20]
    found = subprocess.run([sys.executable, "-c", code, *texts], check=True, capture_output=True).stdout
    assert found == encoder.encode(texts, role="query").tobytes()


def test_vectors_are_unit_float32_rows(encoder: Encoder) -> None:
    vectors = encoder.encode(["owls hunt at night", "", "   "], role="document")
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    assert np.allclose((vectors.astype(np.float64) ** 2).sum(axis=1), 1, atol=1e-6)
    assert (vectors[1] == vectors[2]).all()


def test_meaning_is_in_the_vectors(encoder: Encoder) -> None:
    documents = encoder.encode(["Owls hunt at night.", "Share prices fell on Monday."], role="document")
    query = encoder.encode(["a bird that catches mice in the dark"], role="query")
    bird, shares = (query @ documents.T)[0]
    assert bird > shares + 0.2


def test_no_texts_give_no_rows(encoder: Encoder) -> None:
    assert encoder.encode([], role="query").shape == (0, 384)


def test_the_golden_vectors_are_met(encoder: Encoder) -> None:
    with np.load(default_bundle() / "golden.npz") as golden:
        texts, expected = to_texts(golden["texts"]), golden["vectors"]
    texts = [encoder.tokens.truncated(text, encoder.tokens.room("document")) for text in texts]
    cosines = (encoder.encode(texts, role="document") * expected).sum(axis=1)
    assert len(texts) == 32
    assert cosines.min() >= 0.985
    assert cosines.mean() >= 0.993


def test_a_shorter_dim_is_the_renormalised_prefix(encoder: Encoder) -> None:
    texts = ["owls hunt at night", "wash your hands"]
    short, full = Encoder(dim=128).encode(texts, "document"), encoder.encode(texts, "document")
    expected = full[:, :128] / np.linalg.norm(full[:, :128], axis=1, keepdims=True)
    assert short.shape == (2, 128)
    assert np.allclose(short, expected, atol=1e-6)
    assert truncate(full, 384) is full


def test_a_long_text_is_read_to_the_limit_and_said(encoder: Encoder) -> None:
    long = "word " * 300
    message = "1 of 2 texts are over 256 tokens, 46 were left out"
    with pytest.warns(TruncationWarning, match=f"^{message}$"):
        vectors = encoder.encode(["short", long], role="document")
    assert (vectors[1] == encoder.encode(["word " * 254], role="document")[0]).all()


@pytest.mark.parametrize(
    ("texts", "role", "error", "message"),
    [
        ("one text", "document", TypeError, "texts is one str, expected a list of str; put it in a list"),
        (["a", 3], "document", TypeError, "text 1 is int, expected str"),
        (["a", None], "query", TypeError, "text 1 is NoneType, expected str"),
        (["a"], "passage", ValueError, "role is 'passage', expected one of document, query"),
        (["a", "b\ud800"], "query", ValueError, "text 1 holds a lone surrogate at 1; remove it"),
    ],
)
def test_wrong_texts_are_an_error(encoder: Encoder, texts: object, role: object, error: type, message: str) -> None:
    with pytest.raises(error) as caught:
        encoder.encode(texts, role=role)  # type: ignore[arg-type]
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 12}, "dim is 12, expected a multiple of 8 from 8 to 384"),
        ({"dim": 392}, "dim is 392, expected a multiple of 8 from 8 to 384"),
        ({"threads": 0}, "threads is 0, expected 1 or more"),
        ({"width": "s"}, "bundle minilm-l6-en has no width s; it has width xl precision int8"),
        ({"precision": "int2"}, "bundle minilm-l6-en has no precision int2; it has width xl precision int8"),
    ],
)
def test_wrong_options_are_an_error(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Encoder(**options)  # type: ignore[arg-type]


def test_an_altered_graph_is_refused(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(default_bundle(), bundle)
    graph = bundle / "model.int8.onnx"
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)
    with pytest.raises(BundleError, match=r"model\.int8\.onnx: its hash differs from the manifest; the bundle is dam"):
        Encoder(bundle)


def test_a_graph_that_is_no_encoder_is_refused(tmp_path: Path) -> None:
    from nestling.encoding.encoder import _session

    (tmp_path / "model.onnx").write_bytes(b"no graph at all")
    with pytest.raises(BundleError, match=r"model\.onnx: ONNX Runtime cannot load it \(.*\); build the bundle again"):
        _session(tmp_path / "model.onnx", 384)
    with pytest.raises(BundleError, match="expected input_ids -> vector of 128"):
        _session(default_bundle() / "model.int8.onnx", 128)


def test_an_error_in_a_worker_reaches_the_caller(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def run(self, outputs: object, inputs: object) -> None:
            raise RuntimeError("no memory")

    many = Encoder(threads=3)
    monkeypatch.setattr(many, "_session", Broken())
    with pytest.raises(RuntimeError, match=r"^no memory$"):
        many.encode(["a", "b", "c", "d"], role="document")


def test_onnx_runtime_keeps_no_identifier_and_no_diary(tmp_path: Path) -> None:
    code = "from nestling import Encoder; Encoder().encode(['owls'], role='query')"
    environment = {**guarded_environment(), "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
