from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundles import listed_anew, tiny_bundle, turn_golden
from nestling.bundle.golden import Golden, read_golden, stored
from nestling.bundle.manifest import Variant, read_bundle
from nestling.encoding.conformance import agreement, conformance
from nestling.encoding.engine import load
from nestling.encoding.tokens import Tokens
from nestling.encoding.verified import cache_path, record_verified
from nestling.errors import BundleError
from protobuf import field, number


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny bundle that may be altered."""
    return tiny_bundle(tmp_path)


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        list(conformance(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_each_variant_is_measured(folder: Path) -> None:
    found = list(conformance(folder))
    assert [(measured.variant, measured.texts) for measured in found] == [("xl.int8", 64), ("xl.int4", 64)]
    for measured in found:
        assert measured.cosine_mean >= measured.cosine_min > 0.985
        assert measured.agreement > 0.9
        assert measured.tokens_per_second > 0


def test_what_was_measured_is_known_before_the_next_fails(folder: Path) -> None:
    turn_golden(folder, 0.9, "xl.int4")
    found = conformance(folder)
    assert next(found).variant == "xl.int8"
    with pytest.raises(BundleError, match=r"xl\.int4 gives on this machine a vector with cosine 0\.\d+ to the one at"):
        next(found)


def test_how_near_the_float32_weights_are_is_measured_and_no_bar(folder: Path) -> None:
    before, _ = conformance(folder)
    assert before.reference_mean >= before.reference_min > 0.8
    turn_golden(folder, 0.5, "vectors")
    turned, _ = conformance(folder)
    assert turned.reference_mean < 0.7
    assert turned.cosine_min == before.cosine_min


def test_where_weights_are_is_looked_at_in_spite_of_the_cache(folder: Path) -> None:
    graph = folder / "model.xl.int4.onnx"
    data = graph.read_bytes()
    assert b"\x12\x0bxl.int4.bin" in data
    graph.write_bytes(data.replace(b"\x12\x0bxl.int4.bin", b"\x12\x0bxl.int8.bin", 1))
    listed_anew(folder, graph.name)
    bundle = read_bundle(folder)
    entry = cache_path(bundle, bundle.variant(None, "int4"))
    assert entry is not None
    record_verified(entry)
    assert refusal(folder).startswith(
        f"{graph}: takes weights from 'xl.int8.bin', which the manifest does not list for it;"
    )


def test_the_longest_text_must_run(folder: Path) -> None:
    listed_anew(folder, "tokenizer.json", max_tokens=65)
    assert refusal(folder).startswith(
        f"{folder / 'model.xl.int8.onnx'}: ONNX Runtime cannot run it on 65 token ids up to"
    )


def mean_of_rows(table: np.ndarray) -> bytes:
    """An ONNX model whose vector is the unit mean of the rows, (tokens, dim) float32, that `input_ids` name."""

    def value(name: bytes, kind: int, *dims: int) -> bytes:
        shape = b"".join(field(1, number(1, dim) if dim else b"") for dim in dims)
        return field(1, name) + field(2, field(1, number(1, kind) + field(2, shape)))

    def node(kind: bytes, inputs: list[bytes], output: bytes, *attributes: bytes) -> bytes:
        named = b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind)
        return field(1, named + b"".join(field(5, attribute) for attribute in attributes))

    float32, int64, sizes = 1, 7, b"".join(number(1, size) for size in table.shape)
    initializer = sizes + number(2, float32) + field(8, b"table") + field(9, table.tobytes())
    inside = (
        node(b"Gather", [b"table", b"input_ids"], b"rows")
        + node(b"ReduceMean", [b"rows"], b"mean", field(1, b"axes") + number(8, 1) + number(20, 7),
               field(1, b"keepdims") + number(3, 0) + number(20, 2))
        + node(b"LpNormalization", [b"mean"], b"vector")
        + field(2, b"g") + field(5, initializer)
        + field(11, value(b"input_ids", int64, 1, 0)) + field(12, value(b"vector", float32, 1, table.shape[1]))
    )  # fmt: skip
    return number(1, 8) + field(7, inside) + field(8, field(1, b"") + number(2, 17))


def test_the_highest_id_of_the_tokenizer_must_run(folder: Path) -> None:
    bundle, variant = read_bundle(folder), Variant("xl", "int8", "model.xl.int8.onnx")
    path, graph = folder / bundle.tokenizer, folder / variant.graph
    tokens = Tokens(path, dict(bundle.prefixes), bundle.max_tokens)
    rows = np.random.default_rng(0).normal(size=(tokens.highest_id + 1, bundle.dim)).astype(np.float32)
    graph.write_bytes(mean_of_rows(rows))
    golden = read_golden(bundle)
    built = load(folder, variant, tokens, bundle.dim).run(golden.texts, "document", 1)[0]
    arrays: dict[str, Any] = {**stored(Golden(golden.texts, built, {variant.name: built}))}
    np.savez(folder / bundle.golden, **arrays)
    (folder / "manifest.json").write_text(replace(bundle, variants=(variant,)).manifest())
    for name in (graph.name, bundle.golden):
        listed_anew(folder, name)
    assert [measured.cosine_min > 0.999 for measured in conformance(folder)] == [True]
    values = json.loads(path.read_text())
    words = values["model"]["vocab"]
    words["zebra"] = len(words)
    path.write_text(json.dumps(values))
    listed_anew(folder, path.name)
    assert refusal(folder).startswith(f"{graph}: ONNX Runtime cannot run it on 64 token ids up to {words['zebra']} (")


def test_agreement_is_the_share_of_nearest_rows() -> None:
    rows = np.eye(4, dtype=np.float32)[[0, 0, 1, 1]]
    assert agreement(rows, rows, 1) == 1
    assert agreement(rows, rows[[0, 2, 1, 3]], 1) == 0
