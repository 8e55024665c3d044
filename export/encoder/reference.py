"""What sentence-transformers itself makes of texts: the truth that a bundle is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers import logging

from ...arrays import Floats
from ...bundle.manifest import ROLES, Role
from ..errors import ExportError, first_line
from ..source.settings import Settings


def reference(folder: Path, settings: Settings, texts: Sequence[str], role: Role) -> Floats:
    """The vectors of texts by `encode_document` or `encode_query`, in float32 and one text at a time, made unit.

    Args:
        folder: one that the installed tools can read, see `source.readable`.
        settings: what is put in place of the model's own where a recipe departs from them.

    Returns:
        (n, dim) float32, unit rows.

    Raises:
        ExportError: sentence-transformers cannot load or run the folder.
    """
    try:
        model = _loaded(folder, settings)
        encode = model.encode_query if role == "query" else model.encode_document
        found = encode(list(texts), batch_size=1, normalize_embeddings=True, show_progress_bar=False)
    except Exception as error:  # it raises many kinds
        raise ExportError(f"{folder}: sentence-transformers cannot run it ({first_line(error)})") from error
    return np.asarray(found, dtype=np.float32)


def _loaded(folder: Path, settings: Settings) -> Any:
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # of weights that an encoder does not need
    model = SentenceTransformer(
        str(folder),
        device="cpu",
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"dtype": torch.float32},
    )
    if model.tokenizer.pad_token is None:  # it is asked for one, though a single text is not padded
        model.tokenizer.pad_token = model.tokenizer.eos_token or model.tokenizer.unk_token
    prefixes = {"query": settings.query_prefix, "document": settings.document_prefix}
    for role in ROLES:
        if model.prompts.get(role, "") != prefixes[role]:
            model.prompts[role] = prefixes[role]
    if model.max_seq_length != settings.max_tokens:
        model.max_seq_length = settings.max_tokens
    pooling = next(module for module in model if type(module).__name__ == "Pooling")
    own = (pooling.pooling_mode,) if isinstance(pooling.pooling_mode, str) else tuple(pooling.pooling_mode)
    if own != settings.pooling:
        pooling.pooling_mode = settings.pooling
    return model
