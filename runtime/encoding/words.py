"""Tokens of words that were seen before, looked up instead of made again: many times as fast as the tokenizer, where a
word that is new costs two to three times what it costs there.

In BERT's tokenizers a text's tokens are those of its parts between spaces, one after another: normalizing, splitting
and WordPiece (arXiv 1609.08144) all stop at a space. Tokenizers of any other kind have no `Words`.
"""

from __future__ import annotations

import re
from array import array
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from ..arrays import Ids, Mask, Rows

_PROBES = ("a", "", "a a b")
_LETTERS = "aetno1."
# English text has its words again and again; so many take about 30 MB, and of the worst kind five times that.
_MOST_WORDS = 1 << 16
_LONGEST_WORD = 32
_TOKEN_BYTES = 4 * array("i").itemsize
# What a word of ASCII is made of: punctuation is a token of its own wherever it stands, and what is between is a word.
_PARTS = re.compile(r"[0-9A-Za-z]+|[!-/:-@[-`{-~]")


class Words:
    """The tokens of a tokenizer's words.

    Args:
        tokenizer: one whose `is_split_at_spaces` holds.
        head, tail: ids of the special tokens before and behind every text.
        most_words: how many words are kept.
    """

    def __init__(self, tokenizer: Tokenizer, head: list[int], tail: list[int], most_words: int) -> None:
        self._tokenizer, self._most_words = tokenizer, most_words
        self._head, self._tail = np.asarray(head, dtype=np.int64), np.asarray(tail, dtype=np.int64)
        special = (re.escape(token.content) for token in tokenizer.get_added_tokens_decoder().values())
        self._special = re.compile("|".join(special) or r"(?!)", re.IGNORECASE)
        # By word, for each of its tokens: id, first character and one past the last, whether it begins a word. int32.
        self._known: dict[str, bytes] = {}
        self._asked: dict[str, bytes] = {}  # what the tokenizer was asked for; words with punctuation are made of it

    def ids(self, text: str) -> Ids:
        """The ids of a whole text, (n,) int64, special tokens included."""
        return np.concatenate([self._head, _rows(self._tokens(text.split(" ")))[:, 0], self._tail], dtype=np.int64)

    def spans(self, text: str) -> tuple[Rows, Mask]:
        """Where the tokens of a text lie, (n, 2) int64, and which begin a word, (n,) bool; see `tokens.Spans`."""
        words = text.split(" ")
        found = self._tokens(words)
        rows = _rows(found)
        begins = np.cumsum([0, *map(len, words[:-1])]) + np.arange(len(words))
        sizes = np.fromiter(map(len, found), dtype=np.int64, count=len(found)) // _TOKEN_BYTES
        return rows[:, 1:3] + np.repeat(begins, sizes)[:, None], rows[:, 3] != 0

    def _tokens(self, words: list[str]) -> list[bytes]:
        found = list(map(self._known.get, words))
        if None in found:
            found = [self._learned(word) if one is None else one for word, one in zip(words, found, strict=True)]
        return cast("list[bytes]", found)

    def _learned(self, word: str) -> bytes:
        """The tokens of a word, which is kept unless it is long."""
        if len(word) > _LONGEST_WORD:
            return self._read(word)
        found = [self._asked.get(part) or self._kept(self._asked, part, self._read(part)) for part in self._parts(word)]
        return self._kept(self._known, word, found[0] if len(found) == 1 else _joined(found))

    def _kept(self, words: dict[str, bytes], word: str, tokens: bytes) -> bytes:
        """The tokens of a word, which is kept; when there are too many words, all are forgotten before."""
        if len(words) >= self._most_words:
            words.clear()
        words[word] = tokens
        return tokens

    def _parts(self, word: str) -> list[str]:
        """Words that have the tokens of a word, one after another; itself where that is not sure."""
        parts = _PARTS.findall(word)
        return parts if len("".join(parts)) == len(word) > 0 and not self._special.search(word) else [word]

    def _read(self, word: str) -> bytes:
        encoding = self._tokenizer.encode(word, add_special_tokens=False)
        rows = zip(encoding.ids, encoding.offsets, starts_of(encoding), strict=True)
        return array("i", [value for id, span, starts in rows for value in (id, *span, starts)]).tobytes()


def _rows(found: list[bytes]) -> npt.NDArray[np.int32]:
    """The tokens of words, one after another: (n, 4)."""
    return np.frombuffer(b"".join(found), dtype=np.int32).reshape(-1, 4)


def _joined(parts: list[bytes]) -> bytes:
    """The tokens of a word from those of its parts, of which each ends where its last token does."""
    values, begin = array("i"), 0
    for part in parts:
        own = array("i", part)
        for row in range(0, len(own), 4):
            own[row + 1] += begin
            own[row + 2] += begin
        begin = own[-2]
        values += own
    return values.tobytes()


def starts_of(encoding: Any) -> list[bool]:
    """Which tokens of a tokenizer's result begin a word; special tokens do, each by itself."""
    words = encoding.word_ids
    return [word is None or word != before for word, before in zip(words, [None, *words], strict=False)]


def words_of(tokenizer: Tokenizer, most_words: int = _MOST_WORDS) -> Words | None:
    """The words of a tokenizer; None where a text's ids may be others than those of its parts between spaces."""
    if not is_split_at_spaces(tokenizer):
        return None
    words = Words(tokenizer, *framing(tokenizer), most_words)
    return words if all(words.ids(probe).tolist() == tokenizer.encode(probe).ids for probe in _PROBES) else None


def framing(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The ids that a tokenizer puts before a text, and behind it."""
    plain = {letter: len(tokenizer.encode(letter, add_special_tokens=False).ids) for letter in _LETTERS}
    probe = next((letter for letter, tokens in plain.items() if tokens), "")
    whole, inside = tokenizer.encode(probe), plain.get(probe, 0)
    start = next((row for row, special in enumerate(whole.special_tokens_mask) if not special), len(whole.ids))
    return whole.ids[:start], whole.ids[start + inside :]


def is_split_at_spaces(tokenizer: Tokenizer) -> bool:
    """Whether nothing that a tokenizer does reaches over a space."""
    return (
        isinstance(tokenizer.normalizer, normalizers.BertNormalizer)
        and isinstance(tokenizer.pre_tokenizer, pre_tokenizers.BertPreTokenizer)
        and isinstance(tokenizer.model, models.WordPiece)
        and all(
            token.content.isascii()
            and not any(map(str.isspace, token.content))
            and not (token.lstrip or token.rstrip or token.single_word)
            for token in tokenizer.get_added_tokens_decoder().values()
        )
    )
