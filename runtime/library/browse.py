"""What a library holds, one after another: its documents without their texts, and what it follows."""

from __future__ import annotations

from dataclasses import dataclass

from .library import Library
from .store import documents, file_state


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


def followed(library: Library) -> list[str]:
    """Paths of the files and folders that a library mirrors."""
    with library.reading() as db:
        return [folder.path for folder in file_state.folders(db)]


def knows_file(library: Library, path: str) -> bool:
    """Whether a sync read a file."""
    with library.reading() as db:
        return file_state.file(db, path) is not None
