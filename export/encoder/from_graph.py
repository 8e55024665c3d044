"""A model that is there as an ONNX graph alone, as a folder that the installed tools can read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModel

from ...arrays import Floats, Ids
from ...bundle.external_data import locations
from ...bundle.manifest import ROLES
from ...encoding.tokens import Tokens
from ..errors import ExportError, first_line
from ..quantize.calibration import own_texts
from ..recipe.parts import EncoderRecipe, OnnxSource
from ..source.graph_weights import named_weights
from ..source.json_file import read_object
from ..source.settings import CONFIG, Settings, read_settings, resolved
from ..source.weights import SAFE
from ..steps import Say
from .sentence_encoder import SentenceEncoder, load_encoder
from .tokenizer import write_tokenizer

_SMALL_FILES = ("*.json", "*.txt", "*.model")
_TRIED = 48
# Between the vectors of the graph, which rounds activations too where it is quantized, and those of its weights.
_MEAN, _WORST = 0.99, 0.95


def model_of_graph(source: Path, recipe: OnnxSource, encoder: EncoderRecipe, say: Say, folder: Path) -> None:
    """Write a model's folder with the weights of a graph, compared with what the graph itself gives.

    Args:
        source: the folder of graph and tokenizer.
        encoder: how texts go through the model, where no file says it.
        folder: an empty one.

    Raises:
        ExportError: the folder has no such graph, or it is of another architecture than the configuration says, holds
            too few weights or too many, stores them in a form that is not read or outside its folder, or its weights
            give other vectors than itself; one sentence.
    """
    for path in {path for name in _SMALL_FILES for path in source.glob(name) if path.is_file()}:
        shutil.copyfile(path, folder / path.name)
    config = {**read_object(source / CONFIG), **recipe.config}
    (folder / CONFIG).write_text(json.dumps(config, indent=2))
    settings, _ = resolved(encoder, read_settings(folder))
    path = source / recipe.graph
    weights = _weights(path, folder, settings)
    save_file({name: torch.from_numpy(values) for name, values in weights.items()}, folder / SAFE, {"format": "pt"})
    cosines = _compared(path, load_encoder(folder, settings), folder, settings)
    found = f"cosine {cosines.mean():.4f} mean, {cosines.min():.4f} worst over {len(cosines)} texts"
    if not (cosines.mean() >= _MEAN and cosines.min() >= _WORST):
        raise ExportError(
            f"{path}: its weights, put into the architecture {settings.model_type}, give other vectors than the graph "
            f"itself ({found}), expected {_MEAN} and {_WORST} or more; it is of another architecture or pooling"
        )
    say(f"weights out of {recipe.graph}: {found} to the graph's own vectors")


def _weights(path: Path, folder: Path, settings: Settings) -> Mapping[str, Floats]:
    """The weights of a graph by the names of the architecture that a folder's configuration describes."""
    model = _loaded(path)
    try:
        with torch.device("meta"):
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            trunk = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    except Exception as error:  # transformers raises many kinds
        raise ExportError(f"{folder / CONFIG}: transformers cannot read it ({first_line(error)})") from error
    left_out = "pooler" if settings.architecture.pooler else ""
    wanted = {
        name: tuple(values.shape)
        for name, values in trunk.named_parameters()
        if not left_out or name.partition(".")[0] != left_out
    }
    try:
        found = named_weights(model, wanted, left_out)
    except ExportError as error:
        raise ExportError(f"{path}: {error}") from error
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise ExportError(f"{path}: its weights cannot be read ({first_line(error)}); expected a graph that ONNX "
                          "Runtime runs") from error  # fmt: skip
    return {name: np.ascontiguousarray(values) for name, values in found.items()}


def _loaded(path: Path) -> Any:
    """A graph with all that it stores, none of it from outside its own folder."""
    try:
        outside = locations(path.read_bytes())
    except OSError as error:
        raise ExportError(f"{path}: cannot be read ({error.strerror}); expected the recipe's graph") from error
    except ValueError as error:
        raise ExportError(f"{path}: is no ONNX graph ({error})") from error
    for name in sorted(outside):
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts or "\\" in name or ":" in name:
            raise ExportError(f"{path}: takes weights from {name!r}, which is outside its folder")
        if not (path.parent / name).is_file():
            raise ExportError(f"{path.parent / name}: is missing, which {path.name} takes weights from")
        if path.parent.resolve() not in (path.parent / name).resolve().parents:
            raise ExportError(f"{path}: takes weights from {name!r}, which is outside its folder")
    try:
        return onnx.load(path)
    except Exception as error:  # onnx and protobuf raise many kinds
        raise ExportError(f"{path}: is no ONNX graph ({first_line(error)})") from error


def _compared(path: Path, encoder: SentenceEncoder, folder: Path, settings: Settings) -> Floats:
    """The cosine between the vectors of a graph and of an encoder, by text."""
    with TemporaryDirectory() as temporary:
        file = Path(temporary) / "tokenizer.json"
        write_tokenizer(folder, settings, file)
        tokens = Tokens(file, dict.fromkeys(ROLES, ""), settings.max_tokens)
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no public base class
        raise ExportError(f"{path}: ONNX Runtime cannot load it ({first_line(error)})") from error
    texts = own_texts()
    cosines = []
    for text in texts[:: max(1, len(texts) // _TRIED)]:
        ids = tokens.ids(text, "document")[0]
        with torch.inference_mode():
            given = encoder(input_ids=torch.from_numpy(ids[None, :])).numpy()[0]
        cosines.append(float(given @ _graph_vector(path, session, ids, encoder)))
    return np.asarray(cosines, dtype=np.float32)


def _graph_vector(path: Path, session: Any, ids: Ids, encoder: SentenceEncoder) -> Floats:
    """What a graph gives for a text, made a vector by the encoder's head where it gives states of tokens."""
    known = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
        "position_ids": np.arange(len(ids)),
    }
    inputs = session.get_inputs()
    if strange := [one.name for one in inputs if one.name not in known]:
        raise ExportError(f"{path}: asks for {strange[0]!r}, expected some of {', '.join(known)}")
    kinds = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
    given = {one.name: known[one.name][None, :].astype(kinds.get(one.type, np.int64)) for one in inputs}
    try:
        outputs = session.run(None, given)
    except Exception as error:
        raise ExportError(f"{path}: ONNX Runtime cannot run it ({first_line(error)})") from error
    hidden = encoder.trunk.config.hidden_size
    for values in outputs:
        if values.ndim == 3 and values.shape[2] >= hidden:
            with torch.inference_mode():
                return np.asarray(encoder.head(torch.from_numpy(values.astype(np.float32)))[0].numpy())
    for values in outputs:
        if values.ndim == 2:
            return np.asarray(values[0] / np.linalg.norm(values[0]), dtype=np.float32)
    raise ExportError(f"{path}: gives no states of tokens and no vector of a text")
