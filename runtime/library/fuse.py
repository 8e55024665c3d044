"""Lexical and dense scores into one order.

score = 0.8 * cosine + 0.2 * BM25 / best BM25

A convex sum (Bruch et al., arXiv 2210.11934) with the cosine as it is: where nothing is near in meaning the words
decide by themselves. The weight was chosen on three collections together; the README has the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

DENSE_WEIGHT = 0.8

Key = TypeVar("Key")
Group = TypeVar("Group")


@dataclass(frozen=True)
class Fused(Generic[Key]):
    """One key in the fused order.

    Attributes:
        key: a passage or a document, as the caller names it.
        score: what it is ordered by.
        dense_rank, lexical_rank: its place in either half, 1 for the best; None where that half did not find it.
    """

    key: Key
    score: float
    dense_rank: int | None
    lexical_rank: int | None


def fuse(
    cosine: Mapping[Key, float], bm25: Mapping[Key, float], found_dense: set[Key], bm25_floor: float
) -> list[Fused[Key]]:
    """Order the keys of both halves by their weighted sum, equal scores by smaller key.

    Args:
        cosine: by key, the score by meaning; of every key that either half found, or empty for words alone.
        bm25: by key, the score by words, of the keys that the lexical half found; empty for meaning alone.
        found_dense: the keys that the dense half found by itself.
        bm25_floor: what a key that the lexical half did not find counts for: 0 where that half found all there is,
            else the score of its last.
    """
    best = max(bm25.values(), default=0.0)
    lexical_scale = (1.0 - DENSE_WEIGHT if cosine else 1.0) / best if best > 0 else 0.0
    dense_scale = DENSE_WEIGHT if bm25 else 1.0
    scores = {
        key: dense_scale * cosine.get(key, 0.0) + lexical_scale * bm25.get(key, bm25_floor)
        for key in cosine.keys() | bm25.keys()
    }
    dense_ranks = _ranks({key: cosine[key] for key in found_dense})
    lexical_ranks = _ranks(bm25)
    return [
        Fused(key, score, dense_ranks.get(key), lexical_ranks.get(key))
        for key, score in sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    ]


def best_of_groups(scores: Mapping[int, float], groups: Mapping[int, Group]) -> dict[Group, float]:
    """The best score of each group of keys, by group."""
    best: dict[Group, float] = {}
    for key, score in scores.items():
        group = groups[key]
        best[group] = max(score, best.get(group, score))
    return best


def _ranks(scores: Mapping[Key, float]) -> dict[Key, int]:
    ordered = sorted(scores, key=lambda key: (-scores[key], key))
    return {key: rank for rank, key in enumerate(ordered, start=1)}
