"""Workbooks as one XML file, as Excel 2003 and many reporting programs write them, mostly under the name `.xls`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...document import Document, Skip
from ..text import document_of, joined, read_bytes
from ..zipped import parsed
from .package import local, value


def read_excel_xml(path: Path) -> Iterator[Document | Skip]:
    """A heading for each sheet, a line for each row, comments below theirs."""
    root = parsed(read_bytes(path))
    title = next((one.text for one in root.iter() if local(one) == "Title"), None)
    yield document_of(path, joined(_lines(root), "\n"), title)


def _lines(root: Any) -> Iterator[str]:
    for one in root.iter():
        if local(one) == "Worksheet":
            yield f"\n# {' '.join(value(one, 'Name').split())}\n"
        elif local(one) == "Row":
            cells = (" ".join(" ".join(part.itertext()).split()) for part in one.iter() if _is_value(part))
            if line := " | ".join(filter(None, cells)):
                yield line
            for comment in (part for part in one.iter() if local(part) == "Comment"):
                author, text = value(comment, "Author"), " ".join(" ".join(comment.itertext()).split())
                yield f"Comment ({author}): {text}" if author else f"Comment: {text}"


def _is_value(element: Any) -> bool:
    return local(element) == "Data" and local(element.getparent()) == "Cell"
