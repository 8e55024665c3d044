"""A tokenizer of the Unigram kind to the compact file that `nestling.encoding.unigram` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from ...encoding.unigram import LONGEST_PIECE, MOST_PIECES, Unigram, read_unigram, unigram_file
from ..errors import ExportError

PIECES = "tokenizer.npz"

_NORMALIZERS = [
    {"type": "Nmt"},
    {"type": "NFKC"},
    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
]
_SPLIT = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}


def is_of_pieces(tokenizer: Path) -> bool:
    """Whether a `tokenizer.json` is of the one form that the runtime runs itself, see `Unigram`."""
    values = json.loads(tokenizer.read_text(encoding="utf-8"))
    model, normalizer = values["model"], values["normalizer"] or {}
    return (
        model["type"] == "Unigram"
        and type(model.get("unk_id")) is int
        and not model.get("byte_fallback")
        and normalizer.get("type") == "Sequence"
        and normalizer["normalizers"] == _NORMALIZERS
        and values["pre_tokenizer"] == _SPLIT
        and _fits([piece for piece, _ in model["vocab"]], model["unk_id"], _frame(values))
        and all(token["special"] and not token["normalized"] for token in values["added_tokens"])
    )


def _fits(pieces: list[str], unknown: int, frame: tuple[list[int], list[int]] | None) -> bool:
    """Whether the compact file can hold pieces, and has a row for what stands around texts."""
    special = [unknown] if frame is None else [unknown, *frame[0], *frame[1]]
    return (
        frame is not None
        and len(set(pieces)) == len(pieces) <= MOST_PIECES
        and all(len(piece) <= LONGEST_PIECE and "\n" not in piece for piece in pieces)
        and all(0 <= id < len(pieces) for id in special)
    )


def write_pieces(tokenizer: Path, path: Path, texts: list[str]) -> None:
    """Write the compact file of a tokenizer that `is_of_pieces`.

    What the file's added tokens stand for in a text, such as `<pad>`, is plain text to the runtime.

    Args:
        texts: that the file must cut as the tokenizer does.

    Raises:
        ExportError: it cuts one of the texts otherwise.
    """
    values = json.loads(tokenizer.read_text(encoding="utf-8"))
    frame = _frame(values)
    assert frame is not None, "asked before"
    vocabulary = values["model"]["vocab"]
    control = [token["id"] for token in values["added_tokens"]]
    arrays = unigram_file(
        [piece for piece, _ in vocabulary],
        np.array([score for _, score in vocabulary], dtype=np.float32),
        values["model"]["unk_id"],
        *frame,
        [id for id in control if id < len(vocabulary)],
    )
    with path.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    _compare(Tokenizer.from_file(str(tokenizer)), read_unigram(path), texts)


def _frame(values: Mapping[str, Any]) -> tuple[list[int], list[int]] | None:
    """The ids before and behind every text; None where they are not the same for all."""
    post = values["post_processor"]
    if post is None:
        return [], []
    if post["type"] != "TemplateProcessing":
        return None
    sides: tuple[list[int], list[int]] = [], []
    side = 0
    for part in post["single"]:
        if "Sequence" in part:
            side += 1
        else:
            sides[min(side, 1)].extend(post["special_tokens"][part["SpecialToken"]["id"]]["ids"])
    return sides if side == 1 else None


def _compare(expected: Tokenizer, found: Unigram, texts: list[str]) -> None:
    for text in texts:
        one, other = expected.encode(text).ids, found.ids(text).tolist()
        if one != other:
            raise ExportError(f"the compact tokenizer cuts {text[:60]!r} into {other[:9]}, the model's into {one[:9]}")
