"""Prints the README's tables from the result files.

    python tests/bench/tables.py          # writes them into README.md

`tests/runtime/test_readme.py` holds README.md to what this prints.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .peers import tables as tables_of_peers

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results"
README = ROOT / "README.md"

_TABLE = re.compile(r"<!-- table: (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)


def filled(readme: str) -> str:
    """A README with every table made anew from its result file."""
    return _TABLE.sub(lambda match: f"<!-- table: {match[1]} -->\n{table(match[1])}<!-- end -->", readme)


def table(name: str) -> str:
    """The table of one result file, in Markdown."""
    result = json.loads((RESULTS / f"{name.split('_')[0]}.json").read_text())
    lines = TABLES[name](result)
    return "\n".join([*lines, "", f"`{result['command']}` at {result['commit']} on {result['machine']}.", ""])


def _quality(result: dict[str, Any]) -> list[str]:
    lines = [
        "| collection | mode | nDCG@10 | Recall@100 | MRR@10 |",
        "|---|---|---|---|---|",
    ]
    for row in result["results"]:
        mode = row["mode"] + (", exact" if row["exact"] else "")
        measures = " | ".join(f"{value:.4f}" for value in row["measures"].values())
        lines.append(f"| {row['collection']} ({row['documents']:,}) | {mode} | {measures} |")
    return lines


def _fusion(result: dict[str, Any]) -> list[str]:
    names = list(result["collections"])
    lines = [f"| nDCG@10 | {' | '.join(names)} | mean |", f"|---|{'---|' * (len(names) + 1)}"]
    for rule in result["collections"][names[0]]:
        values = [result["collections"][name][rule] for name in names]
        cells = " | ".join(f"{value:.4f}" for value in [*values, sum(values) / len(values)])
        chosen = f"{result['weight']:.2f} meaning" in rule and "best" in rule
        lines.append(f"| {f'**{rule}**' if chosen else rule} | {cells} |")
    return lines


def _library(result: dict[str, Any]) -> list[str]:
    build, ask, change, sync = (result[step] for step in ("build", "ask", "see_and_remove", "sync"))
    rows = {
        f"file, of {build['passages']:,} passages": f"{build['bytes'] / 1e6:.0f} MB",
        "making it, without encoding": f"{build['seconds_without_encoding']:.0f} s",
        "written to disk for it, times its size": f"{build['written_times']:.1f}",
        "opening to first answer, encoder included": f"{result['open_and_answer']['open_to_answer_s']:.2f} s",
        "largest resident set of a process that asks": f"{ask['resident_mb']:.0f} MB",
        **{
            f"search without encoding the query, {name}": f"p50 {times['p50_ms']:.1f} ms, p95 {times['p95_ms']:.1f} ms"
            for name, times in ask.items()
            if isinstance(times, dict)
        },
        "adding one document": f"{change['add_one_s']:.2f} s",
        "another process's first search behind that": f"{change['see_it_s']:.2f} s",
        "removing one document, and every word of it": f"{change['remove_one_s']:.2f} s",
        f"sync of {sync['files']:,} files that are as they were": f"{sync['unchanged_s']:.2f} s",
        "written to disk for the first sync of these, times the file's size": f"{sync['written_times']:.1f}",
    }
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]


def _encoder(result: dict[str, Any]) -> list[str]:
    ours = result["ways"]["nestling int8"]["documents_per_second"]
    lines = [
        "| encoding | documents a second | tokens a second | nestling int8 is | query p50 | p99 | resident "
        "| model's files |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in result["ways"].items():
        cells = [
            f"{row['documents_per_second']:.0f}",
            f"{row['tokens_per_second']:,}",
            "" if name == "nestling int8" else f"{ours / row['documents_per_second']:.2f} times as fast",
            *(f"{row[key]:.1f} ms" for key in ("query_p50_ms", "query_p99_ms")),
            f"{row['resident_mb']:.0f} MB",
            f"{row['file_bytes'] / 1e6:.1f} MB",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _encoder_start(result: dict[str, Any]) -> list[str]:
    bare = result["starts"]["imports alone"]
    lines = ["| a new process | seconds | times the imports |", "|---|---|---|"]
    for name, seconds in result["starts"].items():
        what = (
            "importing numpy, onnxruntime and tokenizers" if name == "imports alone" else f"{name}, to the first vector"
        )
        lines.append(f"| {what} | {seconds:.2f} | {seconds / bare:.2f} |")
    return lines


def _precision(result: dict[str, Any]) -> list[str]:
    names = list(result["precisions"]["float32"]["ndcg_at_10"])
    lines = [
        f"| precision | files | {' | '.join(names)} | mean nDCG@10 | of float32 | lowest of a collection | cosine "
        "| worst |",
        f"|---|---|{'---|' * len(names)}---|---|---|---|---|",
    ]
    for name, row in result["precisions"].items():
        cells = [
            f"{row['file_bytes'] / 1e6:.2f} MB",
            _scores(row),
            f"{row['mean']:.4f}",
            f"{100 * row['share']:.1f} %",
            f"{100 * min(row['shares'].values()):.1f} %",
            _cosines(row),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _scores(row: dict[str, Any]) -> str:
    """The cells of nDCG@10, by collection."""
    return " | ".join(f"{value:.4f}" for value in row["ndcg_at_10"].values())


def _cosines(row: dict[str, Any]) -> str:
    """The cells of the mean and the worst cosine."""
    return f"{row['cosine_mean']:.4f} | {row['cosine_min']:.4f}"


def _int8(result: dict[str, Any]) -> list[str]:
    names = list(result["kinds"]["float32"]["ndcg_at_10"])
    cpu = result["cpu"]
    lines = [
        f"| products | cosine | worst | {' | '.join(f'nDCG@10, {name}' for name in names)} | a text of 240 tokens "
        f"| cosine on {cpu}, emulated | worst |",
        f"|---|---|---|{'---|' * len(names)}---|---|---|",
    ]
    for name, row in result["kinds"].items():
        there = _cosines(row["emulated"]) if "emulated" in row else "|"
        cells = f"{_cosines(row)} | {_scores(row)} | {row['text_ms']:.1f} ms | {there}"
        lines.append(f"| {name} | {cells} |")
    return lines


def _groups(result: dict[str, Any]) -> list[str]:
    names = list(result["groups"]["float32"]["ndcg_at_10"])
    lines = [
        f"| group of the matrices | their bytes | {' | '.join(names)} | mean nDCG@10 | cosine | worst |",
        f"|---|---|{'---|' * len(names)}---|---|---|",
    ]
    for name, row in result["groups"].items():
        size = f"{row['matrix_bytes'] / 1e6:.2f} MB"
        lines.append(f"| {name} | {size} | {_scores(row)} | {row['mean']:.4f} | {_cosines(row)} |")
    return lines


def _table(result: dict[str, Any]) -> list[str]:
    names = list(result["forms"]["float32"]["ndcg_at_10"])
    lines = [
        f"| token table | its bytes | cosine | worst | {' | '.join(f'nDCG@10, {name}' for name in names)} |",
        f"|---|---|---|---|{'---|' * len(names)}",
    ]
    for name, row in result["forms"].items():
        lines.append(f"| {name} | {row['bytes'] / 1e6:.2f} MB | {_cosines(row)} | {_scores(row)} |")
    return lines


def _cpus(result: dict[str, Any]) -> list[str]:
    lines = [
        "| precision | processor | cosine | worst | best document the same | ten the same | in the same order "
        "| of the ten | widest gap |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for precision, cpus in result["precisions"].items():
        for cpu, row in cpus.items():
            dense = row["dense"]
            cells = [
                f"{row['cosine_mean']:.5f}",
                f"{row['cosine_min']:.5f}",
                *(f"{dense[key]} of {result['queries']}" for key in ("same_first", "same_ten", "same_order")),
                f"{100 * dense['overlap']:.1f} %",
                f"{dense['widest_gap']:.4f}",
            ]
            lines.append(f"| {precision} | {cpu} | {' | '.join(cells)} |")
    return lines


def _memory(result: dict[str, Any]) -> list[str]:
    lines = [
        "| precision | texts | resident after 500 | growth behind that | peak | an idle second costs |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in result["precisions"].items():
        sizes = " | ".join(f"{row[f'resident_{key}_mb']:.0f} MB" for key in ("after_500", "growth", "peak"))
        lines.append(f"| {name} | {row['texts']:,} | {sizes} | {row['idle_processor_ms_a_second']:.1f} ms |")
    return lines


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


def _study(result: dict[str, Any]) -> list[str]:
    names = list(result["collections"])
    base = result["variants"][result["default"]]
    lines = [
        f"| encoder | files | tokens a second | query p50 | {' | '.join(names)} | share | 95 % of resamplings "
        "| share of Recall@100 |",
        f"|---|---|---|---|{'---|' * len(names)}---|---|---|",
    ]
    both = {row["queries"]: row for row in result["pairs"] if row["queries"] == row["documents"]}
    both["teacher float32"] = {"scores": result["teacher"], "share": 1.0, "recall_share": 1.0}
    for name, cost in result["variants"].items():
        times = cost["tokens_per_second"] / base["tokens_per_second"]
        cells = [
            f"{cost['file_bytes'] / 1e6:.1f} MB",
            f"{cost['tokens_per_second']:,}, {times:.2f} x",
            f"{cost['query_p50_ms']:.2f} ms",
            _study_scores(both[name], names) if name in both else " | ".join([""] * (len(names) + 3)),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [f"| {name} | | | | {_study_scores(row['both'], names)} |" for name, row in result["rivals"].items()]
    return lines


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


def _fast(result: dict[str, Any]) -> list[str]:
    first = result["collections"][0]
    lines = [
        f"| of {result['documents']:,} documents, {result['passages']:,} passages | seconds "
        f"| hybrid nDCG@10 on {first} | dense |",
        "|---|---|---|---|",
    ]
    for row in result["stages"]:
        cells = [f"{row['seconds']:.0f}", *(f"{row[mode]['nDCG@10']:.4f}" for mode in ("hybrid", "dense"))]
        command, _, part = row["name"].partition(", ")
        lines.append(f"| `{command}`{part and f', {part}'} | {' | '.join(cells)} |")
    same = f"{result['same_answers']} of {result['queries']} queries"
    return [*lines, "", f"After the last of `refine`, {same} find the passages of `add`, in its order with its scores."]


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


TABLES = {
    "fusion": _fusion,
    "library": _library,
    "quality": _quality,
    "encoder": _encoder,
    "encoder_start": _encoder_start,
    "precision": _precision,
    "int8": _int8,
    "groups": _groups,
    "table": _table,
    "cpus": _cpus,
    "memory": _memory,
    "process": _process,
    "fast": _fast,
    "index": _index,
    "index_curve": _index_curve,
    "index_prefix": _index_prefix,
    "index_filters": _index_filters,
    "study": _study,
    "study_pairs": _study_pairs,
    "study_codes": _study_codes,
    **tables_of_peers.TABLES,
}

if __name__ == "__main__":
    README.write_text(filled(README.read_text()))
