"""What the results of all jobs come to: medians of rounds, measures by query, differences with their intervals."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nestling.evaluate import Collection, ranking_measures, scored_by_rank

from .adapters import PEERS, peer
from .environments import Json
from .jobs import Setup, results

MEASURES = ("nDCG@10", "Recall@100")
OURS = "nestling"
RESAMPLINGS = 10_000

# Of queries, by collection, peer and measure, in the order of the collection's queries.
ByQuery = dict[str, dict[str, dict[str, list[float]]]]


def summary(setup: Setup) -> tuple[Json, ByQuery]:
    """All that the tables say, and the measures of every query behind it."""
    found = results(setup)
    by_query: ByQuery = {}
    result: Json = {"peers": {name: _of_peer(name, found) for name in PEERS}}
    for job in ("hello", "encode", "folder", "change"):
        result[job] = {name: _merged(found[job, name]) for name in PEERS if (job, name) in found}
    result["kill"] = {name: _kills(found["kill", name]) for name in PEERS if ("kill", name) in found}
    result["quality"], result["quality_errors"] = {}, {}
    for number, collection in enumerate(setup.collections):
        rows = {name: row for name in PEERS if (row := setup.result("quality", name, number)) is not None}
        by_query[collection.name] = {
            name: _measured(collection, row["rank"]["found"]) for name, row in rows.items() if "rank" in row
        }
        result["quality"][collection.name] = compared(by_query[collection.name])
        errors = {name: row["error"] for name, row in rows.items() if "error" in row}
        result["quality_errors"][collection.name] = errors
    return result, by_query


def compared(by_peer: Mapping[str, Mapping[str, Sequence[float]]]) -> Json:
    """Means by peer, and how far ours are above, with what 95 % of resamplings of the queries have (paired).

    `p` is of a randomisation test of two sides: how often signs that are drawn for the differences give as much.
    """
    result: Json = {}
    for name, values in by_peer.items():
        row: Json = {one: round(float(np.mean(values[one])), 4) for one in MEASURES}
        if name != OURS and OURS in by_peer:
            ours = np.asarray(by_peer[OURS]["nDCG@10"])
            row["ours_above"] = difference(ours, np.asarray(values["nDCG@10"]))
        result[name] = row
    return result


def difference(ours: np.ndarray, theirs: np.ndarray) -> Json:
    """The mean difference of paired values, its interval of 95 %, and p."""
    apart = ours - theirs
    random = np.random.default_rng(0)
    drawn = apart[random.integers(0, len(apart), (RESAMPLINGS, len(apart)))].mean(axis=1)
    signs = random.choice(np.array([-1.0, 1.0]), (RESAMPLINGS, len(apart)))
    by_chance = np.abs((signs * apart).mean(axis=1)) >= abs(apart.mean()) - 1e-12
    low, high = (round(float(end), 4) for end in np.percentile(drawn, [2.5, 97.5]))
    return {
        "mean": round(float(apart.mean()), 4),
        "between": [low, high],
        "p": round(float((by_chance.sum() + 1) / (RESAMPLINGS + 1)), 4),
    }


def _measured(collection: Collection, found: Mapping[str, Sequence[str]]) -> dict[str, list[float]]:
    values = ranking_measures(collection.judgements, {key: scored_by_rank(ids) for key, ids in found.items()})
    return {name: [round(values[key][name], 4) for key in collection.queries] for name in MEASURES}


def _of_peer(name: str, found: Mapping[tuple[str, str], list[Json]]) -> Json:
    """Its weights, versions and what its environment weighs."""
    rows = [row for (_, one), all_rows in found.items() if one == name for row in all_rows]
    parts = [part for row in rows for part in (row, row.get("index", {}))]
    versions = next((part["versions"] for part in parts if "versions" in part), {})
    environment = next((row["environment"] for row in rows), {})
    return {"weights": peer(name).weights, "versions": versions, "environment": environment}


def _merged(rows: Sequence[Any]) -> Any:
    """Medians of numbers, part by part; an error where there is one in any round."""
    first = rows[0]
    if isinstance(first, dict):
        failed = next((row["error"] for row in rows if "error" in row), None)
        if failed is not None:
            return {"error": failed}
        left_out = {"environment", "versions", "took_s"}
        return {key: _merged([row[key] for row in rows]) for key in first if key not in left_out}
    if isinstance(first, bool) or not isinstance(first, (int, float)):
        return first
    return round(statistics.median(rows), 4)


def _kills(rows: Sequence[Json]) -> Json:
    """Of all kills together; an error where none was one."""
    kills = [row for row in rows if "acknowledged" in row]
    if not kills:
        return {"error": rows[0]["error"]}
    return {
        "kills": len(kills),
        "acknowledged": sum(row["acknowledged"] for row in kills),
        "lost": sum(row.get("lost", row["acknowledged"]) for row in kills),
        "asked": sum(row.get("asked", 0) for row in kills),
        "found": sum(row.get("found", 0) for row in kills),
        "unreadable": sum("error" in row for row in kills),
    }
