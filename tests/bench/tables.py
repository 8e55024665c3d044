"""Prints the README's tables from the result files.

    python tests/bench/tables.py          # writes them into README.md

`tests/runtime/test_readme.py` holds README.md to what this prints.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results"
README = ROOT / "README.md"

_TABLE = re.compile(r"<!-- table: (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)


def filled(readme: str) -> str:
    """A README with every table made anew from its result file."""
    return _TABLE.sub(lambda match: f"<!-- table: {match[1]} -->\n{table(match[1])}<!-- end -->", readme)


def table(name: str) -> str:
    """The table of one result file, in Markdown."""
    result = json.loads((RESULTS / f"{name}.json").read_text())
    lines = {"quality": _quality, "encoder": _encoder, "process": _process}[name](result)
    return "\n".join([*lines, "", f"`{result['command']}` at {result['commit']} on {result['machine']}.", ""])


def _quality(result: dict[str, Any]) -> list[str]:
    lines = [
        "| collection | mode | nDCG@10 | Recall@100 | MRR@10 | query p50 | query p95 | documents a second |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in result["results"]:
        mode = row["mode"] + (", exact" if row["exact"] else "")
        measures = " | ".join(f"{value:.4f}" for value in row["measures"].values())
        speed = f"{row['query_p50_ms']:.0f} ms | {row['query_p95_ms']:.0f} ms | {row['documents_per_second']:.0f}"
        lines.append(f"| {row['collection']} ({row['documents']:,}) | {mode} | {measures} | {speed} |")
    return lines


def _encoder(result: dict[str, Any]) -> list[str]:
    lines = ["| encoding | documents a second | tokens a second | query p50 | Nestling is |", "|---|---|---|---|---|"]
    for name, row in result["ways"].items():
        times = "" if row["ratio"] == 1 else f"{row['ratio']:.2f} times as fast"
        speed = f"{row['documents_per_second']:.0f} | {row['tokens_per_second']:,} | {row['query_p50_ms']:.1f} ms"
        lines.append(f"| {name} | {speed} | {times} |")
    return lines


def _process(result: dict[str, Any]) -> list[str]:
    return [
        f"| on {result['collection']} ({result['documents']:,} documents) | |",
        "|---|---|",
        f"| indexing, from text to the closed file | {result['indexing_s']:.0f} s |",
        f"| library file | {result['library_bytes'] / 1e6:.1f} MB |",
        f"| `nestling search`, the whole process | {result['search_wall_s']:.2f} s |",
        f"| its largest resident set | {result['search_resident_mb']:.0f} MB |",
        f"| importing onnxruntime, numpy and tokenizers alone | {result['imports_wall_s']:.2f} s |",
        f"| site-packages after installing the wheel alone | {result['site_packages_mb']:.0f} MB |",
    ]


if __name__ == "__main__":
    README.write_text(filled(README.read_text()))
