"""A Unigram tokenizer becomes the compact file of the runtime where it is of its form, and stays as it is where not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer

from nestling.encoding.unigram import read_unigram
from nestling.export.encoder.pieces import is_of_pieces, write_pieces
from nestling.export.errors import ExportError
from nestling.export.source.nano_e5 import tokenizer

PIECES = [
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    "▁",
    "▁owl",
    "s",
    "▁hunt",
    "ing",
    "自由",
    "人",
    "<",
    "p",
    "a",
    "d",
    ">",
    "▁<",
]
SCORES = np.array([0, 0, 0, 0, *(-2 - number / 4 for number in range(len(PIECES) - 4))], dtype=np.float32)
TEXTS = ["owls hunting", "自由 人", "  a\t?", "", "ﬁ é"]


def stored(folder: Path) -> Path:
    found = tokenizer(PIECES, SCORES, (0, 2, 3))
    found.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in PIECES[:4]])
    found.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


def test_ids_stay_and_special_tokens_are_plain_text(tmp_path: Path) -> None:
    path, compact = stored(tmp_path), tmp_path / "tokenizer.npz"
    assert is_of_pieces(path)
    write_pieces(path, compact, TEXTS)
    expected, found = Tokenizer.from_file(str(path)), read_unigram(compact)
    for text in TEXTS:
        assert found.ids(text).tolist() == expected.encode(text).ids
    assert 1 in expected.encode("a <pad>").ids and 1 not in found.ids("a <pad>")
    assert compact.read_bytes() == (write_pieces(path, compact, []), compact.read_bytes())[1]  # the same each time


@pytest.mark.parametrize(
    "changed",
    [
        {"normalizer": {"type": "NFKC"}},
        {"pre_tokenizer": {"type": "Whitespace"}},
        {"model": {"type": "BPE"}},
        {"post_processor": {"type": "ByteLevel"}},
        {"added_tokens": [{"id": 4, "content": "owl", "special": False, "normalized": True}]},
    ],
)
def test_other_forms_are_left_alone(tmp_path: Path, changed: dict[str, object]) -> None:
    path = stored(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    assert not is_of_pieces(path)


def test_a_text_that_is_cut_otherwise_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        ExportError, match=r"^the compact tokenizer cuts '<pad>' into \[0, 16.*, the model's into \[0, "
    ):
        write_pieces(stored(tmp_path), tmp_path / "tokenizer.npz", ["<pad>"])
