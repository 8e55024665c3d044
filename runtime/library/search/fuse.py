"""Lexical and dense scores into one order.

score = 0.85 * cosine + 0.15 * BM25 / best BM25

A convex sum (Bruch et al., arXiv 2210.11934) with the cosine as it is: where nothing is near in meaning the words
decide by themselves. The weight was chosen on three collections together; tests/bench/README.md has the table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...arrays import Doubles, Keys, Mask

DENSE_WEIGHT = 0.85
# For a query that is one word, one code or one quoted phrase: whoever types it wants what holds it.
NAME_WEIGHT = 0.5
# For a query with a code among other words, `ticket CR-7891342`: meaning does not tell one code from another.
CODE_WEIGHT = 0.7


@dataclass(frozen=True, eq=False)
class Scores:
    """What both halves say of some keys, which are passages or documents.

    Attributes:
        keys: (n,) int64, each once.
        cosine: (n,) float64, the score by meaning; NaN where it is not known.
        bm25: (n,) float64, the score by words; NaN where that half did not find it.
        near: (n,) bool, whether the half by meaning found it by itself.
    """

    keys: Keys
    cosine: Doubles
    bm25: Doubles
    near: Mask


@dataclass(frozen=True, eq=False)
class Fused:
    """The keys in their order, best first, equal scores by smaller key.

    Attributes:
        keys: (n,) int64.
        scores: (n,) float64.
        cosine, bm25: (n,) float64, see `Scores`.
        dense_ranks, lexical_ranks: (n,) int64, the rank in either half, 1 for the best, equal for equal scores; 0 where
            that half did not find it.
    """

    keys: Keys
    scores: Doubles
    cosine: Doubles
    bm25: Doubles
    dense_ranks: Keys
    lexical_ranks: Keys


def fuse(scores: Scores, missing_bm25: float, dense_weight: float = DENSE_WEIGHT) -> Fused:
    """Order keys by the weighted sum of both halves; where one half found nothing, by the other.

    Args:
        missing_bm25: BM25 imputed to keys missing from the lexical list: 0 where that list has all there is, else the
            score of its last.
        dense_weight: of the cosine; the rest is that of BM25.
    """
    found = ~np.isnan(scores.bm25)
    best = scores.bm25[found].max(initial=0.0)
    dense, lexical = ~np.isnan(scores.cosine).all(), best > 0
    lexical_scale = (1.0 - dense_weight if dense else 1.0) / best if lexical else 0.0
    dense_scale = dense_weight if found.any() else 1.0
    sums = dense_scale * np.nan_to_num(scores.cosine) + lexical_scale * np.where(found, scores.bm25, missing_bm25)
    order = np.lexsort((scores.keys, -sums))
    return Fused(
        scores.keys[order],
        sums[order],
        scores.cosine[order],
        scores.bm25[order],
        _ranks(scores.cosine, scores.near)[order],
        _ranks(scores.bm25, found)[order],
    )


def best_of_groups(scores: Scores, groups: Keys) -> Scores:
    """The best scores of each group of keys.

    Args:
        groups: (n,) int64, the group of each key.
    """
    keys, inside = np.unique(groups, return_inverse=True)
    cosine, bm25 = np.full((2, len(keys)), np.nan)
    near = np.zeros(len(keys), dtype=np.bool_)
    np.fmax.at(cosine, inside, scores.cosine)
    np.fmax.at(bm25, inside, scores.bm25)
    np.logical_or.at(near, inside, scores.near)
    return Scores(keys, cosine, bm25, near)


def _ranks(values: Doubles, found: Mask) -> Keys:
    """1 for the best of those found, the same for equal values; 0 for the others."""
    ranked = np.sort(values[found])
    ranks = len(ranked) + 1 - np.searchsorted(ranked, values, side="right")
    return np.where(found, ranks, 0).astype(np.int64)
