"""A recipe's source to the encoders of its bundle in float32: the source itself, or a family that one training gave."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertModel

from ...arrays import Floats, Ids
from ...encoding.tokens import Tokens
from ..errors import ExportError
from ..quantize.activations import ROTATION
from ..quantize.calibration import own_texts
from ..quantize.onnx_graph import export_graph, load_model
from ..recipe.parts import EncoderRecipe
from ..recipe.recipe import Recipe
from ..recipe.training import WIDEST, WIDTHS, NestRecipe, StaticRecipe
from ..steps import BuildSteps, Say
from . import static_table
from .passages import passages
from .students import students, weights_hash
from .targets import fitted_rotation, vectors

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


def family(recipe: Recipe, source: Path, tokens: Tokens, texts: Path, work: Path, say: Say) -> Family:
    """Train what a recipe asks for; where it asks for nothing, the source's own weights are the only encoder.

    Args:
        source: a folder of weights.
        texts: where the files are that the recipe names.
        work: where steps are kept.

    Raises:
        ExportError: a text file is not there or another than the recipe pins, or the recipe has a dim or a rank that
            the source has not, or what an earlier build left is not whole.
    """
    model = load_model(source)
    if recipe.nest is None or recipe.texts is None:
        return Family({WIDEST: model}, None, None, weights_hash({WIDEST: model}))
    _check_sizes(recipe, recipe.nest, model.config.hidden_size)
    own = [tokens.ids(text, "document")[0] for text in own_texts()]
    drawn = [
        passages(recipe.texts, texts, course.passages, tokens, work, say, course=number)
        for number, course in enumerate(recipe.nest.courses)
    ]
    states, seen, targets = students(model, recipe.nest, own, drawn, work, say)
    given = sha256(b"".join(rows.tobytes() for rows in targets)).hexdigest()
    dims, steps = recipe.nest.dims, BuildSteps(work, __name__, say, given)

    def turn() -> Floats:
        # Of the first course alone: a further one leaves the widest encoder's vectors as they were.
        rotation = fitted_rotation(targets[0], dims, _SEED)
        return rotation.astype(np.float16).astype(np.float32)  # as it is stored

    rotation = steps.array("rotation.npy", "rotation", turn)
    models = {width: encoder_of(model.config, width, state, rotation) for width, state in states.items()}
    table = None
    if recipe.static is not None:
        table = _look_up(recipe.static, model, recipe.encoder, tokens, seen, targets, rotation, steps)
    return Family(models, rotation, table, weights_hash(models))


def encoder_of(config: Any, width: str, state: Mapping[str, torch.Tensor], rotation: Floats) -> Any:
    """A plain encoder of a width, of the source's form but for its feed-forward parts, with the rotation."""
    narrow = copy.deepcopy(config)
    narrow.intermediate_size = int(config.intermediate_size * WIDTHS[width])
    model: Any = BertModel(narrow, add_pooling_layer=False)  # type: ignore[no-untyped-call]
    model.load_state_dict(state)
    model.register_buffer(ROTATION, torch.from_numpy(rotation))
    return model.eval()


def _check_sizes(recipe: Recipe, nest: NestRecipe, size: int) -> None:
    """Raise where a recipe asks for more numbers than the source's vectors have."""
    if max(nest.dims) > size:
        raise ExportError(f"{recipe.path}: nest.dims is {nest.dims}, the source has {size}")
    if recipe.static is not None and recipe.static.rank > size:
        raise ExportError(f"{recipe.path}: static.rank is {recipe.static.rank}, the source has {size}")


def _look_up(
    recipe: StaticRecipe,
    model: Any,
    encoder: EncoderRecipe,
    tokens: Tokens,
    seen: Sequence[Sequence[Ids]],
    targets: Sequence[Floats],
    rotation: Floats,
    steps: BuildSteps,
) -> Path:
    """The step of `static.npz`: a table trained to give the turned vectors of all passages that were trained on."""

    def make(path: Path) -> None:
        graph = steps.folder / "source.onnx"
        export_graph(model, encoder.pooling, encoder.max_tokens, graph)
        first, last = seen[0][0][[0, -1]]
        single = vectors(graph, [np.array([first, id, last]) for id in range(tokens.highest_id + 1)])
        texts = [ids for course in seen for ids in course]
        table = static_table.trained(texts, np.concatenate(targets) @ rotation, single @ rotation, recipe, _SEED)
        path.write_bytes(static_table.packed(table, recipe.bits))

    return steps.file("static.npz", "train the look-up", make)
