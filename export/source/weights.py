"""A model's weights as files: which there are, how large, and loaded without running anything of them."""

from __future__ import annotations

import json
import struct
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from ..errors import ExportError, first_line
from ..steps import Say
from .json_file import read_list, read_object

SAFE, TORCH = "model.safetensors", "pytorch_model.bin"
_INDEX = ".index.json"
_OWN_FILES = ("*.json", "*.txt", "*.model", "*.safetensors", "*.bin")
# A graph with all its weights in it is one message of protocol buffers, which may have 2 GB.
_MOST_WEIGHTS = 480_000_000
_BYTES_A_WEIGHT = 37
_SECONDS_A_WEIGHT = 7e-6
# What attention takes for every two tokens of a text, a head, and how many GB of it are worth a word.
_BYTES_A_PAIR, _MUCH = 5.5, 1.0
_MOST_HEADER = 100_000_000


def weight_files(folder: Path) -> list[Path]:
    """The files of a transformer's weights, in one or in shards, safetensors before torch's own format.

    Raises:
        ExportError: there are none, or a shard is missing or lies outside the folder.
    """
    for name in (SAFE, TORCH):
        if (folder / name).is_file():
            return [folder / name]
        if (folder / f"{name}{_INDEX}").is_file():
            return _shards(folder / f"{name}{_INDEX}")
    raise ExportError(f"{folder}: has no weights; expected {SAFE} or {TORCH}, whole or in shards")


def _shards(index: Path) -> list[Path]:
    listed = read_object(index).get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise ExportError(f"{index}: lists no weights; the model is damaged, fetch it again")
    names = sorted(set(map(str, listed.values())))
    for name in names:
        if Path(name).name != name:
            raise ExportError(f"{index}: names {name!r}, expected a file of its own folder")
        if not (index.parent / name).is_file():
            raise ExportError(f"{index.parent / name}: is missing, which {index.name} names; fetch the model again")
    return [index.parent / name for name in names]


def weight_count(folder: Path) -> int:
    """About how many numbers a transformer's weights are, from the files' headers or sizes."""
    return sum(_count(path) for path in weight_files(folder))


def _count(path: Path) -> int:
    if path.suffix != ".safetensors":
        return path.stat().st_size // 4
    with path.open("rb") as stream:
        try:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > _MOST_HEADER:
                raise ValueError("its header is too long")
            header = json.loads(stream.read(length))
            return sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
        except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ExportError(f"{path}: is no safetensors file ({error}); fetch the model again") from error


def require_affordable(folder: Path, max_tokens: int, say: Say) -> None:
    """Tell what a build of these weights will take, and what the longest text will, before it is spent.

    Args:
        folder: of the transformer.
        max_tokens: of the longest text.

    Raises:
        ExportError: they are too many for a graph, or there are none.
    """
    count = weight_count(folder)
    require_few(folder, count)
    memory, minutes = count * _BYTES_A_WEIGHT / 1e9 + 0.7, count * _SECONDS_A_WEIGHT / 60 + 1
    say(f"{count / 1e6:,.1f} million weights: a precision takes about {minutes:.0f} minutes on two cores and up to "
        f"{memory:.1f} GB of memory")  # fmt: skip
    heads = read_object(folder / "config.json").get("num_attention_heads", 0)
    longest = heads * max_tokens**2 * _BYTES_A_PAIR / 1e9 if isinstance(heads, int) else 0
    if longest >= _MUCH:
        say(f"a text of {max_tokens:,} tokens will take about {longest:.1f} GB to encode, which grows with its square; "
            "set encoder.max_tokens for less")  # fmt: skip


def require_few(folder: Path, count: int) -> None:
    """Raise ExportError where a model's weights are too many for a graph."""
    if count > _MOST_WEIGHTS:
        raise ExportError(
            f"{folder}: has {count / 1e6:,.0f} million weights, expected {_MOST_WEIGHTS / 1e6:,.0f} million or fewer, "
            "which is what a graph can hold"
        )


def model_files(folder: Path) -> list[Path]:
    """All files of a model that decide what it is, in order: weights, tokenizer and settings, in its own folder and
    those of its modules."""
    entries = read_list(folder / "modules.json")
    paths = [entry.get("path") for entry in entries if isinstance(entry, dict)]
    folders = {folder, *(folder / path for path in paths if isinstance(path, str))}
    return sorted({path for one in folders for name in _OWN_FILES for path in one.glob(name) if path.is_file()})


def read_weights(folder: Path) -> dict[str, Any]:
    """The tensors of a small module's folder, in float32.

    Raises:
        ExportError: there are none, or a file holds something other than tensors.
    """
    values: dict[str, Any] = {}
    for path in weight_files(folder):
        try:
            safe = path.suffix == ".safetensors"
            values |= load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # safetensors and pickle raise many kinds
            raise ExportError(f"{path}: holds no plain tensors ({first_line(error)})") from error
    return {name: value.float() for name, value in values.items()}
