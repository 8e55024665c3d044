"""How a learning rate falls while something is trained."""

from __future__ import annotations

import math


def cosine(highest: float, done: float) -> float:
    """From the highest to nothing, as half a cosine (SGDR, arXiv 1608.03983, without restarts).

    Args:
        done: the part of the training that is behind, 0 to 1.
    """
    return highest * 0.5 * (1 + math.cos(math.pi * done))
