"""The tables of the index, see `tests.bench.tables`."""

from __future__ import annotations

from typing import Any


def _index(result: dict[str, Any]) -> list[str]:
    lines = [
        "| index | vectors | build | bytes a vector | open to answer | resident | query p50 | p99 | one of 64 "
        "| recall@10 | recall@100 |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(result["peers"], key=lambda row: -row["rows"]):
        name = f"{row['name']} | {row['rows']:,}"
        if error := row.get("build_error") or row.get("answer_error"):
            lines.append(f"| {name} | {error} | | | | | | | | |")
            continue
        cells = [
            f"{row['build_s']:.0f} s",
            f"{row['bytes_a_vector']:.0f}",
            f"{row['open_to_answer_s']:.2f} s",
            f"+{row['resident_growth_mb']:.0f} MB",
            *(f"{row[key]:.1f} ms" for key in ("query_p50_ms", "query_p99_ms", "of_64_query_ms")),
            *(f"{row[key]:.3f}" for key in ("recall_10", "recall_100")),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    pair = result["paired"]
    return [
        *lines,
        "",
        f"A query of the million answered in turn with FAISS's bare scan of the same bits: {pair['nestling_ms']:.1f} "
        f"ms against {pair['faiss_ms']:.1f}, {pair['ratio']:.2f} times.",
    ]


def _index_curve(result: dict[str, Any]) -> list[str]:
    curve = [row for row in result["curve"] if row["scan_dim"] is None]
    ways = list(dict.fromkeys(row["oversample"] for row in curve))
    lines = [
        f"| vectors | fine | k | {' | '.join(f'{way} k' if way else 'all' for way in ways)} |",
        "|---" * (3 + len(ways)) + "|",
    ]
    for vectors, fine, k in dict.fromkeys((row["vectors"], row["fine"], row["k"]) for row in curve):
        found = {
            row["oversample"]: row for row in curve if (row["vectors"], row["fine"], row["k"]) == (vectors, fine, k)
        }
        cells = [
            f"{found[way]['recall']:.3f}, {found[way]['query_p50_ms']:.1f} ms" if way in found else "" for way in ways
        ]
        lines.append(f"| {vectors:,} | {fine or 'none'} | {k} | {' | '.join(cells)} |")
    return lines


def _index_prefix(result: dict[str, Any]) -> list[str]:
    lines = ["| bits scanned of a million | recall@10 | query p50 | recall@100 | query p50 |", "|---|---|---|---|---|"]
    rows = [row for row in result["curve"] if row["vectors"] == max(row["vectors"] for row in result["curve"])]
    for scan_dim in sorted({row["scan_dim"] or result["dim"] for row in rows}):
        of = [row for row in rows if (row["scan_dim"] or result["dim"]) == scan_dim and row["oversample"] == 10]
        cells = [f"{row['recall']:.3f} | {row['query_p50_ms']:.1f} ms" for row in of]
        lines.append(f"| {scan_dim} | {' | '.join(cells)} |")
    return lines


def _index_filters(result: dict[str, Any]) -> list[str]:
    lines = ["| vectors that a filter leaves | given as | query p50 |", "|---|---|---|"]
    for row in result["filters"]:
        share = "no filter" if row["given"] == "none" else f"{100 * row['share']:g} %"
        given = "" if row["given"] == "none" else row["given"]
        lines.append(f"| {share} | {given} | {row['query_p50_ms']:.1f} ms |")
    return lines


TABLES = {
    "index": _index,
    "index_curve": _index_curve,
    "index_prefix": _index_prefix,
    "index_filters": _index_filters,
}
