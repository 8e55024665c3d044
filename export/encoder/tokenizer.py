"""A model's tokenizer to the one file that the runtime reads, cutting texts as transformers does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, normalizers
from transformers import AutoTokenizer
from transformers.utils import logging

from ...encoding.tokens import Tokens
from ..errors import ExportError, first_line
from ..source.json_file import read_object
from ..source.settings import CONFIG, Settings


def write_tokenizer(folder: Path, settings: Settings, path: Path) -> None:
    """Write the tokenizer of a folder that the installed tools can read, without padding and truncation.

    transformers changes what is in `tokenizer.json` by the other files beside it, and makes one of a slow tokenizer's
    vocabulary; so it is asked, and not the file. Where the model puts texts in lower case first, the tokenizer does.

    Raises:
        ExportError: there is no tokenizer, or none that the runtime's library can run.
    """
    tokenizer = _fast_tokenizer(folder / settings.trunk)
    copy = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    copy.no_padding()
    copy.no_truncation()
    if settings.lower_case and not _is_lowering(copy.normalizer):
        rest = [] if copy.normalizer is None else _listed(copy.normalizer)
        copy.normalizer = normalizers.Sequence([normalizers.Lowercase(), *rest])
    copy.save(str(path), pretty=False)


def require_rows(tokens: Tokens, folder: Path) -> None:
    """Raise ExportError where a tokenizer gives ids that the weights of a transformer's folder have no row for."""
    rows = read_object(folder / CONFIG).get("vocab_size")
    if type(rows) is not int or tokens.highest_id >= rows:
        raise ExportError(
            f"the tokenizer gives ids up to {tokens.highest_id} and the weights have {rows} rows of tokens; "
            "they do not belong together"
        )


def _fast_tokenizer(folder: Path) -> Any:
    """The tokenizer of a transformer's folder as transformers gives it, one that the tokenizers library runs."""
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # it takes large vocabularies for Mistral's
    try:
        tokenizer = AutoTokenizer.from_pretrained(  # type: ignore[no-untyped-call]
            folder, local_files_only=True, trust_remote_code=False, use_fast=True
        )
    except Exception as error:  # transformers raises many kinds
        raise ExportError(f"{folder}: has no tokenizer that transformers can load ({first_line(error)})") from error
    if not tokenizer.is_fast:
        raise ExportError(f"{folder}: {type(tokenizer).__name__} has no fast form, which the runtime needs")
    return tokenizer


def _listed(normalizer: Any) -> list[Any]:
    return list(normalizer) if isinstance(normalizer, normalizers.Sequence) else [normalizer]


def _is_lowering(normalizer: Any) -> bool:
    """Whether a tokenizer puts texts in lower case as it is."""
    if isinstance(normalizer, normalizers.Sequence):
        return any(_is_lowering(one) for one in normalizer)
    return isinstance(normalizer, normalizers.Lowercase) or getattr(normalizer, "lowercase", False) is True
