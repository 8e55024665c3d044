"""The tables of encoding, see `tests.bench.tables`."""

from __future__ import annotations

from typing import Any


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


def _brought(result: dict[str, Any]) -> list[str]:
    collections, documents = list(result["precisions"]["float32"]["ndcg"]), result["documents"]
    named = " | ".join(f"nDCG@10 {name} ({documents[name]:,} documents)" for name in collections)
    lines = [
        f"| {result['model']} | files | cosine, documents | queries "
        f"| {named} "
        "| minutes to build | on the processor | largest resident set |",
        "|---|---|---|---|---|---|---|" + "---|" * len(collections),
    ]
    exact = result["precisions"]["float32"]["ndcg"]
    for name, row in result["precisions"].items():
        cells = [
            f"{row['bytes'] / 1e6:.0f} MB",
            *(f"{row[f'{kind}cosine_mean']:.4f}, worst {row[f'{kind}cosine_min']:.4f}" for kind in ("", "query_")),
            *(f"{row['ndcg'][key]:.4f}, {100 * row['ndcg'][key] / exact[key]:.1f} %" for key in collections),
            *(f"{row[key] / 60:.1f}" for key in ("seconds", "processor_seconds")),
            f"{row['peak_mb'] / 1000:.1f} GB",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


TABLES = {
    "brought": _brought,
    "encoder": _encoder,
    "encoder_start": _encoder_start,
    "memory": _memory,
    "cpus": _cpus,
}
