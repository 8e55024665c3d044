from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from nestling.arrays import Ids
from nestling.export.quantize.activations import session
from nestling.export.train.losses import bits, matryoshka
from nestling.export.train.targets import fitted_rotation, vectors


def test_texts_have_the_vectors_that_they_have_alone(tiny: Path, texts: list[Ids]) -> None:
    import onnx

    run = session(onnx.load(tiny / "float32.onnx"))
    alone = np.concatenate([run.run(["vector"], {"input_ids": ids[None]})[0] for ids in texts])
    shuffled = np.random.default_rng(0).permutation(len(texts))
    found = vectors(tiny / "float32.onnx", [texts[row] for row in shuffled] * 2)
    assert np.abs(found - np.concatenate([alone[shuffled]] * 2)).max() < 1e-5


def test_a_rotation_keeps_cosines_and_serves_bits_and_prefixes() -> None:
    random = np.random.default_rng(0)
    # Most of what tells texts apart lies in a few directions, and those are across the axes.
    across = np.linalg.qr(random.normal(size=(32, 32)))[0]
    rows = (random.normal(size=(600, 32)) * np.geomspace(1, 0.05, 32)) @ across
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    rotation = fitted_rotation(rows, [32, 16, 8], seed=0)
    assert np.abs(rotation.T @ rotation - np.eye(32)).max() < 1e-5
    before, after = torch.from_numpy(rows), torch.from_numpy(rows @ rotation)
    assert matryoshka(after, before, [16, 8]) < 0.8 * matryoshka(before, before, [16, 8])
    assert bits(after, before) < bits(before, before)
    assert (fitted_rotation(rows, [32, 16, 8], seed=0) == rotation).all()
