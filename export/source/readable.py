"""A model's folder as the installed transformers and sentence-transformers can read it.

Newer releases write the same things under other names: sentence-transformers 6 the classes of its modules,
transformers 5 the tokenizer's class and what rotates positions. An older release fails on some and passes over others
in silence, which gives other vectors.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ..errors import ExportError
from .json_file import read_list, read_object
from .settings import CONFIG, MODULES, TOKENIZER
from .weights import model_files

TOKENIZER_CONFIG = "tokenizer_config.json"

_OLD_MODULE = "sentence_transformers.models."
_ANY_TOKENIZER = "PreTrainedTokenizerFast"
# What those give by default; an older release's gives token types too, which not every model takes.
_INPUTS = ["input_ids", "attention_mask"]
_NEW_TOKENIZERS = ("TokenizersBackend", "PreTrainedTokenizer")
# Of ModernBERT and Gemma 3, the names of a layer kind's rotation before it had a table of its own.
_ROTATIONS = {
    "modernbert": {"full_attention": "global_rope_theta", "sliding_attention": "local_rope_theta"},
    "gemma3_text": {"full_attention": "rope_theta", "sliding_attention": "rope_local_base_freq"},
}


def readable(source: Path, trunk: str, folder: Path) -> Path:
    """The source itself where the installed tools can read it, else a copy of its small files beside links to others.

    Args:
        trunk: the folder of the transformer, inside the source.
        folder: where the copy is made; made anew where it is there.

    Raises:
        ExportError: the model rotates positions in a way that the installed transformers does not know.
    """
    changed: dict[str, Any] = {
        MODULES: _modules(read_list(source / MODULES)),
        str(Path(trunk) / CONFIG): _config(source / trunk / CONFIG, read_object(source / trunk / CONFIG)),
        str(Path(trunk) / TOKENIZER_CONFIG): _tokenizer(source / trunk),
    }
    changed = {name: values for name, values in changed.items() if values is not None}
    if not changed:
        return source
    shutil.rmtree(folder, ignore_errors=True)
    for path in model_files(source):
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        _link(path, target)
    for name, values in changed.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text(json.dumps(values, indent=2))
    return folder


def _link(path: Path, target: Path) -> None:
    try:
        target.symlink_to(path.resolve())
    except OSError:  # Windows asks for a right that few have
        shutil.copyfile(path, target)


def _modules(modules: list[Any]) -> list[Any] | None:
    renamed = [{**entry, "type": _OLD_MODULE + entry["type"].rpartition(".")[2]} for entry in modules]
    return renamed if renamed != modules else None


def _tokenizer(trunk: Path) -> dict[str, Any] | None:
    values = read_object(trunk / TOKENIZER_CONFIG)
    if (trunk / TOKENIZER).is_file() and values.get("tokenizer_class") in _NEW_TOKENIZERS:
        return {"model_input_names": _INPUTS, **values, "tokenizer_class": _ANY_TOKENIZER}
    return None


def _config(path: Path, config: dict[str, Any]) -> dict[str, Any] | None:
    """The configuration with rotations as transformers 4 names them, and without a compiler; None where it is so."""
    found: dict[str, Any] = {"reference_compile": False} if config.get("reference_compile") else {}
    rotations = config.get("rope_parameters")
    if isinstance(rotations, dict) and "rope_theta" not in config:
        found |= _rotations(path, config["model_type"], rotations)
    return {**config, **found} if found else None


def _rotations(path: Path, model_type: str, rotations: dict[str, Any]) -> dict[str, float]:
    """By their older names, how fast each kind of layer rotates positions."""
    names = _ROTATIONS.get(model_type, {})
    tables = rotations if all(isinstance(table, dict) for table in rotations.values()) else {"": rotations}
    found: dict[str, float] = {}
    for kind, table in tables.items():
        if table.get("rope_type", "default") != "default" or not isinstance(table.get("rope_theta"), (int, float)):
            raise ExportError(f"{path}: rope_parameters is {table}, expected rope_type 'default' with a rope_theta")
        found[names.get(kind, "rope_theta")] = table["rope_theta"]
    return found
