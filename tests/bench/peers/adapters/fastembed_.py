"""fastembed with the plain ONNX export of the same weights; it encodes, and keeps nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .adapter import Encode, Peer, Vectors, Weights

BATCH = 32


def hello(folder: Path, texts: Sequence[str], question: str) -> Any:
    from fastembed import TextEmbedding

    model = TextEmbedding()
    return list(model.embed([*texts, question]))


def encoder(weights: Weights) -> Encode:
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    name = "local/all-MiniLM-L6-v2"
    TextEmbedding.add_custom_model(
        model=name, pooling=PoolingType.MEAN, normalization=True, sources=ModelSource(hf=name), dim=384,
        model_file="model.onnx",
    )  # fmt: skip
    path = str(weights.made / "onnx")
    model = TextEmbedding(name, specific_model_path=path, threads=weights.threads, local_files_only=True)
    return lambda texts, query: list(model.embed(list(texts), batch_size=BATCH))


PEER = Peer(
    ("fastembed",),
    ("fastembed", "onnxruntime"),
    "same",
    hello,
    encoder,
    lambda folder, weights: Vectors(folder, encoder(weights)),
)
