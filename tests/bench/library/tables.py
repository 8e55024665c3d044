"""The tables of the library, see `tests.bench.tables`."""

from __future__ import annotations

from typing import Any


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


def _library(result: dict[str, Any]) -> list[str]:
    build, start, ask, change, sync = (
        result[step] for step in ("build", "open_and_answer", "ask", "see_and_remove", "sync")
    )
    rows = {
        f"file, of {build['passages']:,} passages": f"{build['bytes'] / 1e6:.0f} MB",
        "making it": f"{build['seconds']:.0f} s",
        "written to disk for it, times its size": f"{build['written_times']:.1f}",
        "opening to first answer, encoder included": f"{start['open_to_answer_s']:.2f} s",
        "largest resident set of a process that asks": f"{start['resident_mb']:.0f} MB",
        **{
            f"search, {name}": f"p50 {times['p50_ms']:.1f} ms, p95 {times['p95_ms']:.1f} ms"
            for name, times in ask.items()
        },
        "adding one document": f"{change['add_one_s']:.2f} s",
        "another process's first search behind that": f"{change['see_it_s']:.2f} s",
        "removing one document, and every word of it": f"{change['remove_one_s']:.2f} s",
        f"sync of {sync['files']:,} files that are as they were": f"{sync['unchanged_s']:.2f} s",
        "written to disk for the first sync of these, times the file's size": f"{sync['written_times']:.1f}",
    }
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]


def _languages(result: dict[str, Any]) -> list[str]:
    rules = ("unicode61", "trigram", "segmenter", "nestling")
    lines = [f"| nDCG@10 (KB) | {' | '.join(rules[:-1])} | **nestling** |", f"|---|{'---|' * len(rules)}"]
    for row in result["results"]:
        cells = (f"{row[rule]:.3f} ({row[f'{rule} KB']})" if rule in row else "" for rule in rules)
        lines.append(f"| {row['language']} | {' | '.join(cells)} |")
    return lines


def _multilingual(result: dict[str, Any]) -> list[str]:
    found = result["bundles"]["nestling-multi"]
    keys = ("hybrid", "dense", "lexical", "float", "bits", "to English")
    names = (
        "hybrid | by meaning | by words | whole, in float32 | by bits, 40 again | in English | pud | tokens | unknown"
    )
    lines = [f"| | {names} |", f"|---|{'---|' * 9}"]
    english = found["xquad"][0]["tokens"]
    for row in found["xquad"]:
        cells = [f"{row[key]:.3f}" for key in keys]
        cells.append(f"{found['pud'][row['language']]:.3f}" if row["language"] in found["pud"] else "")
        cells += [f"{row['tokens'] / english:.2f}", f"{row['unknown']:.2f}"]
        lines.append(f"| {row['language']} | {' | '.join(cells)} |")
    rest = [f"{name} {value:.3f}" for name, value in found["pud"].items() if name not in _asked(found)]
    return [*lines, "", f"pud in other languages: {', '.join(rest)}."]


def _narrower(result: dict[str, Any]) -> list[str]:
    widths = result["bundles"]["nestling-multi"]["widths"]
    lines = [
        "| width | in its own language | its questions, paragraphs of `xl` | in English | times as fast |",
        "|---|---|---|---|---|",
    ]
    for width, row in widths.items():
        values = " | ".join(f"{row[key]:.3f}" for key in ("own", "queries", "to English"))
        lines.append(f"| {width} | {values} | {row['times as fast']:.1f} |")
    return lines


def _asked(bundle: dict[str, Any]) -> set[str]:
    """The languages of xquad."""
    return {row["language"] for row in bundle["xquad"]}


def _upgraded(result: dict[str, Any]) -> list[str]:
    lines = [
        "| collection, passages | before | at once | after | lowest | half way | all | as new | file, at most "
        "| in the end |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]

    def cell(row: dict[str, Any], of: Any) -> str:
        return " / ".join(f"{of([step[how] for step in row['steps']]):.4f}" for how in ("at hand", "mapped"))

    for name, row in result["collections"].items():
        steps = [lambda of: of[0], min, lambda of: of[len(of) // 2], lambda of: of[-1]]
        first, lowest, half, last = (cell(row, step) for step in steps)
        same = f"{row['same_answers']} of {row['queries']}" if "same_answers" in row else ""
        in_the_end = f"{row['times_of_new']:.2f} x that of new" if "times_of_new" in row else ""
        cells = [f"{row['before']:.4f}", first, f"{row['first_answer_s']:.0f} s", lowest, half, last]
        cells += [same, f"{row['largest_times']:.2f} x", in_the_end]
        lines.append(f"| {name}, {row['passages']:,} | {' | '.join(cells)} |")
    return lines


def _relevance(result: dict[str, Any]) -> list[str]:
    lines = [
        "| mode | left out | calibration error | AUROC | said | judged relevant |",
        "|---|---|---|---|---|---|",
    ]
    for mode, collections in result["left out"].items():
        for name, found in collections.items():
            values = (found[key] for key in ("calibration error", "auroc", "said", "relevant"))
            lines.append(f"| {mode} | {name} | {' | '.join(f'{value:.3f}' for value in values)} |")
    below = result["below the bound"]
    said = (
        f"{below['questions with an answer']:.0%} of the questions with an answer and {below['without']:.0%} of those"
    )
    return [*lines, "", f"Below the bound, {result['relevance']['bound']}, is the best hit of {said} without."]


TABLES = {
    "languages": _languages,
    "multilingual": _multilingual,
    "upgraded": _upgraded,
    "multilingual_widths": _narrower,
    "quality": _quality,
    "fusion": _fusion,
    "fast": _fast,
    "library": _library,
    "relevance": _relevance,
}
