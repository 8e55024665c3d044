"""Ids of words that were seen before, looked up instead of tokenized again: several times as fast as the tokenizer.

In BERT's tokenizers a text's ids are those of its parts between spaces, one after another: normalizing, splitting and
WordPiece (arXiv 1609.08144) all stop at a space. Tokenizers of any other kind have no `Words`.
"""

from __future__ import annotations

from array import array

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

_PROBES = ("a", "", "a a b")
# English text has its words again and again; so many take about 10 MB, and of the worst kind a few times that.
_MOST_WORDS = 1 << 16
_LONGEST_WORD = 32


class Words:
    """The ids of a tokenizer's words.

    Args:
        tokenizer: one whose `are_apart` holds.
        head, tail: ids of the special tokens before and behind every text.
    """

    def __init__(self, tokenizer: Tokenizer, head: list[int], tail: list[int]) -> None:
        self._tokenizer = tokenizer
        self._head, self._tail = _packed(head), _packed(tail)
        self._known: dict[str, bytes] = {}

    def ids(self, text: str) -> npt.NDArray[np.int64]:
        """The ids of a whole text, (n,) int64, special tokens included."""
        words = text.split(" ")
        found: list[bytes | None] = list(map(self._known.get, words))
        parts = [self._learned(word) if part is None else part for word, part in zip(words, found, strict=True)]
        return np.frombuffer(b"".join((self._head, *parts, self._tail)), dtype=np.int64)

    def _learned(self, word: str) -> bytes:
        """The ids of a word, which is kept unless it is long; when there are too many, all are forgotten."""
        ids = _packed(self._tokenizer.encode(word, add_special_tokens=False).ids)
        if len(word) <= _LONGEST_WORD:
            if len(self._known) >= _MOST_WORDS:
                self._known.clear()
            self._known[word] = ids
        return ids


def words_of(tokenizer: Tokenizer) -> Words | None:
    """The words of a tokenizer; None where a text's ids may be others than those of its parts between spaces."""
    if not are_apart(tokenizer):
        return None
    inside = len(tokenizer.encode(_PROBES[0], add_special_tokens=False).ids)
    whole = tokenizer.encode(_PROBES[0])
    start = next((place for place, special in enumerate(whole.special_tokens_mask) if not special), 0)
    words = Words(tokenizer, whole.ids[:start], whole.ids[start + inside :])
    return words if all(words.ids(probe).tolist() == tokenizer.encode(probe).ids for probe in _PROBES) else None


def are_apart(tokenizer: Tokenizer) -> bool:
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


def _packed(ids: list[int]) -> bytes:
    """Ids as the bytes of int64."""
    return array("q", ids).tobytes()
