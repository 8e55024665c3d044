"""How far a student's vectors are from its teacher's: each by itself, and by whom it has for neighbours.

All take vectors (n, dim) float32 of the same texts, or tokens, student's and teacher's, and give one number that is 0
where they agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

# Similarities are multiplied by so much before their softmax over the other texts: one over its temperature.
_INVERSE_TEMPERATURE = 20.0
_MASKED = -1e9


def distance(found: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """The mean of 1 - cosine."""
    return 1 - torch.nn.functional.cosine_similarity(found, expected, dim=1).mean()


def neighbours(found: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """How far each text's distribution over the others is from the teacher's: their mean Kullback-Leibler divergence.

    Rows need not be unit. A batch of one text has no others, and no loss.
    """
    if len(found) < 2:
        return found.sum() * 0
    student, teacher = (_scores(vectors).log_softmax(dim=1) for vectors in (found, expected))
    return torch.nn.functional.kl_div(student, teacher, reduction="batchmean", log_target=True)


def matryoshka(found: torch.Tensor, expected: torch.Tensor, dims: Sequence[int]) -> torch.Tensor:
    """`neighbours` of prefixes of the vectors, summed (Matryoshka, arXiv 2205.13147).

    Whom a prefix has for neighbours is asked of the teacher's whole vector, so that it may become better than the
    teacher's own prefix.

    Args:
        dims: lengths of the prefixes.
    """
    return torch.stack([neighbours(found[:, :dim], expected) for dim in dims]).sum()


def bits(found: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """`neighbours` of the signs of unit vectors, with the gradient passed straight through (arXiv 1611.01116).

    Vectors are made unit first: with the gradient of signs alone they would grow.
    """
    unit = torch.nn.functional.normalize(found, dim=1)
    return neighbours(unit + (unit.sign() - unit).detach(), expected)


def _scores(vectors: torch.Tensor) -> torch.Tensor:
    """Cosines of each row with the others, over the temperature; its own is masked."""
    unit = torch.nn.functional.normalize(vectors, dim=1)
    scores = _INVERSE_TEMPERATURE * unit @ unit.T
    return scores.masked_fill(torch.eye(len(unit), dtype=torch.bool), _MASKED)
