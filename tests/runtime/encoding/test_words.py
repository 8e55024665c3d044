from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from nestling.bundle.manifest import Role, default_bundle
from nestling.demo import demo_documents
from nestling.encoding.tokens import Tokens
from nestling.encoding.words import Words, words_of

TOKENIZER = default_bundle() / "tokenizer.json"
TOKENS = {most: Tokens(TOKENIZER, {"document": "", "query": "query:  "}, most) for most in (16, 256)}
PIECES = st.sampled_from(
    (
        "owls, (Owls). a-b_c/d=1 [SEP]. x[sep]y e\u0301, \u0301! ,, "
        "owls Owls hunt unbelievableness naïve e\u0301 \u0301 日本 字 😀 [SEP] [MASK]x [ SEP ] ## ##s . , -- a.b don't "
        "\u200b \u00a0 \u2028 \x00 \x1c \x1f \t \n \r \ufffd ß İ ﬁ ΑΣ Å 한글 नमस्ते \u202e"
    ).split(" ")
)
TEXTS = st.lists(PIECES | st.just(" ") | st.just("") | st.text(max_size=6)).flatmap(
    lambda parts: st.sampled_from([" ".join(parts), "".join(parts)])
)


@settings(max_examples=400)
@given(text=TEXTS, role=st.sampled_from(["document", "query"]), most=st.sampled_from([16, 256]))
def test_ids_by_words_are_those_of_the_whole_text(text: str, role: Role, most: int) -> None:
    expected, expected_out = TOKENS[most].ids(text, role)
    for _ in range(2):  # learned, and known
        ids, left_out = TOKENS[most].word_ids(text, role)
        assert ids.dtype == np.int64
        assert (ids.tolist(), left_out) == (expected.tolist(), expected_out)


def read_as_a_whole() -> Tokens:
    """The tokenizer with one more token, which reaches over spaces, so that each text is left to it as a whole."""
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    tokenizer.add_tokens([AddedToken("in none of these texts", normalized=False)])
    assert words_of(tokenizer) is None
    with TemporaryDirectory() as folder:
        tokenizer.save(f"{folder}/tokenizer.json")
        return Tokens(Path(folder, "tokenizer.json"), {"document": "", "query": ""}, 256)


WHOLE = read_as_a_whole()


@settings(max_examples=400)
@given(text=TEXTS)
def test_spans_by_words_are_those_of_the_whole_text(text: str) -> None:
    expected = WHOLE.spans(text)
    for _ in range(2):  # learned, and known
        found = TOKENS[256].spans(text)
        assert (found.chars.dtype, found.starts_word.dtype) == (np.int64, np.bool_)
        assert found.chars.tolist() == expected.chars.tolist()
        assert found.starts_word.tolist() == expected.starts_word.tolist()


@pytest.mark.parametrize(
    "text", ["owl. " * 9, "x" * 99 + ",", "(owls," * 20_000, "[SEP], [SEP]). [MASK] [MASK]", "." * 40_000]
)
def test_spans_of_odd_texts_are_those_of_the_whole_text(text: str) -> None:
    expected, found = WHOLE.spans(text), TOKENS[256].spans(text)
    assert (found.chars == expected.chars).all()
    assert (found.starts_word == expected.starts_word).all()


@pytest.mark.parametrize("length", [4095, 4096, 4097, 70_000])
@pytest.mark.parametrize("word", ["owl ", "字", "\u200b", "unbelievableness"])
def test_ids_of_long_texts_are_those_of_the_exact_way(word: str, length: int) -> None:
    text = (word * length)[:length]
    for role in ("document", "query"):
        expected, expected_out = TOKENS[256].ids(text, role)  # type: ignore[arg-type]
        ids, left_out = TOKENS[256].word_ids(text, role)  # type: ignore[arg-type]
        assert (ids.tolist(), left_out) == (expected.tolist(), expected_out)


def test_real_texts_are_read_by_words(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens(TOKENIZER, {"document": "", "query": ""}, 512)
    texts = [document.text for document in demo_documents()]
    expected = [tokens.ids(text, "document")[0].tolist() for text in texts]
    for text in texts:
        tokens.word_ids(text, "document")
    monkeypatch.setattr(Tokens, "ids", None)  # not asked for any more
    assert [tokens.word_ids(text, "document")[0].tolist() for text in texts] == expected


class Asked:
    """The bundled tokenizer, which keeps what it is asked for."""

    def __init__(self) -> None:
        self.tokenizer = Tokenizer.from_file(str(TOKENIZER))
        self.texts: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tokenizer, name)

    def encode(self, text: str, **options: Any) -> Any:
        self.texts.append(text)
        return self.tokenizer.encode(text, **options)

    def by(self, known: Words, text: str) -> list[str]:
        """What the tokenizer is asked for while a text is read."""
        self.texts.clear()
        expected = self.tokenizer.encode(text).ids
        assert known.ids(text).tolist() == expected
        return list(self.texts)


@pytest.mark.parametrize("most_words", [10, 1000])
def test_what_is_kept_is_bounded(most_words: int) -> None:
    asked = Asked()
    known = words_of(asked, most_words)  # type: ignore[arg-type]
    assert known is not None
    words, long = [f"word{number}" for number in range(99)], "x" * 99
    text = " ".join(f"{word}," for word in words) + f" {long}"
    assert set(asked.by(known, text)) == {*words, ",", long}
    again = asked.by(known, text)
    if most_words == 1000:
        assert again == [long]  # a long word is never kept
    else:
        assert len({*again} & {*words}) >= 99 - most_words
    asked.by(known, f"{words[0]},")
    assert asked.by(known, f"{words[0]}, {long}") == [long]


def test_words_with_punctuation_are_made_of_their_parts() -> None:
    asked = Asked()
    known = words_of(asked)  # type: ignore[arg-type]
    assert known is not None
    found = [asked.by(known, word) for word in ("owls,", "(owls)", "owls-owls", "[SEP],")]
    assert found == [["owls", ","], ["(", ")"], ["-"], ["[SEP],"]]


def bert(**changes: Any) -> Tokenizer:
    """A small BERT tokenizer with other parts."""
    vocabulary = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3, "b": 4, "##b": 5}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    return tokenizer


def with_token(token: AddedToken) -> Tokenizer:
    tokenizer = bert()
    tokenizer.add_tokens([token])
    return tokenizer


def twice() -> Tokenizer:
    return bert(post_processor=processors.TemplateProcessing(single="[CLS] $A $A [SEP]",
                                                            special_tokens=[("[CLS]", 1), ("[SEP]", 2)]))  # fmt: skip


@pytest.mark.parametrize(
    ("tokenizer", "ids"),
    [
        (bert(), [1, 3, 5, 4, 2]),
        (bert(post_processor=None), [3, 5, 4]),
        (with_token(AddedToken("[X]", normalized=False)), [1, 3, 5, 4, 2]),
        (with_token(AddedToken("a b", normalized=False)), None),
        (with_token(AddedToken("[X]", lstrip=True)), None),
        (with_token(AddedToken("[X]", rstrip=True)), None),
        (with_token(AddedToken("[X]", single_word=True)), None),
        (with_token(AddedToken("b,", normalized=False)), [1, 3, 5, 4, 2]),
        (with_token(AddedToken("字")), None),
        (bert(normalizer=normalizers.NFKC()), None),
        (bert(pre_tokenizer=pre_tokenizers.Metaspace()), None),
        (bert(model=models.BPE({"a": 0, "b": 1}, [])), None),
        (twice(), None),
    ],
)
def test_only_tokenizers_whose_words_are_apart_have_words(tokenizer: Tokenizer, ids: list[int] | None) -> None:
    found = words_of(tokenizer)
    assert ids == (None if found is None else found.ids("ab b").tolist())
    assert ids in (None, tokenizer.encode("ab b").ids)


def test_a_mark_of_a_token_of_its_own_is_left_to_the_tokenizer() -> None:
    tokenizer = with_token(AddedToken("b,", normalized=False))
    found = words_of(tokenizer)
    assert found is not None
    for text in ("a b,", "b, b. b,,", "ab, b"):
        assert found.ids(text).tolist() == tokenizer.encode(text).ids


def test_other_tokenizers_are_asked_for_the_whole_text(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    bert(pre_tokenizer=pre_tokenizers.WhitespaceSplit()).save(str(path))
    tokens = Tokens(path, {"document": "", "query": ""}, 16)
    assert tokens.word_ids("ab b", "query")[0].tolist() == [1, 3, 5, 4, 2]
