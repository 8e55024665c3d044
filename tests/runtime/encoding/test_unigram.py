"""A vocabulary of pieces cuts texts as the tokenizers library does, says where, and refuses what is no vocabulary."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from nestling.encoding.tokens import Tokens
from nestling.encoding.unigram import Unigram, read_unigram, unigram_file
from nestling.errors import BundleError

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
WORDS = (
    "▁ ▁the ▁owl s ▁hunt ing ▁night ▁a t h e o w l u n i g . , 人 生 而 自由 ， 。 มนุษย์ ทั้ง หลาย ก า ▁eulen ▁Eule "
    "가 나 ▁한국 어 ff fi 1 2 3 10 é ▁é ▁the▁ow"
).split()
PIECES = [*SPECIAL, *dict.fromkeys(WORDS)]
SCORES = np.array(
    [0, 0, 0, 0, *(-(2 + 7 * number % 11) - number / 16 for number in range(len(PIECES) - 4))], np.float32
)
LETTERS = st.sampled_from("the owlsunig.,人生而自由，。มนุษย์ก้าEule한국어가ﬀﬁ①…é ́  \t\n\u200b\u200d\x01▁☃🦉１２")


def library() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(list(zip(PIECES, SCORES.tolist(), strict=True)), 3))
    squeezed = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), squeezed])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    return tokenizer


def own() -> Unigram:
    return Unigram(PIECES, SCORES, 3, [0], [2])


def stored(path: Path, **changed: Any) -> Path:
    arrays: dict[str, Any] = unigram_file(PIECES, SCORES, 3, [0], [2], [1]) | changed
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


LIBRARY, OWN = library(), own()


@given(st.text(LETTERS, max_size=60) | st.text(max_size=30))
def test_ids_are_those_of_the_library(text: str) -> None:
    expected = LIBRARY.encode(text).ids
    assert OWN.ids(text).tolist() == [0, *expected, 2]
    assert own().ids(text).tolist() == [0, *expected, 2]  # whose words are not known yet


@given(st.text(LETTERS, max_size=60) | st.text(max_size=30))
def test_tokens_lie_where_their_letters_are(text: str) -> None:
    read = OWN.located(text)
    assert read.ids.tolist() == OWN.ids(text)[1:-1].tolist()
    begins, ends = read.chars[:, 0], read.chars[:, 1]
    assert (begins <= ends).all() and (np.diff(begins) >= 0).all()
    assert len(read.starts) == len(begins) and (not len(begins) or read.starts[0])
    assert not len(begins) or (begins[0] >= 0 and ends[-1] <= len(text))


def test_the_places_of_plain_words_are_exact() -> None:
    text = "the owls\n\nhunting  at  自由。"
    read = OWN.located(text)
    found = [(PIECES[id], text[begin:end]) for id, (begin, end) in zip(read.ids, read.chars, strict=True)]
    assert found == [
        ("▁the", "the"), ("▁owl", "owl"), ("s", "s"), ("▁hunt", "hunt"), ("ing", "ing"), ("▁a", "a"), ("t", "t"),
        ("▁", ""), ("自由", "自由"), ("。", "。"),
    ]  # fmt: skip


def test_letters_that_become_several_keep_their_places() -> None:
    text = "\x01a ﬀﬁ１"
    read = OWN.located(text)
    assert [(PIECES[id], text[begin:end]) for id, (begin, end) in zip(read.ids, read.chars, strict=True)] == [
        ("▁a", "a"), ("▁", ""), ("ff", "ﬀ"), ("fi", "ﬁ"), ("1", "１"),
    ]  # fmt: skip


def test_scripts_without_spaces_may_be_cut_between_letters_and_others_between_words() -> None:
    read = OWN.located("owls 人生而 มนุษย์ทั้ง")
    assert [PIECES[id] for id, starts in zip(read.ids, read.starts, strict=True) if starts] == [
        "▁owl", "▁", "人", "生", "而", "▁", "มนุษย์", "ทั้ง",
    ]  # fmt: skip


def test_what_a_user_writes_is_no_special_token() -> None:
    assert OWN.ids("<s>").tolist()[1:-1] != [0] and 0 not in OWN.ids("<s> </s>")[1:-1]


def test_a_control_piece_is_had_by_no_text(tmp_path: Path) -> None:
    assert 1 in OWN.ids("<pad>")  # a piece like others, where nothing else is said
    assert 1 not in read_unigram(stored(tmp_path / "tokenizer.npz")).ids("a <pad>")


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("e\u0301n ow", ["e\u0301", "n", "", "o", "w"]),  # as many letters as before, in other places
        ("ｶﾞ自由", ["", "ｶﾞ", "自由"]),
        ("e\x1c\u0301n", ["e\x1c\u0301", "n"]),  # what is dropped stands between a letter and its mark
        ("自由" * 600 + "e\u0301", [*([""] + ["自由"] * 600), "e\u0301"]),
    ],
)
def test_letters_that_are_joined_keep_their_places(text: str, letters: list[str]) -> None:
    read = OWN.located(text)
    assert read.ids.tolist() == OWN.ids(text)[1:-1].tolist() == LIBRARY.encode(text).ids
    assert [text[begin:end] for begin, end in read.chars] == letters


def test_no_cut_is_before_a_vowel_or_a_mark() -> None:
    own = Unigram([*SPECIAL, "ก", "า", "้", "ข", "▁"], SCORES[:9], 3, [0], [2])
    assert own.located("กาข้า").starts.tolist() == [True, True, False, True, False, False]


def test_marks_without_end_are_read_in_time() -> None:
    began = time.perf_counter()
    text = "a" + "\u0316\u0301" * 200_000
    assert OWN.located(text).ids.tolist() == OWN.ids(text)[1:-1].tolist()
    assert time.perf_counter() - began < 60  # as the square of their number it would be an hour


def test_a_prefix_that_ends_in_a_space_takes_no_token_for_it(tmp_path: Path) -> None:
    tokens = Tokens(stored(tmp_path / "tokenizer.npz"), {"document": "the ", "query": "the"}, 16)
    assert tokens.room("document") == 13
    text = tokens.readable("owl " * 20, "document")
    assert text == ("owl " * 13).strip()
    assert tokens.ids(text, "document")[1] == 0


def test_a_long_text_is_cut_at_what_the_encoder_reads(tmp_path: Path) -> None:
    tokens = Tokens(stored(tmp_path / "tokenizer.npz"), {"document": "the ", "query": ""}, 16)
    ids, left_out = tokens.ids("owls hunting " * 9, "document")
    assert ids.tolist() == [0, *OWN.ids("the " + "owls hunting " * 9)[1:15], 2]
    assert left_out == len("owls hunting " * 9) - len("owls hunting " * 3 + "owl")
    assert tokens.word_ids("the owl", "query")[0].tolist() == OWN.ids("the owl").tolist()
    assert tokens.highest_id == len(PIECES) - 1
    assert tokens.truncated("人生而自由。" * 9, 7) == "人生而自由。人"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"tail": None},
            "it has ['control', 'head', 'pieces', 'scores', 'unknown'], expected pieces, scores, unknown, head, tail",
        ),
        ({"scores": SCORES[:-1]}, f"it has {len(PIECES)} pieces and scores of shape ({len(PIECES) - 1},), expected a"),
        ({"scores": SCORES.astype(np.float64)}, "its pieces are no uint8, or its scores no float32"),
        ({"scores": np.where(SCORES < -9, np.nan, SCORES).astype(np.float32)}, f"it has {len(PIECES)} pieces and"),
        ({"pieces": np.frombuffer(b"\xff" * 9, dtype=np.uint8)}, "'utf-8' codec can't decode byte 0xff"),
        ({"pieces": np.frombuffer(b"a\na", np.uint8), "scores": SCORES[:2]}, "a piece is there twice, or longer than"),
        ({"unknown": np.int64(-1)}, "its special tokens are no pieces"),
        ({"head": np.array([len(PIECES)])}, "its special tokens are no pieces"),
    ],
)
def test_what_is_no_vocabulary_is_one_sentence(tmp_path: Path, changed: dict[str, Any], reason: str) -> None:
    path = stored(tmp_path / "tokenizer.npz", **changed)
    with pytest.raises(BundleError, match=f"^{re.escape(f'{path}: holds no vocabulary of pieces ({reason}')}"):
        read_unigram(path)


def test_a_damaged_vocabulary_is_one_sentence(tmp_path: Path) -> None:
    path = stored(tmp_path / "tokenizer.npz")
    data = path.read_bytes()
    for cut in (0, 10, len(data) // 2, len(data) - 3):
        path.write_bytes(data[:cut])
        with pytest.raises(BundleError, match="holds no vocabulary of pieces"):
            read_unigram(path)
    with pytest.raises(BundleError, match="holds no vocabulary of pieces"):
        read_unigram(tmp_path / "missing.npz")
