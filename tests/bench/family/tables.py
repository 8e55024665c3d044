"""The tables of the widths, see `tests.bench.tables`."""

from __future__ import annotations

from typing import Any


def _widths(speed: dict[str, Any], study: dict[str, Any]) -> list[str]:
    base = speed["variants"][study["default"]]
    shares = {row["queries"]: row["share"] for row in study["pairs"] if row["queries"] == row["documents"]}
    lines = ["| width | files | tokens a second | query p50 | quality kept |", "|---|---|---|---|---|"]
    for name, cost in speed["variants"].items():
        rate = cost["tokens_per_second"]
        cells = [
            f"{cost['file_bytes'] / 1e6:.1f} MB",
            f"{rate:,}, {rate / base['tokens_per_second']:.2f} x",
            f"{cost['query_p50_ms']:.2f} ms",
            _percent(shares[name]) if name in shares else "",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _study(result: dict[str, Any]) -> list[str]:
    names = list(result["collections"])
    lines = [
        f"| encoder | {' | '.join(names)} | share | 95 % of resamplings | share of Recall@100 |",
        f"|---|{'---|' * len(names)}---|---|---|",
    ]
    both = {row["queries"]: row for row in result["pairs"] if row["queries"] == row["documents"]}
    rows = {"teacher float32": {"scores": result["teacher"], "share": 1.0, "recall_share": 1.0}, **both}
    rows |= {name: row["both"] for name, row in result["rivals"].items()}
    return [*lines, *(f"| {name} | {_study_scores(row, names)} |" for name, row in rows.items())]


def _study_scores(row: dict[str, Any], names: list[str]) -> str:
    """The cells of nDCG@10 by collection, and of the shares of the teacher's."""
    cells = [f"{row['scores'][name]['nDCG@10']:.4f}" for name in names]
    between = " to ".join(f"{100 * end:.1f}" for end in row.get("share_between", []))
    return " | ".join([*cells, _percent(row["share"]), between, _percent(row["recall_share"])])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _study_pairs(result: dict[str, Any]) -> list[str]:
    pairs = {(row["queries"], row["documents"]): row for row in result["pairs"]}
    names = result["widths"]
    lines = [f"| queries | {' | '.join(f'documents {name}' for name in names)} |", f"|---|{'---|' * len(names)}"]
    for queries in names:
        cells = [_percent(pairs[queries, documents]["share"]) for documents in names]
        lines.append(f"| {queries} | {' | '.join(cells)} |")
    for name, row in result["rivals"].items():
        if row["queries"] is not None:
            lines.append(f"| {name} | {_percent(row['queries']['share'])} |{' |' * (len(names) - 1)}")
    return lines


def _study_codes(result: dict[str, Any]) -> list[str]:
    kinds = list(dict.fromkeys(row["code"] for row in result["codes"]))
    found = {(row["encoder"], row["code"]): row for row in result["codes"]}
    lines = [f"| encoder | {' | '.join(kinds)} |", f"|---|{'---|' * len(kinds)}"]
    for name in dict.fromkeys(row["encoder"] for row in result["codes"]):
        cells = [_percent(found[name, kind]["share"]) for kind in kinds]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


TABLES = {
    "study": _study,
    "study_pairs": _study_pairs,
    "study_codes": _study_codes,
    "widths": _widths,
}
