"""The documents of a library one after another, without their texts."""

from __future__ import annotations

from dataclasses import dataclass

from .library import Library
from .store import documents


@dataclass(frozen=True)
class Listed:
    """A document in a list.

    Attributes:
        id, title, source: see `Document`.
    """

    id: str
    title: str
    source: str


def listed(library: Library, after: str, limit: int) -> list[Listed]:
    """Documents in the order of their ids.

    Args:
        after: the id that they come behind; empty for the first ones.
        limit: at most so many.
    """
    with library.reading() as db:
        return [Listed(*row) for row in documents.listed(db, after, limit)]
