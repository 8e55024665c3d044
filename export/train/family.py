"""A recipe's source to the encoders of its bundle in float32: the source itself, or a family that one training gave."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from transformers import BertModel

from ...encoding.tokens import Tokens
from ..errors import ExportError
from ..quantize.activations import ROTATION, Floats, Ids
from ..quantize.calibration import drawn_texts, own_texts
from ..quantize.onnx_graph import export_graph, load_model
from ..recipe.recipe import WIDEST, WIDTHS, Recipe, TextsRecipe
from ..steps import Work
from . import static_table as static
from .distil import TARGETS, distil
from .nest import nest, read_plan, sliced
from .targets import fitted_rotation, vectors

LOOK_UP = "static.npz"

# What a training passage is, see `calibration.drawn_texts`: words as in a query, a line or its beginning, or some
# lines. Most are short, so that there are more of them in the same time; some are as long as an encoder reads.
_KINDS = (*[(-8, None)] * 2, *[(0, 150)] * 14, *[(200, 300)] * 2, (500, 600), (900, 1200))
_FITTED_ON = 700
_SEED = 0


@dataclass(frozen=True, eq=False)
class Family:
    """The encoders of a bundle.

    Attributes:
        models: transformers encoders by width, the widest first.
        rotation: (dim, dim) float32, what their vectors are turned by against those of the source; None for nothing.
        static: `static.npz`; None where the recipe asks for none.
        space: sha256 of the weights.
    """

    models: Mapping[str, Any]
    rotation: Floats | None
    static: Path | None
    space: str


def family(recipe: Recipe, source: Path, tokens: Tokens, texts: Path, work: Work) -> Family:
    """Train what a recipe asks for; where it asks for nothing, the source's own weights are the only encoder.

    Args:
        source: a folder of weights.
        texts: where the files are that the recipe names.

    Raises:
        ExportError: a text file is not there or another than the recipe pins, or the recipe has a dim, a layer or a
            rank that the source has not, or what an earlier build left is not whole.
    """
    model = load_model(source)
    if recipe.nest is None or recipe.texts is None:
        return Family({WIDEST: model}, None, None, weights_hash({WIDEST: model}))
    nested = recipe.nest
    if max(nested.dims) > model.config.hidden_size:
        raise ExportError(f"{recipe.path}: nest.dims is {nested.dims}, the source has {model.config.hidden_size}")
    if recipe.static is not None and recipe.static.rank > model.config.hidden_size:
        raise ExportError(
            f"{recipe.path}: static.rank is {recipe.static.rank}, the source has {model.config.hidden_size}"
        )
    layers = model.config.num_hidden_layers
    attention = nested.attention
    if attention is not None and max(attention.layers) >= layers:
        raise ExportError(
            f"{recipe.path}: nest.attention.layers is {attention.layers}, the source's layers are 0 to {layers - 1}"
        )
    widths = [WIDEST, *nested.widths]
    passages = [
        _passages(place, recipe.texts, course.passages, tokens, texts, work)
        for place, course in enumerate(nested.courses)
    ]
    folders = [work.folder / f"distil-{place + 1}" for place in range(len(passages))]

    def train(path: Path) -> None:
        fitted_on = [tokens.ids(text, "document")[0] for text in own_texts()] + passages[0][:_FITTED_ON]
        student = copy.deepcopy(model)
        nest(student, widths[1:], fitted_on, attention)
        student.set_attn_implementation("sdpa")  # faster than the one that is exported
        for place, course in enumerate(nested.courses):
            distil(student, model, passages[place], course, folders[place], work.say, seed=_SEED + place)
        states = {name: sliced(student, read_plan(name, layers)).state_dict() for name in widths[1:]}
        torch.save({WIDEST: model.state_dict(), **states}, path)

    states = torch.load(work.step("students.pt", "nest and train", train), weights_only=True)
    seen, targets = _seen(passages, folders)

    def turn() -> Floats:
        # Of the first course alone: a further one leaves the widest encoder's vectors as they were.
        return fitted_rotation(targets[0], nested.dims, _SEED).astype(np.float16).astype(np.float32)  # as it is stored

    rotation = work.array("rotation.npy", "rotation", turn)
    models = {name: encoder_of(model.config, name, states[name], rotation) for name in widths}
    table = None
    if recipe.static is not None:
        asked = recipe.static

        def look_up(path: Path) -> None:
            graph, encoder = work.folder / "source.onnx", recipe.encoder
            export_graph(model, encoder.pooling, encoder.max_tokens, graph)
            first, last = passages[0][0][[0, -1]]
            all_seen = [ids for course in seen for ids in course]
            single = vectors(graph, [np.array([first, id, last]) for id in range(tokens.highest_id + 1)])
            found = static.trained(all_seen, np.concatenate(targets) @ rotation, single @ rotation, asked, _SEED)
            path.write_bytes(static.packed(found, asked.bits))

        table = work.step(LOOK_UP, "train the look-up", look_up)
    return Family(models, rotation, table, weights_hash(models))


def encoder_of(config: Any, width: str, state: Mapping[str, torch.Tensor], rotation: Floats) -> Any:
    """A plain encoder of a width, of the source's form but for its feed-forward parts, with the rotation."""
    narrow = copy.deepcopy(config)
    narrow.intermediate_size = int(config.intermediate_size * WIDTHS[width])
    model: Any = BertModel(narrow, add_pooling_layer=False)  # type: ignore[no-untyped-call]
    model.load_state_dict(state)
    model.register_buffer(ROTATION, torch.from_numpy(rotation))
    return model.eval()


def weights_hash(models: Mapping[str, Any]) -> str:
    """sha256 of the weights of all models."""
    digest = hashlib.sha256()
    for width, model in models.items():
        for name, values in sorted(model.state_dict().items()):
            digest.update(f"{width} {name}".encode())
            digest.update(values.numpy().tobytes())
    return digest.hexdigest()


def _seen(passages: Sequence[list[Ids]], folders: Sequence[Path]) -> tuple[list[list[Ids]], list[Floats]]:
    """The passages that each course took, and the source's vectors of them, (n, dim) float32 a course."""
    seen, targets = [], []
    for drawn, folder in zip(passages, folders, strict=True):
        if not (folder / TARGETS).exists():
            raise ExportError(
                f"{folder / TARGETS}: is not there, which the training left; remove {folder.parent} to begin anew"
            )
        rows = np.load(folder / TARGETS)
        taken = np.flatnonzero(rows.any(axis=1))
        seen.append([drawn[place] for place in taken])
        targets.append(rows[taken])
    return seen, targets


def _passages(place: int, recipe: TextsRecipe, count: int, tokens: Tokens, folder: Path, work: Work) -> list[Ids]:
    """Token ids of the training texts of a course."""

    def draw(path: Path) -> None:
        passages = drawn_texts(recipe, folder, count, _SEED + place, _KINDS)
        Random(_SEED + place).shuffle(passages)  # they come file by file, and the first ones are fitted to
        drawn = [tokens.ids(text, "document")[0] for text in passages]
        with path.open("wb") as stream:
            np.savez(stream, ids=np.concatenate(drawn).astype(np.int32), counts=[len(ids) for ids in drawn])

    with np.load(work.step(f"passages-{place + 1}.npz", f"draw {count} passages", draw)) as stored:
        ids, ends = stored["ids"].astype(np.int64), np.cumsum(stored["counts"])
    return np.split(ids, ends[:-1])
