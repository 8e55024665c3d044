"""What `Tokens` asks of a tokenizer, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from ..arrays import Ids, Mask, Rows


class Read(NamedTuple):
    """The tokens of a text, special ones left out.

    Attributes:
        ids: (n,) int64.
        chars: gives the first character and one past the last character of each, (n, 2) int64; called for long texts
            alone, since it takes as long as cutting a text does.
    """

    ids: Ids
    chars: Callable[[], Rows]


class Tokenizer(Protocol):
    """What cuts texts into tokens: a file of the tokenizers library, or a vocabulary of pieces."""

    @property
    def special_tokens(self) -> int:
        """How many ids stand before and behind the tokens of every text."""

    @property
    def highest_id(self) -> int:
        """The highest id that a text can have."""

    @property
    def unknown(self) -> int | None:
        """The id of what the vocabulary has no token for; None where it has tokens for all."""

    def read(self, text: str) -> Read:
        """The tokens of a text, special ones left out."""

    def framed(self, ids: Ids) -> Ids:
        """Ids with the special ones before and behind them."""

    def looked_up(self, text: str) -> Ids | None:
        """The ids of a whole text, special ones included, from words that were seen before; None where that is not
        sure to be right."""

    def spans(self, text: str) -> tuple[Rows, Mask]:
        """Where the tokens of a text lie, and before which it may be cut; see `tokens.Spans`."""
