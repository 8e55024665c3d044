from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from nestling.bundle.manifest import Role, default_bundle
from nestling.encoding.tokens import Tokens
from nestling.errors import BundleError

TOKENIZER = default_bundle() / "tokenizer.json"


def ids_of_all(text: str) -> list[int]:
    """The ids of a whole text, as the tokenizers library gives them."""
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return list(tokenizer.encode(text).ids)


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return Tokens(TOKENIZER, {"document": "", "query": "query: "}, 16)


def test_ids_are_one_unpadded_array_with_special_tokens(tokens: Tokens) -> None:
    ids, left_out = tokens.ids("owls hunt", "document")
    assert ids.dtype == np.int64
    assert ids.tolist() == [101, 22388, 5690, 102]
    assert left_out == 0


def test_the_prefix_of_the_role_is_put_in_front(tokens: Tokens) -> None:
    assert tokens.ids("owls", "query")[0].tolist() == tokens.ids("query: owls", "document")[0].tolist()
    assert tokens.room("document") == 14
    assert tokens.room("query") == 12


def test_a_text_over_the_limit_keeps_its_last_special_token(tokens: Tokens) -> None:
    ids, left_out = tokens.ids("owl " * 20, "document")
    assert len(ids) == 16
    assert (ids[0], ids[-1]) == (101, 102)
    assert left_out == len(" " + "owl " * 6)
    assert tokens.ids("owl " * 20, "query") == (pytest.approx([101, 23032, 1024, *[13547] * 12, 102]), 33)


@pytest.mark.parametrize(
    "text",
    [
        "a fox, as told. " * 9000,
        "字" * 9000,
        "owl " + "字" * 9000,
        "fox" * 9000,
        "\u200b" * 9000 + " owl" * 99,
        "owls" + " " * 9000,
    ],
)
def test_only_the_start_of_a_long_text_is_looked_at_and_gives_the_same_ids(tokens: Tokens, text: str) -> None:
    whole = ids_of_all(text)
    ids, left_out = tokens.ids(text, "document")
    assert ids[:-1].tolist() == whole[: len(ids) - 1]
    assert (left_out > 0) == (len(whole) > 16)


def test_a_text_of_ten_megabytes_takes_a_moment(tokens: Tokens) -> None:
    begin = time.process_time()
    assert len(tokens.ids("word " * 2_000_000, "document")[0]) == 16
    assert time.process_time() - begin < 0.5


class Watched(str):
    """A text that keeps how far it was read."""

    furthest = 0

    def __getitem__(self, key: Any) -> str:
        self.furthest = max(self.furthest, key.stop)
        return super().__getitem__(key)


@pytest.mark.parametrize("role", ["document", "query"])
@pytest.mark.parametrize(
    ("text", "words", "read"),
    [
        ("fox" * 3_000_000, [100], 1 << 20),
        ("\u200b" * 3_000_000, [], 0),
        ("two owls" + "\t" * 3_000_000, [2048, 22388], 8),
        ("\u200b" * ((1 << 20) - 6) + "unbelievableness" + "." * 99, [], 0),
    ],
    ids=["one word", "dropped", "white space", "a word at the end of what is looked at"],
)
def test_over_a_million_characters_are_not_looked_at(
    tokens: Tokens, text: str, role: Role, words: list[int], read: int
) -> None:
    watched = Watched(text)
    ids, left_out = tokens.ids(watched, role)
    assert watched.furthest == 1 << 20
    prefix = [23032, 1024] if role == "query" else []
    assert (ids.tolist(), left_out) == ([101, *prefix, *words, 102], len(text) - read)


@pytest.mark.parametrize("before", [4080, 4085, 4090, 4095])
def test_a_word_at_the_end_of_what_is_looked_at_is_read_whole(before: int) -> None:
    text = "." * before + "unbelievableness" + "." * 9000
    for limit in range(before, before + 9):
        tokens = Tokens(TOKENIZER, {"document": "", "query": ""}, limit)
        whole = ids_of_all(text)
        assert tokens.ids(text, "document")[0].tolist() == [*whole[: limit - 1], 102]


def test_padding_and_truncation_of_the_file_play_no_part(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    tokenizer.enable_padding(length=128)
    tokenizer.enable_truncation(4)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    ids, left_out = Tokens(tmp_path / "tokenizer.json", {"document": "", "query": ""}, 256).ids("owls " * 9, "query")
    assert (len(ids), left_out) == (11, 0)


def test_spans_are_characters_of_the_text(tokens: Tokens) -> None:
    text = "Naïve 日本 unbelievableness 😀!"
    spans = tokens.spans(text)
    pieces = [text[start:stop] for start, stop in spans.chars]
    assert pieces[:3] == ["Naïve", "日", "本"]
    assert "".join(pieces) == text.replace(" ", "")
    word = pieces.index("!") - 1
    assert pieces[word] == "😀"
    inside = [piece for piece, starts in zip(pieces, spans.starts_word, strict=True) if not starts]
    assert inside
    assert "".join(inside) in "unbelievableness"


def test_spans_of_a_long_text_are_those_of_its_parts(tokens: Tokens) -> None:
    sentence = "The quick brown fox, as told, jumps over 12 lazy dogs. "
    spans = tokens.spans(sentence * 4000)
    one = tokens.spans(sentence)
    assert len(spans.chars) == 4000 * len(one.chars)
    last = spans.chars[-len(one.chars) :] - 3999 * len(sentence)
    assert (last == one.chars).all()
    assert (spans.starts_word == np.tile(one.starts_word, 4000)).all()


def test_an_empty_text_has_no_spans(tokens: Tokens) -> None:
    assert tokens.spans(" \n ").chars.shape == (0, 2)
    assert tokens.count("") == 0


@pytest.mark.parametrize("model", [models.WordLevel({"a": 3, "?": 5}, "?"), models.BPE({"a": 3}, [])], ids=["?", ""])
def test_a_text_without_a_token_is_read_as_a_blank(tmp_path: Path, model: Any) -> None:
    path = tmp_path / "tokenizer.json"
    Tokenizer(model).save(str(path))
    tokens = Tokens(path, {"document": "", "query": ""}, 16)
    assert tokens.ids("", "document") == tokens.ids(" ", "document")
    assert tokens.word_ids("", "query")[0].tolist() == ([5] if isinstance(model, models.WordLevel) else [0])


def test_truncated_cuts_where_a_word_ends(tokens: Tokens) -> None:
    text = "owls unbelievableness hunt"
    assert tokens.truncated(text, 99) == text
    assert tokens.truncated(text, 2) == "owls"
    assert tokens.truncated("unbelievableness", 1) == ""


def test_what_is_readable_of_a_text_fits_behind_the_prefix_of_its_role(tokens: Tokens) -> None:
    assert tokens.readable("owl " * 20, "document") == ("owl " * 14).strip()
    assert tokens.readable("owl " * 20, "query") == ("owl " * 12).strip()
    assert tokens.readable("owl ", "query") == "owl "
    assert tokens.ids(tokens.readable("owl " * 20, "query"), "query")[1] == 0


def test_a_file_that_is_no_tokenizer_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"}')
    with pytest.raises(BundleError, match=r"tokenizer\.json: not a tokenizer file \(.*\); build the bundle again"):
        Tokens(tmp_path / "tokenizer.json", {"document": "", "query": ""}, 256)


def test_a_tokenizer_that_cannot_name_unknown_words_is_an_error(tmp_path: Path) -> None:
    values = json.loads(TOKENIZER.read_text())
    values["model"]["vocab"] = {"owls": 0, "[CLS]": 101, "[SEP]": 102}
    values["added_tokens"] = []
    (tmp_path / "tokenizer.json").write_text(json.dumps(values))
    with pytest.raises(BundleError, match=r"tokenizer\.json: not a tokenizer file \(.*UNK.*\); build the bundle again"):
        Tokens(tmp_path / "tokenizer.json", {"document": "", "query": ""}, 256)


def test_the_highest_id_may_be_of_a_token_put_before_every_text(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 102), ("[CLS]", 999_999))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    tokens = Tokens(tmp_path / "tokenizer.json", {"document": "", "query": ""}, 256)
    assert tokens.highest_id == tokens.ids("owls", "document")[0].max() == 999_999
    assert Tokens(TOKENIZER, {"document": "", "query": ""}, 256).highest_id == 30521


def test_a_tokenizer_that_cannot_run_or_frames_texts_otherwise_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    prefixes: dict[Role, str] = {"document": "", "query": "query: "}
    unknown = Tokenizer(models.WordLevel({"a": 0}, unk_token="[UNK]"))
    unknown.pre_tokenizer = pre_tokenizers.Whitespace()
    twice = Tokenizer(models.WordLevel({"[CLS]": 0, "[UNK]": 1, "a": 2, "c": 3}, unk_token="[UNK]"))
    twice.post_processor = processors.TemplateProcessing("[CLS] $A [CLS] $A", special_tokens=[("[CLS]", 0)])
    for tokenizer, reason in ((unknown, "Missing [UNK]"), (twice, "the same tokens before and behind every text")):
        tokenizer.save(str(path))
        with pytest.raises(BundleError, match=f"^{re.escape(str(path))}: not a tokenizer file .*{re.escape(reason)}"):
            Tokens(path, prefixes, 64)


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("Owls hunt at night.", False),
        ("", False),
        ("12 + 30 = 42!", False),
        ("ጉጉቶች በሌሊት ያድናሉ", True),
        ("Owls hunt at night, as ጉጉቶች do.", False),
        ("Owls: ጉጉቶች በሌሊት ያድናሉ", True),
    ],
)
def test_a_text_in_a_script_that_the_vocabulary_does_not_know_is_told(tokens: Tokens, text: str, foreign: bool) -> None:
    assert tokens.is_foreign(text) == foreign


def test_of_a_long_text_the_beginning_says_whether_its_script_is_known(tokens: Tokens) -> None:
    assert tokens.is_foreign("ጉጉቶች በሌሊት ያድናሉ " * 1_000 + "owls hunt at night " * 100_000)
