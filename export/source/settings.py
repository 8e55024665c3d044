"""What a model's own files say of how texts go through it; read from JSON alone, before anything is loaded.

The rules are those of sentence-transformers, so that its `encode_query` and `encode_document` and a bundle's roles are
the same; a folder without `modules.json` is a transformers model, of which it takes the mean of all tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ExportError
from ..recipe.parts import POOLINGS, EncoderRecipe
from .architectures import ARCHITECTURES, Architecture
from .json_file import read_list, read_object
from .layers import Layer, read_layer

CONFIG, TOKENIZER = "config.json", "tokenizer.json"
MODULES = "modules.json"

# What a text may have at most, as in a bundle's manifest.
_MOST_TOKENS = 32768
# By their names in older files, see `POOLINGS`.
_OLD_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_MODULE_CONFIGS = ("sentence_bert_config.json", "sentence_roberta_config.json", "sentence_distilbert_config.json",
                   "sentence_camembert_config.json", "sentence_xlm-roberta_config.json")  # fmt: skip
# What sentence-transformers hands on to transformers: some of it makes another model of the same files.
_HANDED_ON = ("model_args", "model_kwargs", "config_args", "config_kwargs", "tokenizer_args", "processor_kwargs",
              "processing_kwargs")  # fmt: skip
_HARMLESS = {"attn_implementation", "torch_dtype", "dtype", "add_pooling_layer", "trust_remote_code", "use_fast"}
_PACKAGE = "sentence_transformers."
_WITHOUT_EFFECT = ("Dropout",)


@dataclass(frozen=True)
class Settings:
    """How texts go through a model.

    Attributes:
        trunk: the folder of the transformer, inside the model's.
        model_type: its architecture, a key of `ARCHITECTURES`.
        pooling: see `POOLINGS`; what several give is put one behind another.
        layers: behind the pooling, in their order.
        dim: length of the finished vector.
        max_tokens: most token ids of one text, special tokens included.
        positions: how many the weights have.
        query_prefix, document_prefix: text before every text of the role.
        lower_case: a text is put in lower case before it is cut into tokens.
        stated: which of `pooling`, `max_tokens`, `query_prefix` and `document_prefix` the model's files state; the
            others are what sentence-transformers takes where nothing is said.
    """

    trunk: str
    model_type: str
    pooling: tuple[str, ...]
    layers: tuple[Layer, ...]
    dim: int
    max_tokens: int
    positions: int
    query_prefix: str
    document_prefix: str
    lower_case: bool
    stated: tuple[str, ...]

    @property
    def architecture(self) -> Architecture:
        """What is known of the model's kind."""
        return ARCHITECTURES[self.model_type]


def read_settings(folder: Path) -> Settings:
    """The settings of a model in transformers or sentence-transformers layout.

    Raises:
        ExportError: it is no text encoder, of an architecture that is not known, needs code of its own, has a module or
            a setting that cannot be exported, or its files disagree; one sentence.
    """
    modules = _modules(folder)
    trunk = _trunk(modules)
    config = read_object(folder / trunk / CONFIG)
    if not config:
        raise ExportError(
            f"{folder / trunk}: has no {CONFIG}; expected a model in transformers or sentence-transformers layout"
        )
    model_type = _known_type(folder / trunk / CONFIG, config)
    hidden = _size(folder / trunk / CONFIG, config)
    pooling, include_prompt = _pooling(folder, modules, hidden)
    layers, dim = _layers(folder, modules, hidden * len(pooling or ("mean",)))
    own = read_object(folder / "config_sentence_transformers.json")
    cut = own.get("truncate_dim")
    if cut is not None:
        if type(cut) is not int or not 8 <= cut <= dim:
            raise ExportError(f"{folder}: truncate_dim is {cut!r}, expected a number from 8 to {dim}")
        layers, dim = (*layers, Layer("cut", outputs=cut)), cut
    query, document, prompts_stated = _prompts(folder, own)
    if (query or document) and not include_prompt:
        raise ExportError(
            f"{folder}: leaves the tokens of its prompts out of the pooling (include_prompt is false), which a bundle "
            "cannot do; give a model whose prompts are pooled, or which has none"
        )
    module = _module_config(folder / trunk)
    positions = ARCHITECTURES[model_type].positions(config) or _MOST_TOKENS
    longest, length_stated = _longest(folder / trunk, module, positions)
    stated = {"pooling"} if pooling else set()
    stated |= {"max_tokens"} if length_stated else set()
    return Settings(
        trunk=trunk,
        model_type=model_type,
        pooling=pooling or ("mean",),
        layers=layers,
        dim=dim,
        max_tokens=longest,
        positions=positions,
        query_prefix=query,
        document_prefix=document,
        lower_case=module.get("do_lower_case") is True,
        stated=tuple(sorted(stated | prompts_stated)),
    )


def resolved(asked: EncoderRecipe, own: Settings) -> tuple[Settings, list[str]]:
    """A model's settings with those of a recipe in their place, and a line for each that the model states otherwise.

    Raises:
        ExportError: a recipe departs from what the model states and does not say why, or asks for more tokens than the
            model has positions.
    """
    pooling = (asked.pooling,) if isinstance(asked.pooling, str) else asked.pooling
    given: dict[str, Any] = {
        "pooling": None if pooling is None else tuple(pooling),
        "max_tokens": asked.max_tokens,
        "query_prefix": asked.query_prefix,
        "document_prefix": asked.document_prefix,
    }
    given = {key: value for key, value in given.items() if value is not None}
    departures = [
        f"{key} is {_shown(value)}, the model's own is {_shown(getattr(own, key))}"
        for key, value in given.items()
        if key in own.stated and value != getattr(own, key) and not (key == "max_tokens" and value < own.max_tokens)
    ]
    if departures and not asked.departs:
        raise ExportError(
            f"encoder.{departures[0]}; where that is meant, say why in encoder.departs, otherwise leave the key out"
        )
    if given.get("max_tokens", 0) > own.positions:
        raise ExportError(
            f"the weights have {own.positions} positions, expected max_tokens, {given['max_tokens']}, or more"
        )
    if len(given.get("pooling", own.pooling)) != len(own.pooling) and own.layers:
        raise ExportError(f"encoder.pooling is {_shown(given['pooling'])}, the model's layers expect {own.pooling}")
    changed = replace(own, **given)
    if len(changed.pooling) != len(own.pooling):
        changed = replace(changed, dim=own.dim // len(own.pooling) * len(changed.pooling))
    return changed, departures


def _shown(value: object) -> str:
    return " and ".join(value) if isinstance(value, tuple) else repr(value)


def trunk_folder(folder: Path) -> str:
    """The folder of the transformer, inside a model's; raises ExportError as `read_settings` does."""
    return _trunk(_modules(folder))


def _trunk(modules: list[tuple[str, str]]) -> str:
    return modules[0][1] if modules else ""


def _modules(folder: Path) -> list[tuple[str, str]]:
    """Kind and folder of each module, the transformer first; empty for a transformers model.

    Raises:
        ExportError: a module is of code that is not sentence-transformers' own, or of a kind that cannot be exported.
    """
    listing = folder / MODULES
    found = []
    for entry in read_list(listing):
        if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            raise ExportError(f"{listing}: has an entry without a type; the model is damaged, fetch it again")
        kind, path = entry["type"], entry.get("path", "")
        if not kind.startswith(_PACKAGE):
            raise ExportError(f"{listing}: the module {kind} is code of the model's own, which is never run")
        if not isinstance(path, str) or path.startswith("/") or ".." in Path(path).parts:
            raise ExportError(f"{listing}: the path {path!r} leaves the model's folder")
        found.append((kind.rpartition(".")[2], path))
    if found and found[0][0] != "Transformer":
        raise ExportError(f"{listing}: begins with a module {found[0][0]}, expected Transformer")
    return found


def _known_type(path: Path, config: dict[str, Any]) -> str:
    kind, remote = config.get("model_type"), config.get("auto_map")
    if isinstance(remote, dict) and "AutoModel" in remote:
        raise ExportError(f"{path}: the architecture {kind} needs code from the model's repository, which is never run")
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        raise ExportError(f"{path}: the architecture {kind!r} is not known, expected {', '.join(ARCHITECTURES)}")
    if config.get("is_decoder") is True or config.get("is_encoder_decoder") is True:
        raise ExportError(f"{path}: is of a decoder, expected an encoder of texts")
    return kind


def _size(path: Path, config: dict[str, Any]) -> int:
    """How many numbers the state of a token has."""
    size = config.get("hidden_size", config.get("dim"))
    if type(size) is not int or size < 8:
        raise ExportError(f"{path}: hidden_size is {size!r}, expected a number of 8 or more")
    return size


def _pooling(folder: Path, modules: list[tuple[str, str]], hidden: int) -> tuple[tuple[str, ...], bool]:
    """The poolings that a model states, none where it has no such module, and whether prompts are pooled too."""
    paths = [path for kind, path in modules if kind == "Pooling"]
    if not modules:
        return (), True
    if len(paths) != 1 or modules[1][0] != "Pooling":
        raise ExportError(f"{folder / MODULES}: has {len(paths)} modules Pooling, expected one, behind the Transformer")
    path = folder / paths[0] / CONFIG
    values = read_object(path)
    if not values:
        raise ExportError(f"{path}: is missing or empty, expected how token states are pooled")
    size = values.get("embedding_dimension", values.get("word_embedding_dimension", hidden))
    if size != hidden:
        raise ExportError(f"{path}: pools states of {size!r} numbers, the transformer's have {hidden}")
    new = values.get("pooling_mode")
    if new is not None:
        modes = [new] if isinstance(new, str) else new
    else:
        modes = [mode for key, mode in _OLD_POOLINGS.items() if values.get(key)] or ["mean"]
    if not isinstance(modes, list) or not modes or any(mode not in POOLINGS for mode in modes):
        raise ExportError(f"{path}: pooling_mode is {new!r}, expected some of {', '.join(POOLINGS)}")
    return tuple(modes), values.get("include_prompt", True) is not False


def _layers(folder: Path, modules: list[tuple[str, str]], dim: int) -> tuple[tuple[Layer, ...], int]:
    """The layers behind the pooling, and how many numbers they give."""
    layers: list[Layer] = []
    for kind, path in modules[2:]:
        if kind not in _WITHOUT_EFFECT:
            layer = read_layer(folder / MODULES, kind, folder / path, path, dim)
            layers.append(layer)
            dim = layer.outputs or dim
    while layers and layers[-1].kind == "unit":  # vectors are made unit at the end in any case
        layers.pop()
    return tuple(layers), dim


def _prompts(folder: Path, values: dict[str, Any]) -> tuple[str, str, set[str]]:
    """The texts before queries and documents, and which of them are stated."""
    prompts = values.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(text, str) for text in prompts.values() if text is not None):
        raise ExportError(f"{folder}: prompts is {prompts!r}, expected texts by name")
    prompts = {name: text for name, text in prompts.items() if text is not None}
    if strange := [text for text in prompts.values() if any("\ud800" <= character <= "\udfff" for character in text)]:
        raise ExportError(f"{folder}: has the prompt {strange[0]!r}, expected text without lone surrogates")
    stated = {f"{role}_prefix" for role in ("query", "document") if prompts.get(role)}
    return prompts.get("query", ""), prompts.get("document", ""), stated


def unused_prompts(folder: Path) -> list[str]:
    """Names under which a model keeps prompts for documents that sentence-transformers' `encode_document` passes over.

    It takes `passage` and `corpus` for `document`, but only where there is none, and its own default for that is an
    empty one (5.x and 6.x).
    """
    prompts = read_object(folder / "config_sentence_transformers.json").get("prompts") or {}
    return [name for name in ("passage", "corpus") if prompts.get(name) and not prompts.get("document")]


def _module_config(trunk: Path) -> dict[str, Any]:
    for name in _MODULE_CONFIGS:
        if values := read_object(trunk / name):
            break
    for key in _HANDED_ON:
        handed = values.get(key) or {}
        if not isinstance(handed, dict) or handed.keys() - _HARMLESS:
            raise ExportError(
                f"{trunk}: hands on {key} {handed!r}, which is not read; put it into the model's own files"
            )
    modality = values.get("modality_config")
    if isinstance(modality, dict) and "text" not in modality:
        raise ExportError(f"{trunk}: reads {', '.join(modality)}, expected text")
    return values


def _longest(trunk: Path, module: dict[str, Any], positions: int) -> tuple[int, bool]:
    """The most tokens of a text, and whether the model's own files state it."""
    tokenizer = read_object(trunk / "tokenizer_config.json")
    if tokenizer.get("truncation_side", "right") != "right":
        raise ExportError(f"{trunk}: keeps the end of a long text (truncation_side), expected its beginning")
    asked = module.get("max_seq_length")
    told = asked if asked is not None else tokenizer.get("model_max_length")
    if told is not None and (not isinstance(told, (int, float)) or told < 8):
        raise ExportError(f"{trunk}: reads {told!r} tokens of a text, expected 8 or more")
    own = [int(told)] if told is not None and told <= positions else []
    return min([*own, positions, _MOST_TOKENS]), asked is not None or bool(own)
