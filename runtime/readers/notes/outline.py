"""Outlines and lists of feeds in OPML: a line for each entry, with its note and its address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...document import Document, Skip
from ..text import document_of, joined, read_bytes
from ..zipped import parsed

_SHOWN = ("text", "title", "_note", "description", "htmlUrl", "xmlUrl", "url")


def read_opml(path: Path) -> Iterator[Document | Skip]:
    """An outline: one document; its title is what it says, else the file's name."""
    root = parsed(read_bytes(path).lstrip())
    title = next((one.text for one in root.iterfind("head/title") if one.text), None)
    yield document_of(path, joined(_entries(root), "\n"), title)


def _entries(root: Any) -> Iterator[str]:
    for entry in root.iter("outline"):
        said = (" ".join(entry.get(name, "").split()) for name in _SHOWN)
        if line := " ".join(dict.fromkeys(filter(None, said))):
            yield line
