"""Whether weights that were taken out of an ONNX graph give the vectors that the graph itself gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import torch

from ...arrays import Floats, Ids
from ..errors import ExportError, first_line
from .sentence_encoder import SentenceEncoder

# Nodes that round what flows through them, not the weights alone.
_ROUNDING = ("QuantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "MatMulIntegerToFloat", "QGemm",
             "DynamicQuantizeMatMul", "QLinearMatMul", "QAttention", "MatMulNBits")  # fmt: skip
# The mean and the worst cosine, once the mean of all vectors is off both: unrelated texts may have one of .9 before.
_EXACT, _ROUNDED = (0.9995, 0.995), (0.95, 0.8)
# Names of outputs that are a text's vector as it is used; others, as a pooler's, are for a task of their own.
_VECTORS = ("sentence_embedding", "sentence_embeddings", "text_embeds", "embedding", "embeddings")


class Agreement(NamedTuple):
    """Cosines between a graph's vectors and those of its weights, the mean of all vectors taken off both."""

    mean: float
    worst: float
    texts: int


def compared(path: Path, model: Any, encoder: SentenceEncoder, first: int, texts: Sequence[Ids]) -> Agreement:
    """Compare a graph with an encoder that was given its weights.

    Args:
        path: the graph's file, model: the same, loaded.
        first: the number of a text's first position.
        texts: token ids (n,) int64 each.

    Raises:
        ExportError: the graph cannot be run, gives no states of tokens and no vectors, or other vectors.
    """
    try:
        session = _session(path)
        given = [_outputs(path, session, ids, first) for ids in texts]
        with torch.inference_mode():
            expected = np.stack([encoder(input_ids=torch.from_numpy(ids[None, :])).numpy()[0] for ids in texts])
            pooled = [_pooled(outputs, encoder) for outputs in given]
        own = [_own(outputs) for outputs in given]
    except ExportError:
        raise
    except Exception as error:  # ONNX Runtime and torch raise many kinds
        raise ExportError(f"{path}: cannot be compared with its weights ({first_line(error)})") from error
    found = [[row for row in rows if row is not None] for rows in (pooled, own)]
    if not any(found):
        raise ExportError(f"{path}: gives no states of tokens and no vector of a text, expected one of them")
    cosines = np.concatenate([_cosines(path, np.stack(rows), expected) for rows in found if rows])
    result = Agreement(float(cosines.mean()), float(cosines.min()), len(texts))
    mean, worst = _ROUNDED if any(node.op_type in _ROUNDING for node in model.graph.node) else _EXACT
    if not (result.mean >= mean and result.worst >= worst):
        raise ExportError(
            f"{path}: its weights, put into the architecture of the configuration, give other vectors than the graph "
            f"itself (cosine {result.mean:.4f} mean, {result.worst:.4f} worst with the mean taken off; expected {mean} "
            f"and {worst} or more); correct source.config or encoder.pooling"
        )
    return result


def _session(path: Path) -> onnxruntime.InferenceSession:
    """What runs a graph: with sums of 8-bit products that saturate nowhere, where ONNX Runtime has such kernels.

    Without VNNI they do saturate: weights of 8 bits give other vectors there, and right weights would be refused.
    """
    options, providers = onnxruntime.SessionOptions(), ["CPUExecutionProvider"]
    options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception:  # as for products of signed activations; ONNX Runtime's errors share no public base class
        return onnxruntime.InferenceSession(str(path), providers=providers)


def _outputs(path: Path, session: Any, ids: Ids, first: int) -> dict[str, Any]:
    """What a graph gives for a text, by name."""
    known = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
        "position_ids": first + np.arange(len(ids)),
    }
    inputs = session.get_inputs()
    if strange := [one.name for one in inputs if one.name not in known]:
        raise ExportError(f"{path}: asks for {strange[0]!r}, expected some of {', '.join(known)}")
    kinds = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
    given = {one.name: known[one.name][None, :].astype(kinds.get(one.type, np.int64)) for one in inputs}
    return dict(zip((one.name for one in session.get_outputs()), session.run(None, given), strict=True))


def _pooled(outputs: dict[str, Any], encoder: SentenceEncoder) -> Floats | None:
    """The unit vector that an encoder's head makes of the states of tokens among a graph's outputs."""
    hidden = encoder.trunk.config.hidden_size
    states = [values for values in outputs.values() if values.ndim == 3 and values.shape[2] == hidden]
    if not states:
        return None
    vector: Floats = encoder.head(torch.from_numpy(states[0].astype(np.float32)))[0].numpy()
    return vector


def _own(outputs: dict[str, Any]) -> Floats | None:
    """The text's vector among a graph's outputs, made unit."""
    own = [values for name, values in outputs.items() if values.ndim == 2 and name in _VECTORS]
    if not own and all(values.ndim == 2 for values in outputs.values()):
        own = list(outputs.values())
    return (own[0][0] / np.linalg.norm(own[0][0])).astype(np.float32) if own else None


def _cosines(path: Path, found: Floats, expected: Floats) -> Floats:
    if found.shape != expected.shape:
        raise ExportError(
            f"{path}: gives vectors of {found.shape[1]} numbers, expected {expected.shape[1]} by the configuration"
        )
    mean = expected.mean(axis=0)
    one, other = found - mean, expected - mean
    return np.asarray((one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1))
