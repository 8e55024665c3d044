"""Files to documents: one small function a family of formats, chosen by the file's suffix.

A reader takes a file's path and yields a `Document` for each text in it, or a `Skip` for what cannot be taken in,
and goes on with the rest. It never raises for what a file holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..document import Document, Skip, clean
from .html import read_html
from .plain import read_markdown, read_text
from .tables import read_csv, read_jsonl

Reader = Callable[[Path], Iterator[Document | Skip]]

READERS: dict[str, Reader] = {
    ".txt": read_text,
    ".text": read_text,
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".html": read_html,
    ".htm": read_html,
    ".jsonl": read_jsonl,
    ".csv": read_csv,
}


def can_read(path: Path) -> bool:
    """Whether there is a reader for a file of this name."""
    return path.suffix.lower() in READERS


def read_file(path: Path) -> Iterator[Document | Skip]:
    """The documents of one file that `can_read` knows, in its order, and what was skipped."""
    if (name := clean(str(path))) != str(path):
        yield Skip(name, "its name is not text; rename it")
        return
    try:
        yield from READERS[path.suffix.lower()](path)
    except OSError as error:
        yield Skip(name, f"cannot be read ({error.strerror})")
    except (ValueError, RecursionError, AssertionError) as error:  # of a parser that what it read was too much for
        yield Skip(name, f"cannot be parsed ({error})")


def known_suffixes() -> str:
    """The suffixes that can be read, for a message."""
    return " ".join(sorted(READERS))
