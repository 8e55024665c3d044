"""Fills the tables of the README files from the result files.

    python -m tests.bench.tables

Where a README says `<!-- table: NAME -->`, what stands from there to `<!-- end -->` is the table of that name.
`tests/runtime/test_readme.py` holds all README files to what this writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .encoder import tables as encoder
from .family import tables as family
from .index import tables as index
from .library import tables as library
from .peers import tables as peers
from .service import tables as service

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results"

TABLES: dict[str, Callable[..., list[str]]] = {
    **peers.TABLES, **family.TABLES, **library.TABLES, **service.TABLES, **encoder.TABLES, **index.TABLES,
}  # fmt: skip
# The result files of a table, where that is not the one that its name begins with.
_SOURCES = {"widths": ("speed", "study")}
_MARKED = re.compile(r"<!-- table: (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)


def readmes() -> list[Path]:
    """The README files of the repository."""
    return [path for pattern in ("README.md", "*/README.md", "tests/bench/README.md") for path in ROOT.glob(pattern)]


def filled(readme: str) -> str:
    """A README with every table made anew from its result files."""
    return _MARKED.sub(lambda match: f"<!-- table: {match[1]} -->\n{table(match[1])}<!-- end -->", readme)


def table(name: str) -> str:
    """A table in Markdown, with the commands that its result files are of."""
    paths = [RESULTS / f"{source}.json" for source in sources(name)]
    if not all(path.exists() for path in paths):
        return "Not measured yet with the encoders and the code of today.\n"
    results = [read(path) for path in paths]
    said = [f"`{result['command']}` at {result['commit']} on {result['machine']}." for result in results]
    return "\n".join([*TABLES[name](*results), "", *said, ""])


def sources(name: str) -> tuple[str, ...]:
    """The names of a table's result files."""
    return _SOURCES.get(name, (name.partition("_")[0],))


def read(path: Path) -> dict[str, Any]:
    """A result file."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


if __name__ == "__main__":
    for path in readmes():
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
