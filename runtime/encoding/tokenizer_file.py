"""A tokenizer of any kind that the tokenizers library runs, out of its `tokenizer.json`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

from ..arrays import Ids, Mask, Rows
from ..errors import BundleError
from .tokenizer import Read
from .words import framing, starts_of, words_of

_PROBES = ("", "a", "b c", "1 2 .")


class LibraryTokenizer:
    """A tokenizer of the library, see `tokenizer.Tokenizer`; padding and truncation are switched off.

    Args:
        tokenizer: one that puts the same ids before and behind every text.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        head, tail = framing(tokenizer)
        self._head, self._tail = np.asarray(head, dtype=np.int64), np.asarray(tail, dtype=np.int64)
        for probe in _PROBES:
            if self.framed(self.read(probe).ids).tolist() != tokenizer.encode(probe).ids:
                raise ValueError("it does not put the same tokens before and behind every text")
        self._words = words_of(tokenizer)

    @property
    def special_tokens(self) -> int:
        """See `tokenizer.Tokenizer`."""
        return len(self._head) + len(self._tail)

    @property
    def highest_id(self) -> int:
        """See `tokenizer.Tokenizer`."""
        known = self._tokenizer.get_vocab(with_added_tokens=True).values()
        return int(max([*known, *self._head, *self._tail]))

    @property
    def unknown(self) -> int | None:
        """See `tokenizer.Tokenizer`."""
        name = getattr(self._tokenizer.model, "unk_token", None)
        return None if name is None else self._tokenizer.token_to_id(name)

    def read(self, text: str) -> Read:
        """See `tokenizer.Tokenizer`."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return Read(np.asarray(encoding.ids, dtype=np.int64), lambda: _chars(encoding))

    def framed(self, ids: Ids) -> Ids:
        """See `tokenizer.Tokenizer`."""
        return np.concatenate([self._head, ids, self._tail])

    def looked_up(self, text: str) -> Ids | None:
        """See `tokenizer.Tokenizer`."""
        return None if self._words is None else self._words.ids(text)

    def spans(self, text: str) -> tuple[Rows, Mask]:
        """See `tokenizer.Tokenizer`."""
        if self._words is not None:
            return self._words.spans(text)
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return _chars(encoding), np.asarray(starts_of(encoding), dtype=np.bool_)


def _chars(encoding: Encoding) -> Rows:
    """Where the tokens of a result of the library lie, (n, 2) int64."""
    return np.asarray(encoding.offsets, dtype=np.int64).reshape(-1, 2)


def read_tokenizer(path: Path) -> LibraryTokenizer:
    """Read a `tokenizer.json`.

    Raises:
        BundleError: the file is missing or no tokenizer.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return LibraryTokenizer(tokenizer)
    except Exception as error:  # the tokenizers library raises bare Exception
        raise BundleError(f"{path}: not a tokenizer file ({error}); build the bundle again") from error
