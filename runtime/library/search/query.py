"""A query to a question: checked, with its vector and its words, ready to be answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...arrays import Floats
from ...checks import as_whole
from ...document import lone_surrogate
from ...errors import QueryError
from ..intake.chunk import cut
from ..store.filters import Where, to_sql
from . import lexical
from .fuse import CODE_WEIGHT, DENSE_WEIGHT, NAME_WEIGHT

if TYPE_CHECKING:
    from ...bundle.relevance import Relevance
    from ...encoding.encoder import Encoder

Mode = Literal["hybrid", "dense", "lexical"]
MODES: tuple[Mode, ...] = ("hybrid", "dense", "lexical")
By = Literal["document", "passage"]
GROUPINGS: tuple[By, ...] = ("document", "passage")


@dataclass(frozen=True)
class Question:
    """A query, ready to be answered.

    Attributes:
        vector: (1, dim) float32, unit; None to rank by words alone.
        terms: FTS5 expressions of `lexical.terms`; none to rank by meaning alone.
        condition: SQL and parameters of `filters.to_sql`; None for all documents.
        k: hits wanted.
        by: one hit a document, or one a passage.
        exact: rescore every passage.
        dense_weight: of the cosine in the sum of both halves.
        relevance: how likely hits are relevant by their scores; None where the bundle does not say it.
        earlier: gives the vector by the bundle that the library is brought over from, or None where that fails; None
            where it is not at hand.
    """

    vector: Floats | None
    terms: list[str]
    condition: tuple[str, list[Any]] | None
    k: int
    by: By
    exact: bool
    dense_weight: float = DENSE_WEIGHT
    relevance: Relevance | None = None
    earlier: Callable[[], Floats | None] | None = None


def question(
    query: str,
    k: int,
    mode: Mode,
    where: Where | None,
    by: By,
    exact: bool,
    encoder: Callable[[], Encoder],
    relevance: Relevance | None = None,
    earlier: Callable[[], Encoder] | None = None,
) -> Question:
    """The question that a search asks.

    Args:
        encoder: gives what encodes the query, unless it is searched by words alone.
        relevance: see `Question`.
        earlier: gives what encodes it for codes of an earlier bundle.

    Raises:
        QueryError: the query is empty or too long, or an option is not one.
        TypeError: the query is no text.
    """
    require_askable(query, k, mode, by)
    return Question(
        vector=None if mode == "lexical" else vector(query, encoder()),
        terms=[] if mode == "dense" else lexical.terms(query),
        condition=to_sql(where),
        k=int(k),
        by=by,
        exact=exact,
        dense_weight=_dense_weight(query),
        relevance=relevance,
        earlier=None if earlier is None else cache(partial(_vector_if_any, query, earlier)),
    )


def require_askable(query: str, k: int, mode: str, by: str) -> None:
    """Raise QueryError where a query is empty or too long, or an option is none; TypeError where it is no text."""
    if not isinstance(query, str):
        raise TypeError(f"query is {type(query).__name__}, expected str")
    if (offset := lone_surrogate(query)) is not None:
        raise QueryError(f"the query holds a lone surrogate at {offset}; remove it")
    if not query.strip():
        raise QueryError("the query is empty; give a question or a few words")
    if len(query) > lexical.MAX_CHARS:
        raise QueryError(f"the query has {len(query)} characters, at most {lexical.MAX_CHARS} are searched; shorten it")
    if (count := lexical.word_count(query)) > lexical.MAX_WORDS:
        raise QueryError(f"the query has {count} words, at most {lexical.MAX_WORDS} are searched; shorten it")
    if (as_whole(k) or 0) < 1:
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


def _vector_if_any(query: str, encoder: Callable[[], Encoder]) -> Floats | None:
    """The vector of an encoder that a search does without where it is gone, damaged or closed."""
    try:
        return vector(query, encoder())
    except (ValueError, OSError):
        return None


def _dense_weight(query: str) -> float:
    """How much meaning weighs for a query, see `fuse.fuse`."""
    if lexical.is_name(query):
        return NAME_WEIGHT
    return CODE_WEIGHT if lexical.has_code(query) else DENSE_WEIGHT
