"""model2vec, distilled from the same weights without a network, see `MAKER`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .adapter import Encode, Peer, Vectors, Weights

DIM, FOLDER = 384, "model2vec"


def hello(folder: Path, texts: Sequence[str], question: str) -> Any:
    from model2vec import StaticModel

    model = StaticModel.from_pretrained("minishlab/potion-base-8M")
    return model.encode([question]) @ model.encode(list(texts)).T


def encoder(weights: Weights) -> Encode:
    from model2vec import StaticModel

    model = StaticModel.from_pretrained(str(weights.made / FOLDER))
    return lambda texts, query: model.encode(list(texts))


def distilled(weights: Weights) -> None:
    from model2vec.distill import distill

    distill(model_name=str(weights.source), pca_dims=DIM, device="cpu").save_pretrained(str(weights.made / FOLDER))


PEER = Peer(
    ("model2vec",), ("model2vec",), "own", hello, encoder, lambda folder, weights: Vectors(folder, encoder(weights))
)
# What distils it has an environment of its own, so that what it needs weighs on nobody.
MAKER = Peer(("torch==2.13.0", "model2vec[distill,quantization]"), ("model2vec",), "own", make=distilled)
