"""What all of these APIs have in common: which model, which role, how many numbers, and the vectors.

The vectors are those of `Encoder.encode`. Texts are documents unless a request says that they are queries: by
`prompt_name`, `input_type` or `task`, as the APIs that know such a thing call it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...arrays import Floats
from ...bundle.manifest import Role
from ...encoding.encoder import Encoder, truncate
from .. import asked
from ..asked import Refused

MOST_TEXTS = 2048
TOO_LONG = 413
_ROLES: dict[str, Role] = {
    "query": "query", "search_query": "query", "document": "document", "search_document": "document",
    "passage": "document",
}  # fmt: skip
_SAID_BY = ("input_type", "prompt_name", "task")
ROLE_NAMES = tuple(_ROLES)
_LATEST = ":latest"  # which Ollama's clients write behind a model's name


def require_model(given: Mapping[str, Any], name: str) -> None:
    """Raise Refused where a request names another model than the one that answers."""
    found = asked.text(given, "model").removesuffix(_LATEST)
    if found != name:
        raise Refused(404, f"there is no model {found[:80]!r} here, expected {name}")


def role_of(given: Mapping[str, Any]) -> Role:
    """The role that a request says its texts have."""
    for key in _SAID_BY:
        if given.get(key) is not None:
            return _ROLES[asked.one_of(given, key, ROLE_NAMES, "document")]
    return "document"


def dim_of(given: Mapping[str, Any], encoder: Encoder) -> int:
    """How many dimensions a request wants."""
    if given.get("dimensions") is None:
        return encoder.dim
    return asked.whole(given, "dimensions", encoder.dim, 1, encoder.dim)


def cuts(given: Mapping[str, Any], default: bool) -> bool:
    """Whether a request wants the end of a text cut off that is longer than the encoder reads."""
    if str(given.get("truncation_direction", "right")).lower() != "right":
        raise Refused(400, "truncation_direction is not right, expected right: a text is read from its beginning")
    return asked.flag(given, "truncate", default)


def tokens(encoder: Encoder, texts: Sequence[str], role: Role, too_long: int | None) -> int:
    """How many tokens of texts are read.

    Args:
        too_long: the status of the refusal of a text that is longer than the encoder reads; None for reading its
            beginning.
    """
    count = 0
    for number, text in enumerate(texts):
        ids, left_out = encoder.tokens.ids(text, role)
        if left_out and too_long is not None:
            todo = "send truncate = true" if too_long == TOO_LONG else "send less of it"
            limit = encoder.tokens.max_tokens
            raise Refused(too_long, f"text {number} is longer than the {limit} tokens that are read; {todo}")
        count += len(ids)
    return count


def vectors(encoder: Encoder, texts: Sequence[str], role: Role, dim: int | None = None) -> Floats:
    """(n, dim) float32, unit rows; of a long text the beginning is read."""
    found, _ = encoder.engine.run(texts, role, encoder.threads)
    found = truncate(found, encoder.dim)
    return found if dim is None else truncate(found, dim)
