"""The tables beside peers, see `tests.bench.tables`."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import shorten
from typing import Any

OURS = "nestling"
_SAID = 110
OTHER_WEIGHTS = {"own": " (its own weights)", "none": " (words alone)", "same": ""}

Cells = Callable[[dict[str, Any]], list[str]]


def hello(result: dict[str, Any]) -> list[str]:
    def cells(row: dict[str, Any]) -> list[str]:
        return [f"{row['seconds']:.2f} s"]

    lines = _table(result, "hello", ["first answer, from nothing, no network"], cells)
    weighs = {name: peer["environment"].get("bytes") for name, peer in result["peers"].items()}
    return [
        lines[0] + " installed |",
        lines[1] + "---|",
        *(
            f"{line} {_megabytes(weighs[name])} |"
            for line, name in zip(lines[2:], _names(result, "hello"), strict=True)
        ),
    ]


def encode(result: dict[str, Any]) -> list[str]:
    ours = result["encode"].get(OURS, {}).get("documents_per_second")

    def cells(row: dict[str, Any]) -> list[str]:
        rate = row["documents_per_second"]
        times = "" if ours in (None, rate) else f"{ours / rate:.2f}"
        latency = [f"{row['query_p50_ms']:.1f} ms", f"{row['query_p99_ms']:.1f} ms"]
        return [f"{rate:.0f}", times, *latency, f"{row['resident_mb']:.0f} MB"]

    heads = ["documents a second", "nestling is so many times as fast", "query p50", "p99", "largest resident set"]
    return _table(result, "encode", heads, cells)


def folder(result: dict[str, Any]) -> list[str]:
    def cells(row: dict[str, Any]) -> list[str]:
        index, ask = row["index"], row["ask"]
        return [
            f"{index['seconds']:.0f} s",
            _megabytes(row["bytes"]),
            f"{ask['first_answer_s']:.2f} s",
            f"{ask['query_p50_ms']:.1f} ms",
            f"{ask['query_p99_ms']:.1f} ms",
            f"{ask['resident_mb']:.0f} MB",
            f"{index['resident_mb']:.0f} MB",
        ]

    heads = [
        "indexing",
        "on disk",
        "start to first answer",
        "search p50",
        "p99",
        "largest resident set, asking",
        "indexing",
    ]
    return _table(result, "folder", heads, cells)


def quality(result: dict[str, Any]) -> list[str]:
    collections = result["quality"]
    lines = [f"| nDCG@10 (Recall@100) | {' | '.join(collections)} |", f"|---|{'---|' * len(collections)}"]
    for name, peer in result["peers"].items():
        rows = [by_peer.get(name) for by_peer in collections.values()]
        errors = [result["quality_errors"][collection].get(name) for collection in collections]
        if any(rows):
            cells = [
                _measured(row) if row else _said(error or "not measured")
                for row, error in zip(rows, errors, strict=True)
            ]
        elif said := next(filter(None, errors), None):
            cells = _failed(said, len(collections))
        else:
            continue
        lines.append(f"| {name}{OTHER_WEIGHTS[peer['weights']]} | {' | '.join(cells)} |")
    return lines


def change(result: dict[str, Any]) -> list[str]:
    def cells(row: dict[str, Any]) -> list[str]:
        update, remove, kept = row["update"], row["remove"], row["filter"]
        return [
            _changed(update),
            _changed(remove),
            kept.get("error") or f"{kept['query_p50_ms']:.1f} ms",
            "" if "error" in kept else f"{kept['ten_of_the_part']} of {kept['of']}",
        ]

    heads = ["replace one", "remove one", "search with a filter, p50", "gave ten, all within it"]
    return _table(result, "change", heads, cells)


def _changed(row: dict[str, Any]) -> str:
    return row.get("error") or f"{row['seconds']:.2f} s, {row['seen']} of {row['of']} seen"


def kill(result: dict[str, Any]) -> list[str]:
    def cells(row: dict[str, Any]) -> list[str]:
        sought = f"{row['found']} of {row['asked']}"
        return [*(str(row[key]) for key in ("kills", "acknowledged", "lost")), sought, str(row["unreadable"])]

    heads = ["kills", "documents acknowledged", "of these lost", "the last are found", "stores that do not answer"]
    return _table(result, "kill", heads, cells)


def peers(result: dict[str, Any]) -> list[str]:
    """The other tables in one, of those whose store is measured."""
    heads = ["nDCG@10, mean of three", "indexing", "on disk", "search p50", "memory, asking"]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for name, row in result["folder"].items():
        rows = [by_peer.get(name) for by_peer in result["quality"].values()]
        if "error" in row or not all(rows):
            continue
        cells = [
            f"{sum(one['nDCG@10'] for one in rows) / len(rows):.3f}",
            f"{row['index']['seconds']:.0f} s",
            _megabytes(row["bytes"]),
            f"{row['ask']['query_p50_ms']:.1f} ms",
            f"{row['ask']['resident_mb']:.0f} MB",
        ]
        lines.append(f"| {name}{OTHER_WEIGHTS[result['peers'][name]['weights']]} | {' | '.join(cells)} |")
    return lines


def size(result: dict[str, Any]) -> list[str]:
    """What Nestling alone takes."""
    row = result["folder"][OURS]
    rows = {
        "installed, with all that it needs and the encoders": _megabytes(result["peers"][OURS]["environment"]["bytes"]),
        "a library of 2,000 texts of 1,500 characters": _megabytes(row["bytes"]),
        "memory of a process that searches it": f"{row['ask']['resident_mb']:.0f} MB",
        "memory of a process that makes it": f"{row['index']['resident_mb']:.0f} MB",
        "a new process, from its start to its first answer": f"{row['ask']['first_answer_s']:.2f} s",
    }
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]


def _names(result: dict[str, Any], job: str) -> list[str]:
    return [name for name in result["peers"] if name in result[job]]


def _table(result: dict[str, Any], job: str, heads: list[str], cells: Cells) -> list[str]:
    """A row a peer; of one that failed what it said."""
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for name in _names(result, job):
        row, weights = result[job][name], result["peers"][name]["weights"]
        found = _failed(row["error"], len(heads)) if "error" in row else cells(row)
        lines.append(f"| {name}{OTHER_WEIGHTS[weights] if job != 'hello' else ''} | {' | '.join(found)} |")
    return lines


def _failed(said: str, count: int) -> list[str]:
    """The cells of a row that has nothing but what went wrong."""
    return [_said(said), *[""] * (count - 1)]


def _said(error: str) -> str:
    """An error in its first sentence, or the beginning of that."""
    return shorten(error.replace("|", "/").partition(". ")[0].rstrip("."), _SAID, placeholder=" ...")


def _measured(row: dict[str, Any]) -> str:
    text = f"{row['nDCG@10']:.4f} ({row['Recall@100']:.3f})"
    if "ours_above" not in row:
        return text
    above = row["ours_above"]
    low, high = above["between"]
    return f"{text}, ours {above['mean']:+.3f} ({low:+.3f} to {high:+.3f})"


def _megabytes(count: float | None) -> str:
    return "" if count is None else f"{count / 1e6:.{0 if count > 1e8 else 1}f} MB"


TABLES = {
    "peers": peers,
    "peers_size": size,
    "peers_hello": hello,
    "peers_encode": encode,
    "peers_folder": folder,
    "peers_quality": quality,
    "peers_change": change,
    "peers_kill": kill,
}
