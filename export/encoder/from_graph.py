"""A model that is there as an ONNX graph alone, as a folder in transformers layout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModel

from ...arrays import Floats, Ids
from ...bundle.external_data import locations
from ...bundle.manifest import ROLES
from ...encoding.tokens import Tokens
from ...errors import BundleError
from ..errors import ExportError, first_line
from ..recipe.parts import EncoderRecipe, OnnxSource
from ..source.graph_weights import named_weights
from ..source.json_file import read_object
from ..source.readable import readable
from ..source.settings import CONFIG, TOKENIZER, Settings, read_settings, resolved, trunk_folder
from ..source.weights import SAFE, model_files, require_few
from ..steps import Say
from .graph_vectors import Agreement, compared
from .sentence_encoder import load_encoder
from .tokenizer import require_rows, write_tokenizer

TAKEN = "taken.json"

_STEP = 5
_FORMAT = {"format": "pt"}
_WEIGHTS = (".safetensors", ".bin")


def model_of_graph(
    source: Path, recipe: OnnxSource, encoder: EncoderRecipe, compared_on: Sequence[str], say: Say, folder: Path
) -> None:
    """Write a model's folder with the weights of a graph, compared with what the graph itself gives.

    Args:
        source: the folder of graph and tokenizer.
        encoder: how texts go through the model, where no file says it.
        compared_on: texts, of which some are compared.
        folder: an empty one.

    Raises:
        ExportError: the folder has no such graph, or it is of another architecture than the configuration says, holds
            too few weights or too many, stores them in a form that is not read or outside its folder, or its weights
            give other vectors than itself; one sentence.
    """
    trunk = _small_files(source, recipe.config, folder)
    settings, _ = resolved(encoder, read_settings(folder))
    path = source / recipe.graph
    with TemporaryDirectory() as temporary:
        plain = readable(folder, trunk, Path(temporary) / "plain")
        wanted = _wanted(plain / trunk, settings)
        model = loaded_graph(path)
        weights = _taken(path, model, wanted, settings)
        save_file({name: torch.from_numpy(values) for name, values in weights.items()}, folder / trunk / SAFE, _FORMAT)
        del weights
        whole = readable(folder, trunk, Path(temporary) / "whole")
        texts = _ids(compared_on[::_STEP], whole, settings)
        found = compared(path, model, load_encoder(whole, settings), _first_position(whole / trunk, settings), texts)
    (folder / TAKEN).write_text(json.dumps(found._asdict()))
    say(f"weights out of {recipe.graph}: {told(found)}")


def told(found: Agreement) -> str:
    """How near the weights of a graph are to itself, in words."""
    return (
        f"cosine {found.mean:.4f} mean, {found.worst:.4f} worst to the graph's own vectors over {found.texts} texts, "
        "the mean taken off"
    )


def agreement(folder: Path) -> Agreement:
    """What `model_of_graph` left in a folder."""
    return Agreement(**read_object(folder / TAKEN))


def loaded_graph(path: Path) -> Any:
    """A graph with all that it stores, none of it from outside its own folder; raises ExportError."""
    graph_files(path)
    try:
        return onnx.load(path)
    except Exception as error:  # onnx and protobuf raise many kinds
        raise ExportError(f"{path}: is no ONNX graph ({first_line(error)})") from error


def graph_files(path: Path) -> list[Path]:
    """The files that a graph is stored in, itself first.

    Raises:
        ExportError: it is none, or takes weights from a file that is missing or outside its folder.
    """
    try:
        outside = locations(path.read_bytes())
    except OSError as error:
        raise ExportError(f"{path}: cannot be read ({error.strerror}); expected the recipe's graph") from error
    except ValueError as error:
        raise ExportError(f"{path}: is no ONNX graph ({error})") from error
    files = [path]
    for name in sorted(outside):
        file = path.parent / name
        try:
            inside = file.resolve().parent == path.parent.resolve() and file.parent == path.parent
            there = file.is_file()
        except (OSError, ValueError):  # too long a name, or one that no file can have
            inside = there = False
        if not inside:
            raise ExportError(
                f"{path}: takes weights from {name[:100]!r}, which is outside its folder; copy the model with links "
                "followed, if that is where it came from"
            )
        if not there:
            raise ExportError(f"{file}: is missing, which {path.name} takes weights from")
        files.append(file)
    return files


def _small_files(source: Path, config: Mapping[str, object], folder: Path) -> str:
    """Copy what a model's folder has beside the weights of its transformer, whose folder is returned."""
    trunk = trunk_folder(source)
    for path in model_files(source):
        if path.parent == source / trunk and path.suffix in _WEIGHTS:
            continue
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (folder / trunk).mkdir(parents=True, exist_ok=True)
    values = {**read_object(source / trunk / CONFIG), **config}
    if values:
        (folder / trunk / CONFIG).write_text(json.dumps(values, indent=2))
    return trunk


def _wanted(folder: Path, settings: Settings) -> dict[str, tuple[int, ...]]:
    """The shapes of the architecture's parameters by name, but for what encoders leave out."""
    try:
        with torch.device("meta"):
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            trunk = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    except Exception as error:  # transformers raises many kinds
        raise ExportError(f"{folder / CONFIG}: transformers cannot read it ({first_line(error)})") from error
    left_out = _left_out(settings)
    wanted = {
        name: tuple(values.shape)
        for name, values in trunk.named_parameters()
        if not left_out or name.partition(".")[0] != left_out
    }
    require_few(folder, sum(map(prod, wanted.values())))
    return wanted


def _taken(path: Path, model: Any, wanted: Mapping[str, tuple[int, ...]], settings: Settings) -> dict[str, Floats]:
    """A graph's weights under the architecture's names, each an array of its own."""
    try:
        found = named_weights(model, wanted, _left_out(settings))
    except ExportError as error:
        raise ExportError(f"{path}: {error}") from error
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, MemoryError) as error:
        raise ExportError(
            f"{path}: its weights cannot be read ({first_line(error)}); expected a graph that ONNX Runtime runs"
        ) from error
    return {name: np.array(found[name], dtype=np.float32, order="C") for name in wanted}


def _left_out(settings: Settings) -> str:
    return "pooler" if settings.architecture.pooler else ""


def _ids(texts: Sequence[str], folder: Path, settings: Settings) -> list[Ids]:
    """Token ids of texts, (n,) int64 each."""
    with TemporaryDirectory() as temporary:
        file = Path(temporary) / TOKENIZER
        write_tokenizer(folder, settings, file)
        try:
            tokens = Tokens(file, dict.fromkeys(ROLES, ""), settings.max_tokens)
        except BundleError as error:
            raise ExportError(f"{folder}: has a tokenizer that cannot be used ({error})") from error
    require_rows(tokens, folder / settings.trunk)
    return [tokens.ids(text, "document")[0] for text in texts]


def _first_position(folder: Path, settings: Settings) -> int:
    """The number of a text's first position: behind the padding's id where the architecture counts so."""
    padding = read_object(folder / CONFIG).get("pad_token_id")
    return (padding if isinstance(padding, int) else 1) + 1 if settings.architecture.padded_positions else 0
