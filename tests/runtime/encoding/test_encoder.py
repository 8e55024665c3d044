from __future__ import annotations

import copy
import multiprocessing
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bundles import tiny_family
from nestling import Encoder
from nestling.arrays import Ids
from nestling.bundle.golden import read_golden
from nestling.bundle.manifest import Role, default_bundle, read_bundle
from nestling.demo import demo_documents
from nestling.encoding.encoder import truncate
from nestling.encoding.onnx_engine import OnnxEngine, new_session
from nestling.errors import BundleError, NestlingError, TruncationWarning
from processes import guarded_environment

WORDS = " ".join(document.text for document in demo_documents()).split()


def texts_of_all_lengths(count: int = 200) -> list[str]:
    """Real texts of 1 to 400 words: windows of the demo collection."""
    random = np.random.default_rng(5)
    lengths = np.linspace(1, 400, count).round().astype(int)
    starts = random.integers(0, len(WORDS) - 400, count)
    return [" ".join(WORDS[start : start + length]) for start, length in zip(starts, lengths, strict=True)]


BUNDLE = read_bundle()
VARIANTS = [(variant.width, variant.precision) for variant in BUNDLE.variants]


@pytest.mark.parametrize(("width", "precision"), VARIANTS)
@pytest.mark.filterwarnings("ignore::nestling.errors.TruncationWarning")
def test_a_vector_does_not_depend_on_its_neighbours_their_order_or_the_threads(width: str, precision: str) -> None:
    texts = texts_of_all_lengths(120)
    with Encoder(width=width, precision=precision, threads=1) as encoder:
        alone = np.concatenate([encoder.encode([text], role="document") for text in texts])
    order = np.random.default_rng(1).permutation(len(texts))
    for threads in (1, 2, 4):
        with Encoder(width=width, precision=precision, threads=threads) as many:
            assert (many.encode(texts, role="document") == alone).all()
            assert (many.encode([texts[row] for row in order], role="document") == alone[order]).all()
            assert (many.encode(texts[::7], role="document") == alone[::7]).all()


@pytest.mark.parametrize(("width", "precision"), VARIANTS)
def test_another_process_gives_the_same_vectors(width: str, precision: str) -> None:
    code = (
        "import sys, nestling\n"
        "encoder = nestling.Encoder(width=sys.argv[1], precision=sys.argv[2])\n"
        "sys.stdout.buffer.write(encoder.encode(sys.argv[3:], 'query').tobytes())"
    )
    texts = ["when do owls hunt?", "E24", "a burn under cool running water " * 20]
    command = [sys.executable, "-c", code, width, precision, *texts]
    found = subprocess.run(command, check=True, capture_output=True).stdout
    assert found == Encoder(width=width, precision=precision).encode(texts, role="query").tobytes()


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


@pytest.mark.parametrize(("precision", "worst", "mean"), [("int8", 0.985, 0.993), ("int4", 0.75, 0.88)])
def test_the_reference_of_the_golden_texts_is_met(precision: str, worst: float, mean: float) -> None:
    golden = read_golden(read_bundle())
    cosines = (Encoder(precision=precision).encode(golden.texts, role="document") * golden.reference).sum(axis=1)
    assert len(golden.texts) == 64
    assert cosines.min() >= worst
    assert cosines.mean() >= mean


@pytest.mark.parametrize("variant", [variant.name for variant in BUNDLE.variants])
def test_variants_share_a_space(encoder: Encoder, variant: str) -> None:
    texts = texts_of_all_lengths(20)[:10]
    width, precision = variant.split(".")
    other = Encoder(width=width, precision=precision).encode(texts, role="query")
    similarity = other @ encoder.encode(texts, role="document").T
    assert (similarity.argmax(axis=1) == np.arange(10)).all()


def test_a_shorter_dim_is_the_renormalised_prefix(encoder: Encoder) -> None:
    texts = ["owls hunt at night", "wash your hands"]
    short, full = Encoder(dim=128).encode(texts, "document"), encoder.encode(texts, "document")
    expected = full[:, :128] / np.linalg.norm(full[:, :128], axis=1, keepdims=True)
    assert short.shape == (2, 128)
    assert np.allclose(short, expected, atol=1e-6)
    assert truncate(full, 384) is full


def test_a_long_text_is_read_to_the_limit_and_said(encoder: Encoder) -> None:
    long = "word " * 600
    message = "1 of 2 texts are over 512 tokens, 451 characters were left out"
    with pytest.warns(TruncationWarning, match=f"^{message}$"):
        vectors = encoder.encode(["short", long], role="document")
    assert (vectors[1] == encoder.encode(["word " * 510], role="document")[0]).all()


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
        ({"dim": -8}, "dim is -8, expected a multiple of 8 from 8 to 384"),
        ({"dim": 8.0}, "dim is 8.0, expected a multiple of 8 from 8 to 384"),
        ({"threads": 0}, "threads is 0, expected 1 or more"),
        ({"threads": True}, "threads is True, expected 1 or more"),
        ({"threads": "2"}, "threads is 2, expected 1 or more"),
        ({"width": "xs"}, f"bundle {BUNDLE.name} has no width xs; its widths are {', '.join(BUNDLE.widths)}"),
        ({"precision": "int2"}, f"bundle {BUNDLE.name} has no precision int2 of width xl; it has int8"),
    ],
)
def test_wrong_options_are_an_error(options: dict[str, object], message: str) -> None:
    with pytest.raises(NestlingError, match=f"^{re.escape(message)}$"):
        Encoder(**options)  # type: ignore[arg-type]


def test_whole_numbers_of_numpy_are_taken(encoder: Encoder) -> None:
    with Encoder(dim=np.int32(128), threads=np.uint8(1)) as short:  # type: ignore[arg-type]
        assert (type(short.dim), short.dim, short.threads) == (int, 128, 1)
        assert (short.encode(["owls"], "query") == truncate(encoder.encode(["owls"], "query"), 128)).all()


def test_a_graph_that_is_no_encoder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no graph at all")
    with pytest.raises(BundleError, match=r"model\.onnx: ONNX Runtime cannot load it \(.*\); build the bundle again"):
        new_session(tmp_path / "model.onnx", 384)
    with pytest.raises(BundleError, match="expected input_ids -> vector of 128"):
        new_session(default_bundle() / read_bundle().variants[0].graph, 128)


def test_a_closed_encoder_says_so() -> None:
    with Encoder() as encoder:
        assert encoder.encode(["owls"], role="query").shape == (1, 384)
    with pytest.raises(ValueError, match=r"^the encoder is closed; make a new one$"):
        encoder.encode(["owls"], role="query")


def test_control_characters_are_read_over(encoder: Encoder) -> None:
    plain, strange = encoder.encode(["owls hunt", "owls\x00 \x07hunt\x1b"], role="query")
    assert (plain == strange).all()


def test_an_idle_encoder_uses_no_processor_time(encoder: Encoder) -> None:
    encoder.encode(["owls hunt at night"] * 8, role="document")
    begin = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - begin < 0.02


def test_an_error_in_a_worker_reaches_the_caller(encoder: Encoder) -> None:
    class Broken:
        def ids(self, text: object, role: object) -> None:
            raise RuntimeError("no memory")

    assert isinstance(encoder.engine, OnnxEngine)
    engine = replace(encoder.engine, tokens=Broken())  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r"^no memory$"):
        engine.run(["a", "b", "c", "d"], "document", 3)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, also where the suite was started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal to a thread")
def test_no_worker_outlives_a_call_that_is_stopped(encoder: Encoder, interruptible: None) -> None:
    """One that is in ONNX Runtime while Python ends takes the process down with it."""
    main = threading.main_thread()

    class SlowBesides:
        def ids(self, text: str, role: Role) -> tuple[Ids, int]:
            if threading.current_thread() is not main:
                begun.set()
                time.sleep(0.5)
                ended.set()
            return encoder.tokens.ids(text, role)

    begun, ended = threading.Event(), threading.Event()
    assert isinstance(encoder.engine, OnnxEngine)
    engine = replace(encoder.engine, tokens=SlowBesides())  # type: ignore[arg-type]
    stop = threading.Timer(0.25, signal.pthread_kill, (main.ident, signal.SIGINT))  # wakes who waits in a join
    stop.start()
    with pytest.raises(KeyboardInterrupt):
        engine.run(["owls hunt at night"] * 20, "document", 2)
    assert (begun.is_set(), ended.is_set()) == (True, True)


def test_onnx_runtime_keeps_no_identifier_and_no_diary(tmp_path: Path) -> None:
    code = "from nestling import Encoder; Encoder().encode(['owls'], role='query')"
    environment = {**guarded_environment(), "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    environment.pop("XDG_CACHE_HOME", None)
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)
    (entry,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert entry.parent.name == "nestling"
    assert entry.stat().st_size == 0


@pytest.mark.parametrize("width", ["static", "s"])
def test_an_encoder_is_pickled_and_opens_its_bundle_again(width: str) -> None:
    with Encoder(width=width, dim=64, threads=1) as encoder:
        again = pickle.loads(pickle.dumps(encoder))
        assert (again.width, again.precision, again.dim, again.threads) == (width, encoder.precision, 64, 1)
        expected = encoder.encode(["owls"], role="query")
    np.testing.assert_array_equal(again.encode(["owls"], role="query"), expected)
    np.testing.assert_array_equal(copy.deepcopy(again).encode(["owls"], role="query"), expected)
    again.close()
    closed = pickle.loads(pickle.dumps(again))
    with pytest.raises(ValueError, match=r"^the encoder is closed; make a new one$"):
        closed.encode(["owls"], role="query")


def test_an_encoder_goes_to_processes_that_are_spawned() -> None:
    with Encoder(width="s") as encoder, multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(encoder.encode, (["owls"],), {"role": "query"})
        np.testing.assert_array_equal(found, encoder.encode(["owls"], role="query"))


def test_a_bundle_of_a_relative_path_stays_that_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_family(tmp_path)
    monkeypatch.chdir(folder.parent)
    with Encoder(folder.name, width="static") as encoder:
        monkeypatch.chdir(folder)
        again = pickle.loads(pickle.dumps(encoder))
        assert again.bundle.folder == folder
        bundle = read_bundle(f"../{folder.name}")
        monkeypatch.chdir("/")
        with Encoder(bundle, width="s") as other:
            assert other.encode(["owls"], role="query").shape == (1, other.dim)
