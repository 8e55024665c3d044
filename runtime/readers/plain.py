"""Plain text: one document a file, its id the file's path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..document import Document, Skip
from .text import read_text_file


def read_text(path: Path) -> Iterator[Document | Skip]:
    """A text file; its title is the file's name without the suffix."""
    read = read_text_file(path)
    yield Document(str(path), read.text.strip(), path.stem, read.metadata, str(path))
    yield from read.skips
