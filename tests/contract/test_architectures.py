"""Models of every architecture, saved by sentence-transformers, give the same vectors as it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from models import ARCHITECTURES, make_model, odd_texts, truth
from nestling import Document, Encoder, Index, Library
from nestling.arrays import Floats
from nestling.bundle.manifest import ROLES
from nestling.export.bundle.verify import sentences
from nestling.export.cli import commands
from nestling.export.source.architectures import ARCHITECTURES as KNOWN

pytestmark = pytest.mark.filterwarnings("ignore::nestling.errors.TruncationWarning")


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(commands, [str(word) for word in words])


@pytest.fixture(scope="module", params=ARCHITECTURES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A model's folder and the bundle that one command makes of it."""
    folder = tmp_path_factory.mktemp(request.param)
    model = make_model(folder, request.param)
    words = [
        "build",
        model,
        "-o",
        folder / "bundle",
        "--work",
        folder / "work",
        "--precision",
        "float32",
        "int8",
        "int4",
    ]
    result = run(*words)
    assert result.exit_code == 0, result.output
    yield model, folder / "bundle"


def centred(found: Floats, expected: Floats) -> float:
    """The mean cosine once the mean of what is expected is taken off both."""
    mean = expected.mean(axis=0)
    one, other = found - mean, expected - mean
    return float(((one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)).mean())


def test_every_known_architecture_is_tried() -> None:
    assert set(ARCHITECTURES) == set(KNOWN)


def test_a_bundle_gives_what_sentence_transformers_gives(built: tuple[Path, Path]) -> None:
    model, bundle = built
    texts = sentences()[::9]
    for role in ROLES:
        expected = truth(model, texts, role)
        between = (expected @ expected.T)[np.triu_indices(len(texts), 1)]
        assert between.mean() < 0.95  # vectors that tell texts apart
        exact = Encoder(bundle, precision="float32").encode(texts, role=role)
        assert (exact * expected).sum(axis=1).min() >= 0.99999
        assert centred(Encoder(bundle, precision="int8").encode(texts, role=role), expected) >= 0.95
        assert centred(Encoder(bundle, precision="int4").encode(texts, role=role), expected) >= 0.9


def test_a_vector_depends_on_nothing_but_its_text(built: tuple[Path, Path]) -> None:
    texts = sentences()[::60]
    for precision in ("float32", "int8", "int4"):
        together = Encoder(built[1], precision=precision, threads=2).encode(texts, role="document")
        alone = Encoder(built[1], precision=precision, threads=1)
        assert (together == np.concatenate([alone.encode([text], role="document") for text in texts])).all()


def test_int4_has_four_bits(built: tuple[Path, Path]) -> None:
    import onnx

    nodes = onnx.load(built[1] / "model.xl.int4.onnx", load_external_data=False).graph.node
    bits = [attribute.i for node in nodes if node.op_type == "MatMulNBits" for attribute in node.attribute
            if attribute.name == "bits"]  # fmt: skip
    assert len(bits) >= 12
    assert set(bits) == {4}
    assert not [node for node in nodes if node.op_type == "Gemm"]


def test_tokens_are_those_of_transformers(built: tuple[Path, Path]) -> None:
    from transformers import AutoTokenizer

    model, bundle = built
    tokens, theirs = Encoder(bundle).tokens, AutoTokenizer.from_pretrained(model)
    prefix = Encoder(bundle).bundle.prefixes["query"]
    for text in odd_texts(10_000):
        expected = theirs(prefix + text, truncation=True, max_length=tokens.max_tokens)["input_ids"]
        assert tokens.ids(text, "query")[0].tolist() == expected, repr(text)


def test_a_library_and_an_index_hold_vectors_of_any_length(built: tuple[Path, Path], tmp_path: Path) -> None:
    encoder = Encoder(built[1])
    texts = sentences()[:40]
    index = Index(dim=encoder.dim)
    index.add(range(40), encoder.encode(texts, role="document"))
    expected = index.search(encoder.encode(texts, role="query"), 1)
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.add([Document(str(row), text) for row, text in enumerate(texts)])
        assert library.problems(full=True) == []
        hits = [library.search(text, k=1, mode="dense")[0] for text in texts]
    assert np.mean([int(hit.id) == key for hit, key in zip(hits, expected.keys[:, 0], strict=True)]) >= 0.9


def test_verify_says_what_the_build_measured(built: tuple[Path, Path], tmp_path: Path) -> None:
    bundle = built[1]
    result = run("verify", bundle, "--work", bundle.parent / "work")
    assert result.exit_code == 0, result.output
    report: Any = json.loads((bundle / "report.json").read_text())["xl.int8"]
    assert f"xl.int8: cosine {report['cosine_mean']} mean, {report['cosine_min']} worst" in result.output
    assert f"as queries cosine {report['query_cosine_mean']} mean" in result.output
