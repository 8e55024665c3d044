"""Texts to token ids, with the bundle's prefix for the role; says what was left out.

Padding and truncation stored in `tokenizer.json` are switched off: every text is one unpadded array of ids,
so its vector cannot depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arrays import Ids, Mask, Rows
from ..bundle.manifest import ROLES, Role
from ..errors import BundleError
from .tokenizer import Tokenizer
from .tokenizer_file import read_tokenizer
from .unigram import read_unigram

_BLOCK_CHARS = 65536
# How many characters of a text are read, one after another until there are tokens enough. The last is a bound: a
# word without end, or characters that the tokenizer drops, cost over a hundred bytes each and give next to no tokens,
# while a text that says something fills an encoder from far fewer.
_READ_CHARS = (4096, 16384, 65536, 262144, 1048576)
# Tokens that begin so far before the end of what is read are those of the whole text: WordPiece makes a longer word one
# token. Of pieces the last ones of a longer run without a space may be others.
_UNSURE_CHARS = 1024
_LOOKED_AT = 10_000
# Tokens that a text must have left behind a prefix.
LEAST_ROOM = 4


@dataclass(frozen=True)
class Spans:
    """Where the tokens of a text lie, without special tokens.

    Attributes:
        chars: (n, 2) int64, first character and one past the last character of each token.
        starts_word: (n,) bool, true where a token begins a word, or with a letter of a script that is written without
            spaces; only there may a text be cut.
    """

    chars: Rows
    starts_word: Mask


class Tokens:
    """A bundle's tokenizer, with its prefixes and its limit of tokens a text.

    Args:
        path: the bundle's tokenizer: `.json` is one of the tokenizers library, `.npz` a vocabulary of pieces.
        prefixes: text put before every text of a role; it belongs to the model, not to the caller.
        max_tokens: most ids a text may have, special tokens and prefix included.

    Raises:
        BundleError: the file is no tokenizer, or leaves no room for a text.
    """

    def __init__(self, path: Path, prefixes: dict[Role, str], max_tokens: int) -> None:
        self._tokenizer: Tokenizer = read_unigram(path) if path.suffix == ".npz" else read_tokenizer(path)
        special = self._tokenizer.special_tokens
        try:
            self._reserved = {role: self._taken(prefixes[role]) + special for role in ROLES}
            # What a text without a token is read as, where the tokenizer adds none of its own to it.
            blank = self._tokenizer.framed(self._tokenizer.read(" ").ids)
        except Exception as error:  # the tokenizers library raises bare Exception
            raise BundleError(f"{path}: not a tokenizer file ({error}); build the bundle again") from error
        self._blank = blank if len(blank) else np.zeros(1, dtype=np.int64)
        self._prefixes = dict(prefixes)
        self._letters: dict[
            str, bool
        ] = {}  # whether they are known, of those that were looked up; no more than Unicode
        self.max_tokens = max_tokens
        for role in ROLES:
            if self.room(role) < LEAST_ROOM:
                raise BundleError(
                    f"{path}: of {max_tokens} tokens, {self.room(role)} are left for a {role} behind its prefix, "
                    f"expected {LEAST_ROOM} or more; build the bundle again"
                )

    def _taken(self, prefix: str) -> int:
        """How many tokens a prefix has before a text: a space at its end may be part of the text's first one."""
        alone, behind = (len(self._tokenizer.read(text).ids) for text in ("a", prefix + "a"))
        return max(0, behind - alone)

    def room(self, role: Role) -> int:
        """Tokens of a text of this role that the encoder reads, after the prefix and the special tokens."""
        return self.max_tokens - self._reserved[role]

    @property
    def highest_id(self) -> int:
        """The highest id that a text can have; special tokens need not be in the vocabulary."""
        return self._tokenizer.highest_id

    @property
    def unknown(self) -> int | None:
        """The id of what the vocabulary has no token for; None where it has tokens for all."""
        return self._tokenizer.unknown

    def ids(self, text: str, role: Role) -> tuple[Ids, int]:
        """The ids of one text, cut at `max_tokens`.

        Of a long text only as much is read as is needed for that, so a book costs no more than a page, and never
        more than its first 1,048,576 characters; what is behind them counts as left out. The ids are those that the
        whole text begins with, wherever the reading ends; only inside a word of over 1,024 characters may they differ.

        Returns:
            ids: (n,) int64, 1 to `max_tokens`, special tokens included; a text without any is read as a blank.
            left_out: how many of the text's characters are behind the last token; 0 for a text that fits.
        """
        prefix = self._prefixes[role]
        most = self.max_tokens - self._tokenizer.special_tokens
        for chars in _READ_CHARS:
            read = self._tokenizer.read(prefix + text[:chars])
            sure = len(read.ids)
            if chars < len(text):
                sure = int(np.searchsorted(read.chars()[:, 0], len(prefix) + chars - _UNSURE_CHARS))
            if sure > most or chars >= len(text):
                break
        ids, left_out = read.ids, 0
        if sure > most or chars < len(text):
            ids = ids[: min(sure, most)]
            end = int(read.chars()[len(ids) - 1, 1]) if len(ids) else 0
            left_out = len(text) - max(0, end - len(prefix))
        ids = self._tokenizer.framed(ids)
        return ids if len(ids) else self._blank, left_out

    def word_ids(self, text: str, role: Role) -> tuple[Ids, int]:
        """The same as `ids`, many times as fast where the words of the text were seen before.

        A text that is longer than what `ids` reads first, or than the encoder reads, is left to it.
        """
        if len(text) <= _READ_CHARS[0]:
            ids = self._tokenizer.looked_up(self._prefixes[role] + text)
            if ids is not None and 0 < len(ids) <= self.max_tokens:
                return ids, 0
        return self.ids(text, role)

    def is_foreign(self, text: str) -> bool:
        """Whether the vocabulary has nothing for most of a text, as of one in a script that it does not know.

        Of a long text the first 10,000 characters are looked at.
        """
        read = text[:_LOOKED_AT]
        if self.unknown is None or all(map(self._knows, filter(str.isalpha, set(read)))):
            return False
        ids = self._tokenizer.read(read).ids
        return 2 * int(np.count_nonzero(ids == self.unknown)) > len(ids)

    def _knows(self, letter: str) -> bool:
        if letter not in self._letters:
            self._letters[letter] = self.unknown not in self._tokenizer.read(letter).ids
        return self._letters[letter]

    def spans(self, text: str) -> Spans:
        """Where every token of a text of any length lies, for cutting it into passages.

        The text is read in blocks, so that memory stays bounded for a book as for a line.
        """
        chars: list[Rows] = []
        starts_word: list[Mask] = []
        for begin, end in _blocks(text):
            found, starts = self._tokenizer.spans(text[begin:end])
            chars.append(found + begin)
            starts_word.append(starts)
        if not chars:
            return Spans(np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.bool_))
        return Spans(np.concatenate(chars), np.concatenate(starts_word))

    def count(self, text: str) -> int:
        """Tokens of a text, special tokens not counted."""
        return len(self.spans(text).chars)

    def readable(self, text: str, role: Role) -> str:
        """The start of a text that the encoder reads of it in this role, cut where a word ends."""
        return self.truncated(text, self.room(role))

    def truncated(self, text: str, tokens: int) -> str:
        """The longest start of a text that has at most `tokens` tokens, cut where a word ends."""
        spans = self.spans(text)
        if len(spans.chars) <= tokens:
            return text
        cut = int(np.flatnonzero(spans.starts_word[: tokens + 1])[-1])
        return text[: int(spans.chars[cut - 1, 1])] if cut else ""


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Ranges of at most 65,536 characters that cover a text and end behind white space where there is any."""
    begin = 0
    while begin < len(text):
        end = _end(text, begin, _BLOCK_CHARS)
        yield begin, end
        begin = end


def _end(text: str, begin: int, chars: int) -> int:
    """Where a block of at most so many characters ends: behind the last white space in it where there is any."""
    end = begin + chars
    if end >= len(text):
        return len(text)
    last_space = max(text.rfind(" ", begin, end), text.rfind("\n", begin, end))
    return last_space + 1 if last_space > begin else end
