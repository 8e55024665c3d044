"""A recipe's source to the encoders of its bundle in float32: the source itself, or a family that one training gave."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from ...arrays import Floats, Ids
from ...encoding.tokens import Tokens
from ..encoder.head import Turn
from ..encoder.sentence_encoder import SentenceEncoder
from ..errors import ExportError
from ..quantize.calibration import own_texts
from ..quantize.embedding import half_positions
from ..quantize.onnx_graph import export_graph, write
from ..recipe.parts import TextsRecipe, TurnRecipe
from ..recipe.recipe import Recipe
from ..recipe.training import WIDEST, Cut, NestRecipe, StaticRecipe
from ..source.architectures import ARCHITECTURES
from ..source.settings import Settings
from ..steps import BuildSteps, Say, tensors_hash
from . import static_table
from .forms import form_of
from .nest import narrow_config, require_layers
from .passages import passages
from .students import students
from .targets import fitted_rotation, vectors

_SEED = 0
_COMPARED = 8


@dataclass(frozen=True, eq=False)
class Family:
    """The encoders of a bundle.

    Attributes:
        models: encoders by width, the widest first.
        turn: what their vectors are against those of the source; None for the same.
        static: `static.npz`; None where the recipe asks for none.
        space: sha256 of the weights.
    """

    models: Mapping[str, SentenceEncoder]
    turn: Turn | None
    static: Path | None
    space: str


def family(
    recipe: Recipe, encoder: SentenceEncoder, settings: Settings, tokens: Tokens, texts: Path, work: Path, say: Say
) -> Family:
    """Train what a recipe asks for; where it asks for nothing, the source's own weights are the only encoder.

    Args:
        encoder: the source's.
        settings: how texts go through it.
        texts: where the files are that the recipe names.
        work: where steps are kept.

    Raises:
        ExportError: a text file is not there or another than the recipe pins, or what an earlier build left is not
            whole.
    """
    if recipe.texts is None or (recipe.nest is None and recipe.turn is None):
        return Family({WIDEST: encoder}, None, None, tensors_hash({WIDEST: encoder.weights()}))
    if recipe.nest is None:
        assert recipe.turn is not None
        turn = _of_one(recipe.texts, recipe.turn, encoder, tokens, texts, work, say)
        models = {WIDEST: encoder.turned(encoder.trunk, turn)}
        return Family(models, turn, None, tensors_hash({WIDEST: models[WIDEST].weights()}))
    own = [tokens.ids(text, "document")[0] for text in own_texts()]
    drawn = [
        passages(recipe.texts, texts, course.passages, tokens, recipe.nest.query_prefix, work, say, course=number)
        for number, course in enumerate(recipe.nest.courses)
    ]
    (pooling,) = settings.pooling
    states, seen, targets = students(encoder.trunk, pooling, recipe.nest, own, drawn, work, say)
    given = sha256(b"".join(rows.tobytes() for rows in targets)).hexdigest()
    steps = BuildSteps(work, __name__, say, given)
    dims, mean = recipe.nest.prefixes(settings.dim), recipe.nest.mean
    turn = _turn(np.concatenate(targets), dims, mean, BuildSteps(work, __name__, say, f"{given} {dims} {mean}"))
    cuts = recipe.nest.cuts(encoder.trunk.config.num_hidden_layers)
    trunks = {width: trunk_of(encoder.trunk, cuts.get(width), state) for width, state in states.items()}
    _require_same(encoder.trunk, trunks[WIDEST], own[:_COMPARED])
    models = {width: encoder.turned(trunk, turn) for width, trunk in trunks.items()}
    table = None
    if recipe.static is not None:
        table = _look_up(recipe.static, encoder, tokens, seen, targets, turn, steps)
    return Family(models, turn, table, tensors_hash({width: model.weights() for width, model in models.items()}))


def _of_one(
    recipe: TextsRecipe,
    asked: TurnRecipe,
    encoder: SentenceEncoder,
    tokens: Tokens,
    texts: Path,
    work: Path,
    say: Say,
) -> Turn:
    """The turn of an encoder that is no family's, fitted to its own vectors of passages."""
    drawn = passages(recipe, texts, asked.passages, tokens, "", work, say, course=0).ids
    given = sha256(b"".join(ids.tobytes() for ids in drawn)).hexdigest()
    steps = BuildSteps(work, __name__, say, f"{tensors_hash({WIDEST: encoder.weights()})} {given}")
    told = steps.array(
        "vectors.npy",
        f"vectors of {len(drawn)} passages",
        lambda: vectors(_source_graph(encoder, tokens, steps), drawn),
    )
    told_hash = sha256(told.tobytes()).hexdigest()
    return _turn(told, asked.dims, asked.mean, BuildSteps(work, __name__, say, f"{told_hash} {asked}"))


def _turn(told: Floats, dims: Sequence[int], share: float, steps: BuildSteps) -> Turn:
    """The step that fits a rotation to vectors, and what part of their mean is taken off.

    Args:
        told: (n, dim) float32, unit rows.
    """

    def fit() -> Floats:
        mean = share * told.mean(axis=0)
        unit = told - mean
        rotation = fitted_rotation(unit / np.linalg.norm(unit, axis=1, keepdims=True), dims, _SEED)
        rotation = rotation.astype(np.float16).astype(np.float32)  # as it is stored
        return np.concatenate([rotation, (mean @ rotation)[None, :]])

    *rotation, mean = steps.array("turn.npy", "turn", fit)
    return Turn(np.stack(rotation), mean)


def _source_graph(encoder: SentenceEncoder, tokens: Tokens, steps: BuildSteps) -> Path:
    """The source as a float32 graph."""
    graph = steps.folder / "source.onnx"
    export_graph(encoder, tokens.max_tokens, graph)
    rounded = onnx.load(graph)
    half_positions(rounded)
    write(rounded, graph)
    return graph


def trunk_of(trunk: Any, cut: Cut | None, state: Mapping[str, torch.Tensor]) -> Any:
    """A plain transformer of the source's own class, of a width or, without a cut, of the widest."""
    narrow = copy.deepcopy(trunk.config) if cut is None else narrow_config(trunk.config, cut)
    left_out: dict[str, Any] = {"add_pooling_layer": False} if hasattr(trunk, "pooler") else {}
    model = type(trunk)(narrow, **left_out)
    model.load_state_dict(state)
    return model.eval()


def _require_same(source: Any, rebuilt: Any, texts: Sequence[Ids]) -> None:
    """Raise ExportError where a transformer that was made anew gives other states than the source."""
    for ids in texts:
        with torch.inference_mode():
            given = torch.from_numpy(ids[None, :])
            expected, found = (model(input_ids=given).last_hidden_state for model in (source, rebuilt))
        if not torch.allclose(expected, found, rtol=1e-4, atol=1e-4):
            raise ExportError("the source made anew of its weights gives other states; a family cannot be made of it")


def require_family(recipe: Recipe, settings: Settings, layers: object) -> None:
    """Raise ExportError where a recipe asks for a family that cannot be made of a source of so many layers."""
    if recipe.turn is not None and max(recipe.turn.dims) > settings.dim:
        raise ExportError(f"{recipe.path}: turn.dims is {recipe.turn.dims}, the source has {settings.dim}")
    if recipe.nest is None:
        return
    _check_sizes(recipe, recipe.nest, settings.dim)
    if not settings.architecture.nests:
        known = ", ".join(name for name, kind in ARCHITECTURES.items() if kind.nests)
        raise ExportError(f"{recipe.path}: has [nest], which {settings.model_type} is not made for; only {known} are")
    if settings.pooling not in (("mean",), ("cls",)) or settings.layers:
        raise ExportError(f"{recipe.path}: has [nest], which is for mean or cls pooling without layers behind it")
    if not isinstance(layers, int) or layers < 1:
        raise ExportError(f"{recipe.path}: has [nest], whose source has {layers!r} layers, expected 1 or more")
    for width, cut in recipe.nest.cuts(layers).items():
        require_layers(width, cut, form_of(settings.model_type), layers)


def _check_sizes(recipe: Recipe, nest: NestRecipe, size: int) -> None:
    """Raise where a recipe asks for more numbers than the source's vectors have."""
    if max(nest.dims, default=0) > size:
        raise ExportError(f"{recipe.path}: nest.dims is {nest.dims}, the source has {size}")
    if recipe.static is not None and recipe.static.rank > size:
        raise ExportError(f"{recipe.path}: static.rank is {recipe.static.rank}, the source has {size}")


def _look_up(
    recipe: StaticRecipe,
    encoder: SentenceEncoder,
    tokens: Tokens,
    seen: Sequence[Sequence[Ids]],
    targets: Sequence[Floats],
    turn: Turn,
    steps: BuildSteps,
) -> Path:
    """The step of `static.npz`: a table trained to give the turned vectors of all passages that were trained on."""

    def make(path: Path) -> None:
        graph = _source_graph(encoder, tokens, steps)
        first, last = seen[0][0][[0, -1]]
        single = vectors(graph, [np.array([first, id, last]) for id in range(tokens.highest_id + 1)])
        texts = [ids for course in seen for ids in course]
        table = static_table.trained(texts, turn(np.concatenate(targets)), turn(single), recipe, _SEED)
        path.write_bytes(static_table.packed(table, recipe.bits))

    return steps.file("static.npz", "train the look-up", make)
