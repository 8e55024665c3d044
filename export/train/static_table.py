"""The narrowest encoder: a table with a row and a weight a token, which needs no neural network to run.

A text's vector is the weighted sum of its tokens' rows, made unit. The table starts from the teacher's vectors of
single tokens, with weights that fall with a token's frequency (SIF, Arora et al. 2017), and is trained on the teacher's
vectors of texts as the nested encoders are, so that it shares their space.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...arrays import Floats, Ids, Rows
from ..quantize.blocks import pairs
from ..recipe.training import StaticRecipe
from .losses import distance, neighbours
from .schedule import cosine

# A token that is every thousandth weighs half as much as one that is never seen.
_FREQUENT = 1e-3
_DISTANCE_WEIGHT = 10.0


@dataclass(frozen=True, eq=False)
class StaticTable:
    """What a text's vector is summed up from.

    Attributes:
        rows: (tokens, rank) float32.
        weights: (tokens,) float32.
        map: (rank, dim) float32, what the sum is multiplied by.
    """

    rows: Floats
    weights: Floats
    map: Floats


def trained(texts: Sequence[Ids], targets: Floats, single: Floats, recipe: StaticRecipe, seed: int) -> StaticTable:
    """Train a table.

    Args:
        texts: token ids of the training texts, special tokens included.
        targets: (n, dim), the vectors that they are to have.
        single: (tokens, dim), the vector that each token is to have by itself.
        seed: of the order of the texts.
    """
    frequencies = np.bincount(np.concatenate(texts), minlength=len(single)) / sum(map(len, texts))
    start = torch.from_numpy(single)
    axes = torch.linalg.svd(start, full_matrices=False).Vh[: recipe.rank]
    # Turned, so that no number of a row stands out: a row has one scale for all.
    axes = torch.linalg.qr(torch.randn(len(axes), len(axes), generator=torch.Generator().manual_seed(seed)))[0] @ axes
    rows, onto = torch.nn.Parameter(start @ axes.T), torch.nn.Parameter(axes.clone())
    # As logarithms, so that a step changes a small weight and a large one by the same part.
    logarithms = torch.nn.Parameter(torch.from_numpy(np.log(_FREQUENT / (_FREQUENT + frequencies))).float())
    optimizer = torch.optim.Adam([rows, onto, logarithms], lr=recipe.learning_rate)
    steps = len(texts) // recipe.batch * recipe.passes
    for step, batch in enumerate(_batches(len(texts), recipe, seed)):
        for group in optimizer.param_groups:
            group["lr"] = cosine(recipe.learning_rate, step / steps)
        ids = [texts[row] for row in batch]
        begins = torch.from_numpy(np.cumsum([0, *map(len, ids[:-1])]))
        flat = torch.from_numpy(np.concatenate(ids))
        weights = logarithms[flat].exp()
        sums = torch.nn.functional.embedding_bag(flat, rows, begins, mode="sum", per_sample_weights=weights)
        found, expected = sums @ onto, torch.from_numpy(np.asarray(targets[batch], dtype=np.float32))
        loss = _DISTANCE_WEIGHT * distance(found, expected) + neighbours(found, expected)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return StaticTable(*(values.detach().numpy() for values in (rows, logarithms.exp(), onto)))


def packed(table: StaticTable, bits: int) -> bytes:
    """A table as `static.npz`: rows in so many bits, 4 or 8, with a scale each that is a part of the token's weight."""
    highest = 7 if bits == 4 else 127
    reach = np.maximum(np.abs(table.rows).max(axis=1, keepdims=True), 1e-12)
    scales, codes = _nearest(table.rows, reach / highest, highest)
    stored = pairs((codes + 8).astype(np.uint8)) if bits == 4 else codes.astype(np.int8)
    factors = (table.weights * scales[:, 0]).astype(np.float16)
    stream = io.BytesIO()
    np.savez(stream, codes=stored, factors=factors, map=table.map.astype(np.float16))
    return stream.getvalue()


def _nearest(rows: Floats, scales: Floats, highest: int) -> tuple[Floats, Floats]:
    """Scales (tokens, 1) that leave the least squared error, and the codes."""
    best = np.full((len(rows), 1), np.inf, dtype=np.float32)
    chosen = scales
    for shrink in np.linspace(0.5, 1.0, 11, dtype=np.float32) if highest < 127 else np.ones(1, dtype=np.float32):
        tried = scales * shrink
        error = ((np.clip((rows / tried).round(), -highest, highest) * tried - rows) ** 2).sum(axis=1, keepdims=True)
        chosen = np.where(error < best, tried, chosen)
        best = np.minimum(error, best)
    return chosen, np.clip((rows / chosen).round(), -highest, highest)


def _batches(texts: int, recipe: StaticRecipe, seed: int) -> Iterator[Rows]:
    for number in range(recipe.passes):
        order = np.random.default_rng([seed, number]).permutation(texts)
        for begin in range(0, texts - recipe.batch + 1, recipe.batch):
            yield order[begin : begin + recipe.batch]
