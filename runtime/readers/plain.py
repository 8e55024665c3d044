"""Plain text and Markdown: one document a file, its id the file's path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..document import Document, Skip
from ..place import HEADING_MARK
from .text import decode, read_bytes

_FRONT_MATTER = re.compile(r"\A---\n.*?\n(?:---|\.\.\.)\n", re.DOTALL)
_HEADING = re.compile(rf"^{HEADING_MARK}[ \t]*(.+)$", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def read_text(path: Path) -> Iterator[Document | Skip]:
    """A text file; its title is the file's name without the suffix."""
    text = decode(read_bytes(path))
    yield Document(id=str(path), text=text.strip(), title=path.stem, source=str(path))


def read_markdown(path: Path) -> Iterator[Document | Skip]:
    """A Markdown file as it is written; its title is the first heading outside of code, else the file's name."""
    text = _FRONT_MATTER.sub("", decode(read_bytes(path)))
    headings = (heading[1].rstrip(" \t#") for heading in _HEADING.finditer(_FENCE.sub("", text)))
    title = next(filter(None, headings), "")
    yield Document(id=str(path), text=text.strip(), title=title or path.stem, source=str(path))
