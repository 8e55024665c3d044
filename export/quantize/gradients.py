"""Which directions of a token's embedding the final vector depends on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ...arrays import Floats, Ids
from ..encoder.sentence_encoder import SentenceEncoder


def embedding_moments(encoder: SentenceEncoder, texts: Sequence[Ids], seed: int) -> Floats:
    """Second moments of the gradients of the final vector by a token's row of the table, (width, width) float32.

    An error e in a row changes the vectors of the texts that hold the token by e' M e on average, squared, up to a
    factor. The gradient is taken along one random direction of the vector a text, all texts counting alike.

    Args:
        texts: token ids of the calibration texts, (n,) int64 each.
        seed: of the random directions.
    """
    random = torch.Generator().manual_seed(seed)
    look_up = encoder.trunk.get_input_embeddings()
    total = torch.zeros(0)
    for ids in texts:
        rows = look_up(torch.from_numpy(ids[None, :])).detach().requires_grad_(True)
        vector = encoder(inputs_embeds=rows)[0]
        (gradient,) = torch.autograd.grad(vector @ torch.randn(len(vector), generator=random), rows)
        product = gradient[0].T @ gradient[0] / len(texts)
        total = product if not len(total) else total + product
    return np.asarray(total.numpy(), dtype=np.float32)
