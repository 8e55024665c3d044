from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bundles import listed_anew, tiny_bundle, turn_golden
from nestling.bundle.manifest import read_bundle
from nestling.encoding.conformance import agreement, conformance
from nestling.encoding.verified import note_of, remember
from nestling.errors import BundleError


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
        assert measured.against == "the vectors at the build"
        assert measured.cosine_mean >= measured.cosine_min > 0.985
        assert measured.agreement > 0.9
        assert measured.tokens_per_second > 0


def test_what_was_measured_is_known_before_the_next_fails(folder: Path) -> None:
    turn_golden(folder, 0.9, "xl.int4")
    found = conformance(folder)
    assert next(found).variant == "xl.int8"
    with pytest.raises(BundleError, match=r"xl\.int4 gives on this machine a vector with cosine 0\.\d+ to the one at"):
        next(found)


def test_a_bundle_of_format_1_is_compared_with_float32(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path, 1)
    turn_golden(folder, 0.95, "vectors")
    (measured,) = conformance(folder)
    assert measured.against == "the float32 reference"
    assert 0.9 <= measured.cosine_min < 0.97
    turn_golden(folder, 0.8, "vectors")
    assert "to the float32 reference, expected 0.9 or more" in refusal(folder)


def test_where_weights_are_is_looked_at_in_spite_of_a_note(folder: Path) -> None:
    graph = folder / "model.int4.onnx"
    data = graph.read_bytes()
    assert b"\x12\x08int4.bin" in data
    graph.write_bytes(data.replace(b"\x12\x08int4.bin", b"\x12\x08int8.bin", 1))
    listed_anew(folder, graph.name)
    bundle = read_bundle(folder)
    note = note_of(bundle, bundle.variant(None, "int4"))
    assert note is not None
    remember(note)
    assert refusal(folder).startswith(
        f"{graph}: takes weights from 'int8.bin', which the manifest does not list for it;"
    )


def test_the_longest_text_must_run(folder: Path) -> None:
    listed_anew(folder, "tokenizer.json", max_tokens=65)
    assert refusal(folder).startswith(f"{folder / 'model.int8.onnx'}: ONNX Runtime cannot run it on 65 token ids up to")


def test_the_highest_id_of_the_tokenizer_must_run(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path, 1)
    path = folder / "tokenizer.json"
    values = json.loads(path.read_text())
    words = values["model"]["vocab"]
    words["zebra"] = len(words)
    path.write_text(json.dumps(values))
    listed_anew(folder, path.name)
    expected = f"ONNX Runtime cannot run it on 64 token ids up to {words['zebra']} ("
    assert refusal(folder).startswith(f"{folder / 'model.int8.onnx'}: {expected}")


def test_agreement_is_the_share_of_nearest_rows() -> None:
    rows = np.eye(4, dtype=np.float32)[[0, 0, 1, 1]]
    assert agreement(rows, rows, 1) == 1
    assert agreement(rows, rows[[0, 2, 1, 3]], 1) == 0
