"""The tables of the service, see `tests.bench.tables`."""

from __future__ import annotations

from typing import Any


def _page(result: dict[str, Any]) -> list[str]:
    return [
        "| service started | page opened | weighs | from a key to its hits, p50 | p95 | worst of |",
        "|---|---|---|---|---|---|",
        f"| {result['started_s']:.2f} s | {result['opened_s']:.2f} s | {result['bytes'] / 1000:.0f} kB "
        f"| {result['key_p50_ms']:.0f} ms | {result['key_p95_ms']:.0f} ms "
        f"| {result['keys']}: {result['key_worst_ms']:.0f} ms |",
    ]


def _load(result: dict[str, Any]) -> list[str]:
    memory = " / ".join(f"{result[f'resident_mb_{when}']:.0f}" for when in ("before", "at_half", "after"))
    return [
        "| answers | errors | mixed up | p50 | p95 | worst | resident before / half way / in the end "
        "| files taken in |",
        "|---|---|---|---|---|---|---|---|",
        f"| {result['answers']:,} | {result['errors']} | {result['mixed_up']} | {result['p50_ms']:.0f} ms "
        f"| {result['p95_ms']:.0f} ms | {result['worst_ms']:.0f} ms | {memory} MB "
        f"| {result['taken_in_meanwhile']:,} |",
    ]


def _foreign(result: dict[str, Any]) -> list[str]:
    fuzzed, conformance = result["schemathesis"], result["conformance"]
    passed = [name for name, has_passed in conformance["scenarios"].items() if has_passed]
    failed = [name for name in conformance["scenarios"] if name not in passed]
    said = "no error of the server" if fuzzed["no_server_error"] else "errors of the server"
    return [
        "| tool | found |",
        "|---|---|",
        f"| {fuzzed['package']} | {fuzzed['requests']:,} requests of the description, {said} |",
        f"| {conformance['package']} | passed: {', '.join(passed)}; failed: {', '.join(failed) or 'none'} |",
    ]


TABLES = {"page": _page, "load": _load, "foreign": _foreign}
