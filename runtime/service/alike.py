"""Hits that say the same, folded under the best of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..document import Hit

_RUN = 4
_SAME = 0.8  # of all runs of four words that either has


def folded(hits: Sequence[Hit]) -> list[tuple[Hit, list[Hit]]]:
    """Each hit that says something of its own, in order, with those behind it whose passages say nearly the same.

    Nearly the same are two texts that share most of their runs of four words (Broder 1997).
    """
    found: list[tuple[Hit, list[Hit]]] = []
    known: list[frozenset[tuple[str, ...]]] = []
    for hit in hits:
        runs = _runs(hit.text)
        for (_, others), of_best in zip(found, known, strict=True):
            if len(runs & of_best) >= _SAME * len(runs | of_best):
                others.append(hit)
                break
        else:
            found.append((hit, []))
            known.append(runs)
    return found


def _runs(text: str) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return frozenset(tuple(words[at : at + _RUN]) for at in range(max(1, len(words) - _RUN + 1)))
