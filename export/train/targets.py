"""The source's vectors of texts, and the rotation that suits what is kept of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from ...arrays import Floats, Ids
from .losses import bits, matryoshka
from .schedule import cosine

_TOKENS_A_RUN = 2048
_STEPS, _BATCH, _LEARNING_RATE = 700, 512, 4e-3
_BITS_WEIGHT, _ORTHOGONAL_WEIGHT = 10.0, 10.0


def vectors(graph: Path, texts: Sequence[Ids]) -> Floats:
    """The vectors that a float32 graph gives for texts, (n, dim): those of one length together, so that none is padded.

    Args:
        texts: token ids, special tokens included.
    """
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    found: list[Floats] = [np.zeros(0, dtype=np.float32)] * len(texts)
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    while order:
        length = len(texts[order[0]])
        most = max(1, _TOKENS_A_RUN // length)
        run = [row for row in order[:most] if len(texts[row]) == length]
        del order[: len(run)]
        outputs = session.run(["vector"], {"input_ids": np.stack([texts[row] for row in run])})[0]
        for row, vector in zip(run, outputs, strict=True):
            found[row] = vector
    return np.stack(found)


def fitted_rotation(targets: Floats, dims: Sequence[int], seed: int) -> Floats:
    """An orthogonal matrix, (dim, dim), by which vectors are turned so that their signs and their prefixes say most.

    Cosines of whole vectors stay as they are. In the spirit of ITQ (Gong et al. 2013), but trained to keep whom each
    text has for neighbours rather than its coordinates. It begins with no turn at all, which ends better than a drawn
    one does after three times as many steps.

    Args:
        targets: (n, dim) float32, unit rows.
        dims: lengths of the prefixes.
        seed: of the order of the texts.
    """
    random = torch.Generator().manual_seed(seed)
    dim = targets.shape[1]
    rotation = torch.eye(dim).requires_grad_(True)
    optimizer = torch.optim.Adam([rotation], lr=_LEARNING_RATE)
    for step in range(_STEPS):
        optimizer.param_groups[0]["lr"] = cosine(_LEARNING_RATE, step / _STEPS)
        rows = torch.randint(len(targets), (min(_BATCH, len(targets)),), generator=random)
        expected = torch.from_numpy(targets[rows.numpy()])
        turned = expected @ rotation
        loss = matryoshka(turned, expected, dims) + _BITS_WEIGHT * bits(turned, expected)
        off = ((rotation.T @ rotation - torch.eye(dim)) ** 2).sum() / dim
        optimizer.zero_grad()
        (loss + _ORTHOGONAL_WEIGHT * off).backward()
        optimizer.step()
    left, _, right = torch.linalg.svd(rotation.detach())
    return np.asarray((left @ right).numpy(), dtype=np.float32)
