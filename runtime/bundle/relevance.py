"""How likely a hit is relevant, by what both halves of a search say of it, as the bundle's report has it.

Where a study of judged collections was written into `report.json`, it holds

    "relevance": {"hybrid": [-4.1, 6.0, 2.0], "dense": [-4.0, 7.0], "lexical": [-4.0, 5.0], "bound": 0.1}

each a logistic regression (Platt 1999): a constant, then a weight of the cosine and one of the words' share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Doubles
from ..checks import require_keys
from .manifest import Bundle
from .report import read_part

_MOST = 1e6  # so no infinite number, and none that is no number
_KEYS = {"hybrid": 3, "dense": 2, "lexical": 2}


@dataclass(frozen=True)
class Relevance:
    """What share of hits with such scores were judged relevant, on collections that people have judged.

    Attributes:
        hybrid: constant, weight of the cosine, weight of the words' share.
        dense: constant and weight of the cosine, where words were not asked.
        lexical: constant and weight of the words' share, where meaning was not asked.
        bound: a hit below it does not fit.
    """

    hybrid: tuple[float, float, float]
    dense: tuple[float, float]
    lexical: tuple[float, float]
    bound: float

    def of(self, cosine: Doubles, words: Doubles) -> Doubles:
        """The relevance of hits, (n,) in 0 to 1.

        Args:
            cosine: (n,) of query and passage; NaN for all where meaning was not asked.
            words: (n,) BM25 as a part of the most that a passage could have; NaN for all where words were not asked.
        """
        if np.isnan(cosine).all():
            logits = self.lexical[0] + self.lexical[1] * words
        elif np.isnan(words).all():
            logits = self.dense[0] + self.dense[1] * cosine
        else:
            logits = self.hybrid[0] + self.hybrid[1] * np.nan_to_num(cosine) + self.hybrid[2] * np.nan_to_num(words)
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -50, 50))))

    def fits(self, relevance: float | None) -> bool:
        """Whether a hit of such relevance is likely enough to answer; so is one of which nothing is known."""
        return relevance is None or relevance >= self.bound


def read_relevance(bundle: Bundle) -> Relevance | None:
    """What a bundle's report says of relevance; None where it says nothing.

    Raises:
        BundleError: the report is missing or altered, or what it says of relevance is malformed.
    """
    return read_part(bundle, "relevance", relevance_of)


def relevance_of(values: object) -> Relevance:
    """What JSON holds of relevance; raises ValueError where it is malformed."""
    found = require_keys("relevance", values, {*_KEYS, "bound"})
    for key, count in _KEYS.items():
        numbers = found[key]
        if not isinstance(numbers, list) or len(numbers) != count or not all(map(_is_number, numbers)):
            raise ValueError(f"{key} is {numbers!r}, expected {count} numbers")
    if not _is_number(found["bound"]) or not 0 <= found["bound"] <= 1:
        raise ValueError(f"bound is {found['bound']!r}, expected a number from 0 to 1")
    hybrid, dense, lexical = (tuple(map(float, found[key])) for key in _KEYS)
    return Relevance(hybrid, dense, lexical, float(found["bound"]))  # type: ignore[arg-type]  # of a length that is checked


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _MOST
