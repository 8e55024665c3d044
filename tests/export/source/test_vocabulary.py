"""Of a Unigram vocabulary the pieces stay that are used most, with their rows; all else is as it was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from nestling.export.errors import ExportError
from nestling.export.recipe.parts import VocabularyRecipe
from nestling.export.source.nano_e5 import tokenizer
from nestling.export.source.vocabulary import chosen, script, with_fewer_pieces

PIECES = [
    "<s>", "<pad>", "</s>", "<unk>", "▁", "▁owl", "s", "▁hunt", "▁eule", "ing", "自由", "人", "ไทย", "มนุษย์",
    "▁nachts", ".",
]  # fmt: skip
SCORES = np.array([0, 0, 0, 0, -2, -5, -3, -6, -8, -4, -5, -9, -11, -12, -7, -3], dtype=np.float32)


def model(folder: Path) -> Path:
    folder.mkdir()
    tokenizer(PIECES, SCORES, (0, 2, 3)).save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"vocab_size": len(PIECES), "pad_token_id": 1, "hidden_size": 2}))
    rows = np.repeat(np.arange(len(PIECES), dtype=np.float32)[:, None], 2, axis=1)
    save_file({"embeddings.word_embeddings.weight": rows, "other": rows[:3]}, folder / "model.safetensors")
    (folder / "more.json").write_text("{}")
    return folder


def test_rows_and_tokens_belong_together_afterwards(tmp_path: Path) -> None:
    source, folder = model(tmp_path / "whole"), tmp_path / "cut"
    folder.mkdir()
    with_fewer_pieces(source, VocabularyRecipe(pieces=14, whole=["THAI"]), folder)
    before, after = (Tokenizer.from_file(str(path / "tokenizer.json")) for path in (source, folder))
    weights = load_file(folder / "model.safetensors")
    table = weights["embeddings.word_embeddings.weight"]
    assert after.encode("owls hunting . ไทย").tokens == before.encode("owls hunting . ไทย").tokens
    for text in ("owls hunting . ไทย", "自由人"):
        found = after.encode(text)
        assert [PIECES[int(table[id, 0])] for id in found.ids] == found.tokens
    assert "▁eule" not in after.get_vocab() and "人" in after.get_vocab() and "ไทย" in after.get_vocab()
    config = json.loads((folder / "config.json").read_text())
    assert (config["vocab_size"], config["pad_token_id"], len(table)) == (14, 1, 14)
    assert (folder / "more.json").exists() and weights["other"].shape == (3, 2)


def test_what_is_left_out_makes_room() -> None:
    kept = chosen(PIECES, SCORES.astype(np.float64), {0, 1, 2, 3}, VocabularyRecipe(pieces=12, left_out=["CJK"]))
    names = [PIECES[id] for id in kept]
    assert "自由" not in names and "人" in names and len(names) == 12
    assert names == sorted(names, key=PIECES.index)


def test_the_script_of_a_piece_is_that_of_its_first_letter() -> None:
    assert [script(piece) for piece in ("▁owl", "自由", "ไทย", "▁3.", "é")] == ["LATIN", "CJK", "THAI", "", "LATIN"]


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (VocabularyRecipe(pieces=16), r"\[vocabulary\] pieces is 16, expected fewer than the model's 16"),
        (
            VocabularyRecipe(pieces=9, whole=["KLINGON"]),
            r"\[vocabulary\] names the script 'KLINGON', the model's pieces are of CJK, LATIN, THAI",
        ),
    ],
)
def test_what_cannot_be_cut_so_is_one_sentence(tmp_path: Path, recipe: VocabularyRecipe, reason: str) -> None:
    with pytest.raises(ExportError, match=f"^{reason}$"):
        with_fewer_pieces(model(tmp_path / "whole"), recipe, tmp_path)


def test_whole_scripts_that_are_too_many_pieces_are_told(tmp_path: Path) -> None:
    reason = r"\[vocabulary\] pieces is 10, and those of one character and of whole scripts are 11; raise it or name"
    with pytest.raises(ExportError, match=f"^{reason} fewer scripts$"):
        with_fewer_pieces(model(tmp_path / "whole"), VocabularyRecipe(pieces=10, whole=["THAI", "CJK"]), tmp_path)


def test_a_model_of_another_layout_is_refused(tmp_path: Path) -> None:
    source = model(tmp_path / "whole")
    save_file({"other": np.zeros((2, 2), dtype=np.float32)}, source / "model.safetensors")
    with pytest.raises(
        ExportError, match=r"has no token table embeddings.word_embeddings.weight with a row for each of"
    ):
        with_fewer_pieces(source, VocabularyRecipe(pieces=14), tmp_path)
    (source / "model.safetensors").unlink()
    with pytest.raises(
        ExportError, match=r"is not there; \[vocabulary\] cuts models whose weights are in this one file$"
    ):
        with_fewer_pieces(source, VocabularyRecipe(pieces=14), tmp_path)


def test_another_kind_of_vocabulary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "WordPiece"}}')
    with pytest.raises(ExportError, match=r"has no vocabulary of Unigram, which alone \[vocabulary\] can cut$"):
        with_fewer_pieces(tmp_path, VocabularyRecipe(pieces=9), tmp_path)
