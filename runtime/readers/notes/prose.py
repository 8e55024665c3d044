"""Prose with marks of its own, as LaTeX, reStructuredText and Org: one document a file, as it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ...document import Document, Skip
from ..text import document_of, read_text_file

# How each marks the title, or the first heading; None for what has none.
_TITLES = {
    ".tex": r"^[^%\n]{0,80}\\title[ \t]*(?:\[[^\]\n]{0,300}\])?\{([^{}]{1,300})\}",
    ".rst": r"^(\S.*)\n([=\-~^\"'`#*+:._])\2{2,}[ \t]*$",
    ".adoc": r"^={1,6}[ \t]+(\S.*)$",
    ".org": r"^(?:#\+(?i:title):|\*+[ \t])[ \t]*(\S.*)$",
    ".textile": r"^h[1-6](?:\([^)\n]{0,80}\))?\.[ \t]+(\S.*)$",
    ".log": None,
    ".bib": None,
}
_TITLES[".asciidoc"] = _TITLES[".adoc"]
SUFFIXES = tuple(_TITLES)


def read_prose(path: Path) -> Iterator[Document | Skip]:
    """A file of prose; its title is the one that it says, or its first heading, else the file's name."""
    read = read_text_file(path)
    title = _TITLES[path.suffix.lower()]
    found = re.search(title, read.text, re.MULTILINE) if title else None
    yield document_of(path, read.text, found[1] if found else None, read.metadata)
    yield from read.skips
