"""Draws quality against what it costs, of Nestling and its peers; `python -m tests.bench plot`. Needs matplotlib."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from matplotlib import pyplot
from matplotlib.ticker import NullFormatter

OURS = "nestling"
# By whose weights a peer has; there are fewer colours than peers.
MARKERS = {"same": "o", "own": "^", "none": "s"}


def draw(result: Path, folder: Path) -> None:
    """Write peers.png and peers.svg: mean nDCG@10 against milliseconds a search, and against bytes on disk.

    Args:
        result: peers.json.
    """
    pyplot.rcParams["svg.hashsalt"] = "nestling"  # the same picture gives the same bytes
    found = json.loads(result.read_text())
    quality = {name: value for name in found["peers"] if (value := _mean(found, name)) is not None}
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True)
    for axes, label, ticks, value in (
        (left, "milliseconds a search, median", (0.1, 1, 10, 100), lambda row: row["ask"]["query_p50_ms"]),
        (right, "megabytes on disk, 2,000 files", (3, 5, 10, 20, 40), lambda row: row["bytes"] / 1e6),
    ):
        for number, name in enumerate(quality):
            row = found["folder"].get(name, {})
            if "ask" in row:
                marker = "D" if name == OURS else MARKERS[found["peers"][name]["weights"]]
                axes.plot([value(row)], [quality[name]], marker, color=f"C{number}", markersize=8, label=name)
        axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(label)
        axes.margins(x=0.15, y=0.15)
        axes.grid(visible=True, alpha=0.3)
    left.set_ylabel("nDCG@10, mean of the collections")
    right.legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(folder / "peers.svg", metadata={"Date": None})
    figure.savefig(folder / "peers.png", dpi=150)


def _mean(found: dict[str, Any], name: str) -> float | None:
    """The mean over all collections; None for a peer that was not measured on each."""
    rows = [by_peer.get(name) for by_peer in found["quality"].values()]
    return statistics.mean(row["nDCG@10"] for row in rows if row) if rows and all(rows) else None
