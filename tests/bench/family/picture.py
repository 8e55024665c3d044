"""Draws ranking quality against the milliseconds of a query from a study.

    python -m tests.bench.family.picture          # study.json to study.svg and study.png beside it

Needs matplotlib.
"""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib import pyplot

RESULTS = Path(__file__).parents[1] / "results"


def main() -> None:
    pyplot.rcParams["svg.hashsalt"] = "nestling"  # the same picture gives the same bytes
    result = json.loads((RESULTS / "study.json").read_text())
    pairs = {(row["queries"], row["documents"]): 100 * row["share"] for row in result["pairs"]}
    variants, default = result["variants"], result["default"]
    names = result["widths"]
    figure, axes = pyplot.subplots(figsize=(7, 4))
    milliseconds = [variants[name]["query_p50_ms"] for name in names]
    for label, shares in (
        (f"documents by {default}", [pairs[name, default] for name in names]),
        ("documents by the same", [pairs[name, name] for name in names]),
    ):
        axes.plot(milliseconds, shares, marker="o", label=label)
    for name, x in zip(names, milliseconds, strict=True):
        axes.annotate(name.split(".")[0], (x, pairs[name, default]), textcoords="offset points", xytext=(-3, 7))
    teacher = variants["teacher float32"]["query_p50_ms"]
    axes.plot([teacher], [100], marker="s", linestyle="", label="the teacher, float32")
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds to encode a query, median")
    axes.set_ylabel("nDCG@10, % of the teacher's")
    axes.margins(y=0.1)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(RESULTS / "study.svg", metadata={"Date": None})
    figure.savefig(RESULTS / "study.png", dpi=150)


if __name__ == "__main__":
    main()
