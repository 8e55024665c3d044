"""An encoder of texts in torch and float32: a transformer and the head behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, logging

from ..errors import ExportError, first_line
from ..source.settings import Settings
from .head import Head, Turn, read_head

_SHOWN = 3


@dataclass(frozen=True, eq=False)
class SentenceEncoder:
    """A model that is ready to run.

    Attributes:
        trunk: the transformer, of transformers' own classes.
        head: from its token states to a unit vector.
        bert_embedding: see `architectures.Architecture`.
    """

    trunk: Any
    head: Head
    bert_embedding: bool = False

    def __call__(self, **given: torch.Tensor) -> torch.Tensor:
        """Unit vectors, (batch, dim), of unpadded texts of one length, `input_ids` or `inputs_embeds`."""
        states: torch.Tensor = self.head(self.trunk(**given).last_hidden_state)
        return states

    @property
    def table(self) -> torch.Tensor:
        """The token table, (tokens, width)."""
        weight: torch.Tensor = self.trunk.get_input_embeddings().weight
        return weight

    def turned(self, trunk: Any, turn: Turn) -> SentenceEncoder:
        """The same with another transformer, whose vectors are turned."""
        return replace(self, trunk=trunk, head=self.head.turned(turn))

    def weights(self) -> dict[str, torch.Tensor]:
        """All tensors by name."""
        return {**self.trunk.state_dict(), **self.head.state_dict()}


def load_encoder(folder: Path, settings: Settings) -> SentenceEncoder:
    """The encoder of a folder that the installed tools can read, see `source.readable`.

    Raises:
        ExportError: weights are missing, or of other shapes than the configuration says, or hold something other than
            tensors.
    """
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # of weights that an encoder does not need
    architecture = settings.architecture
    left_out: dict[str, Any] = {"add_pooling_layer": False} if architecture.pooler else {}
    where = folder / settings.trunk
    try:
        trunk, found = AutoModel.from_pretrained(
            where,
            attn_implementation="eager",
            local_files_only=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
            **left_out,
        )
    except Exception as error:  # transformers and torch raise many kinds
        raise ExportError(f"{where}: transformers cannot load it ({first_line(error)})") from error
    if missing := sorted(found["missing_keys"]):
        raise ExportError(
            f"{where}: the weights lack {', '.join(missing[:_SHOWN])}{' and others' if missing[_SHOWN:] else ''}, "
            "which config.json asks for; fetch the model again"
        )
    trunk.config.use_cache = False
    plain = getattr(trunk.config, "position_embedding_type", "absolute") == "absolute"
    return SentenceEncoder(trunk.eval(), read_head(folder, settings), architecture.bert_embedding and plain)
