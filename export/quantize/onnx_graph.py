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
from transformers import AutoModel, logging

from ...arrays import Floats
from .activations import ROTATION
from .embedding import plain_embedding, replace

OPSET = 17


def load_model(source: Path) -> Any:
    """The transformers encoder of a folder, in float32 and ready to run."""
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # of weights that an encoder does not need
    return AutoModel.from_pretrained(
        source, attn_implementation="eager", add_pooling_layer=False, local_files_only=True, dtype=torch.float32
    ).eval()


def pool(hidden: torch.Tensor, pooling: str, rotation: torch.Tensor | None = None) -> torch.Tensor:
    """Token states of unpadded texts, (batch, sequence, dim), to unit vectors, (batch, dim).

    Args:
        rotation: (dim, dim), what a text's state is multiplied by; None for as it is.
    """
    pooled = hidden.mean(dim=1) if pooling == "mean" else hidden[:, 0]
    return torch.nn.functional.normalize(pooled if rotation is None else pooled @ rotation, dim=1)


def rotation_of(model: Any) -> torch.Tensor | None:
    """What a model's vectors are turned by, see `family.encoder_of`; None where they are not."""
    return getattr(model, ROTATION, None)


def export_graph(model: Any, pooling: str, max_tokens: int, path: Path) -> None:
    """Export through optimum, then fuse attention, layer norms and GELU with ONNX Runtime's optimizer.

    Args:
        model: a transformers encoder of BERT's form.
        max_tokens: the longest text; positions behind it are left out.
        path: the graph to write, in float32.
    """
    raw = path.with_suffix(".raw.onnx")
    torch.manual_seed(0)
    export(model, _config(pooling)(model.config, task="feature-extraction"), raw, opset=OPSET)
    fused = optimize_model(
        str(raw),
        model_type=model.config.model_type,
        num_heads=model.config.num_attention_heads,
        hidden_size=model.config.hidden_size,
        optimization_options=FusionOptions(model.config.model_type),
        opt_level=0,
    )
    fused.save_model_to_file(str(raw))
    finished = onnx.load(raw)
    plain_embedding(finished, max_tokens)
    _name_rotation(finished, rotation_of(model))
    shape = finished.graph.output[0].type.tensor_type.shape
    shape.dim[0].dim_param, shape.dim[1].dim_value = "batch", model.config.hidden_size
    write(finished, path)
    raw.unlink()


def _name_rotation(model: Any, rotation: torch.Tensor | None) -> None:
    """Give the product with the rotation its name, by which it is left in float32."""
    if rotation is None:
        return
    values = rotation.numpy()
    for tensor in model.graph.initializer:
        if tuple(tensor.dims) == values.shape and np.array_equal(numpy_helper.to_array(tensor), values):
            (node,) = (node for node in model.graph.node if tensor.name in node.input)
            node.name = ROTATION


def stored_rotation(model: Any) -> Floats | None:
    """What a graph turns its vectors by, (dim, dim); None where it does not."""
    for node in model.graph.node:
        if node.name == ROTATION:
            names = {node.input[1], f"{ROTATION}.half"}
            (values,) = (tensor for tensor in model.graph.initializer if tensor.name in names)
            return numpy_helper.to_array(values).astype(np.float32)
    return None


def half_rotation(model: Any) -> None:
    """Store what a graph turns its vectors by, if it does, in float16; it is multiplied in float32 as before."""
    values, half, whole = stored_rotation(model), f"{ROTATION}.half", f"{ROTATION}.float"
    if values is None or any(tensor.name == half for tensor in model.graph.initializer):
        return
    nodes = []
    for node in model.graph.node:
        if node.name == ROTATION:
            nodes.append(helper.make_node("Cast", [half], [whole], name=whole, to=onnx.TensorProto.FLOAT))
            node.input[1] = whole
        nodes.append(node)
    replace(model, nodes, {half: values.astype(np.float16)})


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
    onnx.checker.check_model(str(path), full_check=False)


def _config(pooling: str) -> type[TextEncoderOnnxConfig]:
    class Patcher(ModelPatcher):  # type: ignore[misc]
        """Makes the model's forward pass the whole way from ids to a unit vector."""

        def __init__(self, config: Any, model: Any, model_kwargs: dict[str, Any] | None = None) -> None:
            super().__init__(config, model, model_kwargs)

            def forward(input_ids: torch.Tensor) -> dict[str, torch.Tensor]:
                hidden = self.orig_forward(input_ids=input_ids).last_hidden_state
                return {"vector": pool(hidden, pooling, rotation_of(self._model))}

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
