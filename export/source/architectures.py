"""The kinds of transformer that can be exported, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Architecture:
    """What a kind of transformer needs.

    Attributes:
        pooler: it has a layer for a task of its own, which is left out.
        padded_positions: positions begin behind the padding token's id, so that there are fewer than stored.
        bert_embedding: token, position and type are summed and normalised as in BERT, so that positions can be cut and
            stored in float16.
        nests: a family of widths can be made of it, see `train.forms`.
    """

    pooler: bool = False
    padded_positions: bool = False
    bert_embedding: bool = False
    nests: bool = False

    def positions(self, config: dict[str, Any]) -> int | None:
        """How many positions the weights have, by the model's `config.json`; None where it does not say."""
        most = config.get("max_position_embeddings")
        if type(most) is not int or most < 1:
            return None
        padding = config.get("pad_token_id")
        return most - (padding if type(padding) is int else 1) - 1 if self.padded_positions else most


# By `model_type` of config.json.
ARCHITECTURES = {
    "bert": Architecture(pooler=True, bert_embedding=True, nests=True),
    "roberta": Architecture(pooler=True, padded_positions=True, nests=True),
    "xlm-roberta": Architecture(pooler=True, padded_positions=True, nests=True),
    "camembert": Architecture(pooler=True, padded_positions=True, nests=True),
    "mpnet": Architecture(pooler=True, padded_positions=True),
    "distilbert": Architecture(),
    "electra": Architecture(),
    "modernbert": Architecture(nests=True),
    "gemma3_text": Architecture(),
    "qwen3": Architecture(),
}
