"""A transformers encoder to one fused ONNX graph: `input_ids` (batch, sequence) to `vector` (batch, dim), unit rows.

Pooling and normalisation are in the graph, so that no runtime can do them wrongly. The graph has no attention mask:
the runtime gives it one unpadded text a run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model
from optimum.exporters.onnx import export
from optimum.exporters.onnx.config import TextEncoderOnnxConfig
from optimum.exporters.onnx.model_patcher import ModelPatcher
from optimum.utils import NormalizedTextConfig

from ..encoder.head import ROTATION, Head, Turn
from ..encoder.sentence_encoder import SentenceEncoder
from ..errors import ExportError, first_line
from ..memory import give_back
from .activations import needed
from .embedding import named_embedding, plain_embedding, replace

OPSET = 17

_HEAD = "head_of_texts"
_HALF = f"{ROTATION}.half"
_LONG = 150
# ONNX Runtime has these in the domain of ONNX itself, whose checker does not know them.
_UNKNOWN_TO_ONNX = ("SimplifiedLayerNormalization",)
# Of float32 that was added in another order.
_SAME = 1 - 1e-5


def export_graph(encoder: SentenceEncoder, max_tokens: int, path: Path) -> None:
    """Export through optimum, then fuse what ONNX Runtime's optimizer can: attention, layer norms, GELU.

    Args:
        max_tokens: the longest text; positions behind it are left out where they are a table of the graph's.
        path: the graph to write, in float32.

    Raises:
        ExportError: the model cannot be exported, or its graph gives other vectors.
    """
    raw = path.with_suffix(".raw.onnx")
    config = encoder.trunk.config
    torch.manual_seed(0)
    encoder.trunk.add_module(_HEAD, encoder.head)  # so that its arrays are stored as the trunk's are
    try:
        export(encoder.trunk, _config(encoder.head)(config, task="feature-extraction"), raw, opset=OPSET)
    except Exception as error:  # torch and optimum raise many kinds
        raise ExportError(f"the model cannot be exported ({first_line(error)})") from error
    finally:
        delattr(encoder.trunk, _HEAD)
    finished = _fused(raw, config, encoder.bert_embedding)
    raw.unlink()
    if encoder.bert_embedding:
        plain_embedding(finished, max_tokens)
    else:
        named_embedding(finished, encoder.table.detach().numpy())
        _cut_angles(finished, max_tokens)
    _without_masks(finished)
    _name_rotation(finished, encoder.head.rotation)
    dim = encoder(input_ids=torch.zeros((1, 1), dtype=torch.int64)).shape[1]
    shape = finished.graph.output[0].type.tensor_type.shape
    shape.dim[0].dim_param, shape.dim[1].dim_value = "batch", dim
    write(finished, path)
    _require_same(encoder, path, max_tokens)


def _fused(raw: Path, config: Any, bert_embedding: bool) -> Any:
    """What ONNX Runtime's optimizer for BERT makes of a graph: it fuses what it knows, and leaves the rest."""
    options = FusionOptions("bert")
    if not bert_embedding:
        options.enable_embed_layer_norm = False
    fused = optimize_model(
        str(raw),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        optimization_options=options,
        opt_level=0,
    )
    fused.save_model_to_file(str(raw))
    del fused
    give_back()
    return onnx.load(raw)


def _cut_angles(model: Any, max_tokens: int) -> None:
    """Keep of the tables of rotary positions what a text can reach; ONNX Runtime's fusion stores 131,072 rows."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    tables = {name for node in model.graph.node if node.op_type == "RotaryEmbedding" for name in node.input[2:4]}
    others = {name for node in model.graph.node if node.op_type != "RotaryEmbedding" for name in node.input}
    for name in tables - others:
        if name in stored:
            rows = numpy_helper.to_array(stored[name])[:max_tokens]
            stored[name].CopyFrom(numpy_helper.from_array(rows, name))


def _without_masks(model: Any) -> None:
    """Take the mask from fused attention, with all that made it: there is no padding."""
    for node in model.graph.node:
        if node.op_type == "Attention":
            del node.input[3:]
    replace(model, needed(model, "input_ids", "vector")[0], {})


def _require_same(encoder: SentenceEncoder, path: Path, max_tokens: int) -> None:
    """Raise ExportError where a graph gives other vectors than the encoder that it was made of."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    random, rows = np.random.default_rng(0), len(encoder.table)
    for length in sorted({1, min(7, max_tokens), min(_LONG, max_tokens)}):
        ids = random.integers(0, rows, (1, length))
        with torch.inference_mode():
            expected = encoder(input_ids=torch.from_numpy(ids)).numpy()
        found = session.run(["vector"], {"input_ids": ids})[0]
        cosine = float((expected * found).sum())
        if not cosine > _SAME:
            raise ExportError(
                f"the exported graph gives other vectors than the model on {length} tokens (cosine {cosine:.6f}); "
                "this model cannot be exported"
            )


def _name_rotation(model: Any, rotation: torch.Tensor | None) -> None:
    """Give the product with the rotation its name, by which it is left in float32."""
    if rotation is None:
        return
    values = rotation.numpy()
    for tensor in model.graph.initializer:
        if tuple(tensor.dims) == values.shape and np.array_equal(numpy_helper.to_array(tensor), values):
            (node,) = (node for node in model.graph.node if tensor.name in node.input)
            node.name = ROTATION


def stored_turn(model: Any) -> Turn | None:
    """How a graph turns its vectors; None where it does not."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.name == ROTATION:
            rotation = stored.get(node.input[1]) or stored[_HALF]
            (less,) = (other for other in model.graph.node if node.output[0] in other.input)
            mean = stored[less.input[1]]
            return Turn(*(numpy_helper.to_array(values).astype(np.float32) for values in (rotation, mean)))
    return None


def half_rotation(model: Any) -> None:
    """Store what a graph turns its vectors by, if it does, in float16; it is multiplied in float32 as before."""
    turn, whole = stored_turn(model), f"{ROTATION}.float"
    if turn is None or any(tensor.name == _HALF for tensor in model.graph.initializer):
        return
    nodes = []
    for node in model.graph.node:
        if node.name == ROTATION:
            nodes.append(helper.make_node("Cast", [_HALF], [whole], name=whole, to=onnx.TensorProto.FLOAT))
            node.input[1] = whole
        nodes.append(node)
    replace(model, nodes, {_HALF: turn.rotation.astype(np.float16)})


def optimized(model: Any, work: Path) -> Any:
    """A graph with ONNX Runtime's own fusions done once and for all, for every processor alike.

    Args:
        work: a folder for temporary files.
    """
    before, after = work / "before.onnx", work / "after.onnx"
    write(model, before)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(after)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(before), options, providers=["CPUExecutionProvider"])
    result = onnx.load(after)
    before.unlink()
    after.unlink()
    return result


def write(model: Any, path: Path) -> None:
    """Write a graph with the same bytes for equal graphs, and nothing in it of the machine that made it."""
    del model.metadata_props[:]
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
    path.write_bytes(model.SerializeToString(deterministic=True))
    if not any(node.op_type in _UNKNOWN_TO_ONNX for node in model.graph.node):
        onnx.checker.check_model(str(path), full_check=False)


def _config(head: Head) -> type[TextEncoderOnnxConfig]:
    class Patcher(ModelPatcher):  # type: ignore[misc]
        """Makes the model's forward pass the whole way from ids to a unit vector."""

        def __init__(self, config: Any, model: Any, model_kwargs: dict[str, Any] | None = None) -> None:
            super().__init__(config, model, model_kwargs)

            def forward(input_ids: torch.Tensor) -> dict[str, torch.Tensor]:
                return {"vector": head.forward(self.orig_forward(input_ids=input_ids).last_hidden_state)}

            self.patched_forward = forward

    class Config(TextEncoderOnnxConfig):  # type: ignore[misc]
        """One input, one output."""

        NORMALIZED_CONFIG_CLASS = NormalizedTextConfig
        _MODEL_PATCHER = Patcher

        @property
        def inputs(self) -> dict[str, dict[int, str]]:
            return {"input_ids": {0: "batch", 1: "sequence"}}

        @property
        def outputs(self) -> dict[str, dict[int, str]]:
            return {"vector": {0: "batch"}}

    return Config
