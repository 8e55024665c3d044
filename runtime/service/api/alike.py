"""Hits that say the same, folded under the best of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ...document import Hit

_RUN = 4
_SAME = 0.8  # of all runs of words that either has


def folded(hits: Sequence[Hit]) -> list[tuple[Hit, list[Hit]]]:
    """Each hit that says something of its own, in order, with those behind it whose passages say nearly the same.

    Nearly the same are two texts that share most of their runs of four words (Broder 1997).
    """
    found: list[tuple[Hit, list[Hit]]] = []
    sizes: list[int] = []
    having: dict[tuple[str, ...], list[int]] = {}
    for hit in hits:
        runs = _runs(hit.text)
        shared = Counter(row for run in runs for row in having.get(run, ()))
        same = [row for row, count in shared.items() if count >= _SAME * (len(runs) + sizes[row] - count)]
        if same:
            found[min(same)][1].append(hit)
            continue
        for run in runs:
            having.setdefault(run, []).append(len(found))
        found.append((hit, []))
        sizes.append(len(runs))
    return found


def _runs(text: str) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return frozenset(tuple(words[at : at + _RUN]) for at in range(max(1, len(words) - _RUN + 1)))
