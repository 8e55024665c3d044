"""A query, on its way to a question: is it one, and what vector does it have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from ...arrays import Floats
from ...document import lone_surrogate
from ...errors import QueryError
from ..intake.chunk import cut
from . import lexical
from .ranking import By

if TYPE_CHECKING:
    from ...encoding.encoder import Encoder

Mode = Literal["hybrid", "dense", "lexical"]
MODES: tuple[Mode, ...] = ("hybrid", "dense", "lexical")
GROUPINGS: tuple[By, ...] = ("document", "passage")


def check(query: str, k: int, mode: str, by: str) -> None:
    """Raise QueryError where a query is empty or too long, or an option is none; TypeError where it is no text."""
    if not isinstance(query, str):
        raise TypeError(f"query is {type(query).__name__}, expected str")
    if (place := lone_surrogate(query)) is not None:
        raise QueryError(f"the query holds a lone surrogate at {place}; remove it")
    if not query.strip():
        raise QueryError("the query is empty; give a question or a few words")
    if len(query) > lexical.MAX_CHARS:
        raise QueryError(f"the query has {len(query)} characters, at most {lexical.MAX_CHARS} are searched; shorten it")
    if (count := len(lexical.words(query))) > lexical.MAX_WORDS:
        raise QueryError(f"the query has {count} words, at most {lexical.MAX_WORDS} are searched; shorten it")
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise QueryError(f"k is {k!r}, expected a whole number of 1 or more")
    if mode not in MODES:
        raise QueryError(f"mode is {mode!r}, expected one of {', '.join(MODES)}")
    if by not in GROUPINGS:
        raise QueryError(f"by is {by!r}, expected one of {', '.join(GROUPINGS)}")


def vector(query: str, encoder: Encoder) -> Floats:
    """(1, dim) float32, unit; a query longer than the encoder reads is the mean of its parts."""
    tokens = encoder.tokens
    parts = [query[start:stop] for start, stop in cut(query, tokens, tokens.room("query"), 0)]
    mean = encoder.encode(parts, role="query").astype(np.float64).mean(axis=0, keepdims=True)
    return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)
