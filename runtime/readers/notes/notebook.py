"""Notebooks of Jupyter: their cells with the text that came of them; no pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...document import Document, Skip
from ...place import HEADING_MARK, heading_text
from ..text import Unreadable, document_of, joined, read_text_file

_HEADING = re.compile(rf"^ {{0,3}}{HEADING_MARK}(.*)$", re.MULTILINE)
_SHOWN = ("text/markdown", "text/plain")  # the first that an output has
_COLOUR = re.compile(r"\x1b\[[0-9;]{0,20}m")


def read_notebook(path: Path) -> Iterator[Document | Skip]:
    """A notebook: one document; its title is the first heading in its prose, else the file's name."""
    read = read_text_file(path)
    try:
        notebook = json.loads(read.text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("is not JSON, which a notebook is") from error
    cells = list(_cells(notebook))
    prose = "\n".join(_lines(cell.get("source")) for cell in cells if cell.get("cell_type") != "code")
    heading = _HEADING.search(prose)
    text = joined((part for cell in cells for part in _parts(cell) if part.strip()), "\n\n")
    yield document_of(path, text, heading_text(heading[1]) if heading else None, read.metadata)
    yield from read.skips


def _cells(notebook: Any) -> Iterator[dict[str, Any]]:
    """The cells, which the format before 4 kept in sheets."""
    for holder in [notebook, *_dicts(notebook, "worksheets")]:
        yield from _dicts(holder, "cells")


def _parts(cell: dict[str, Any]) -> Iterator[str]:
    yield _lines(cell.get("source", cell.get("input")))
    for output in _dicts(cell, "outputs"):
        data = output.get("data")
        shown = data if isinstance(data, dict) else output
        yield _lines(output.get("text"))
        yield next((_lines(shown[kind]) for kind in _SHOWN if kind in shown), "")
        if "ename" in output:
            yield f"{_lines(output['ename'])}: {_lines(output.get('evalue'))}"


def _dicts(holder: Any, key: str) -> list[dict[str, Any]]:
    """The objects in a list of an object's; a notebook that was made to harm may have anything there."""
    found = holder.get(key) if isinstance(holder, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _lines(source: Any) -> str:
    """A text, which is kept as one or as a list of its lines."""
    lines = source if isinstance(source, list) else [source]
    return _COLOUR.sub("", "".join(line for line in lines if isinstance(line, str)))
