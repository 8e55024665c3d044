"""`Index` beside its peers on the same vectors: build, bytes, open, memory, time of a query, recall.

    python -m tests.bench.index.compare TEXT_FOLDER WORK_FOLDER [--rows 1000000] [--graph-rows 200000] [--only NAME ...]
        [-o tests/bench/results/index.json]

TEXT_FOLDER holds the training text, WORK_FOLDER some gigabytes of what is made of it. Every peer builds in one process
(two threads where it takes them) and answers on one thread in another that opens what the first left. Needs the
peers named in `indexes.py`; one that is not there is listed with its error. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..machine import described, finished, resident_mb, timed
from .indexes import INDEXES
from .vectors import prepare

ONE_QUERIES = 200
TOGETHER = 64
TIMEOUT_S = 3000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--graph-rows", type=int, default=200_000)
    parser.add_argument("--only", nargs="+", choices=list(INDEXES))
    parser.add_argument("--step", choices=["build", "answer", "paired", "curve", "filters"], help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "results" / "index.json")
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(STEPS[arguments.step](arguments.work, arguments.rows, (arguments.only or [""])[0])))
        return
    for rows in (arguments.rows, arguments.graph_rows):
        prepare(arguments.texts, arguments.work, rows)
    # What is not measured again stays as it was.
    before = json.loads(arguments.output.read_text()) if arguments.only and arguments.output.exists() else {}
    results = before.get("peers", [])
    for name, peer in INDEXES.items():
        for rows in (arguments.rows, arguments.graph_rows) if peer.exact else (arguments.graph_rows,):
            if not arguments.only or name in arguments.only:
                measured = {"name": name, "rows": rows}
                measured |= step("build", arguments, rows, name) | step("answer", arguments, rows, name)
                results = [row for row in results if (row["name"], row["rows"]) != (name, rows)] + [measured]
                print(measured, flush=True)
    command = f"python -m tests.bench.index.compare {arguments.texts} WORK_FOLDER"
    result = {
        **described(command, 2),
        "dim": 384,
        "paired": step("paired", arguments, arguments.rows),
        "curve": before.get("curve") or step("curve", arguments, arguments.rows),
        "filters": before.get("filters") or step("filters", arguments, arguments.rows),
        "peers": results,
    }
    finished(arguments.output, result)


def step(name: str, arguments: argparse.Namespace, rows: int, peer: str | None = None) -> Any:
    """A step in a process of its own; its error where it fails."""
    command = [
        sys.executable,
        "-m",
        __spec__.name,
        str(arguments.texts),
        str(arguments.work),
        "--rows",
        str(rows),
        "--step",
        name,
    ]
    command += ["--only", peer] if peer else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    except subprocess.CalledProcessError as error:
        return {f"{name}_error": error.stderr.strip().splitlines()[-1][:200]}
    except subprocess.TimeoutExpired:
        return {f"{name}_error": f"not done after {TIMEOUT_S} s"}
    return json.loads(done.stdout.splitlines()[-1])


def build(work: Path, rows: int, name: str) -> dict[str, Any]:
    vectors = np.load(work / f"vectors-{rows}.npy", mmap_mode="r")
    path = _path(work, rows, name)
    subprocess.run(["rm", "-rf", str(path)], check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    vectors = np.ascontiguousarray(vectors)
    begin = time.perf_counter()
    INDEXES[name].build(vectors, path)
    seconds = time.perf_counter() - begin
    parts = [*path.rglob("*")] if path.is_dir() else list(path.parent.glob(f"{path.name}*"))
    size = sum(part.stat().st_size for part in parts if part.is_file())
    return {"build_s": round(seconds, 1), "bytes_a_vector": round(size / rows, 1)}


def answer(work: Path, rows: int, name: str) -> dict[str, Any]:
    queries, truth = np.load(work / "queries.npy"), np.load(work / f"truth-{rows}.npy")
    if name.startswith("nestling"):
        import nestling.vectors.index  # noqa: F401 - so that opening is timed, not importing
    before = resident_mb("VmRSS")
    begin = time.perf_counter()
    search = INDEXES[name].open(_path(work, rows, name))
    search(queries[:1], 10)
    opened = time.perf_counter() - begin
    slow = timed(lambda: search(queries[1:2], 10)) > 0.5
    count = 20 if slow else ONE_QUERIES
    one = [timed(lambda row=row: search(queries[row : row + 1], 10)) for row in range(count)]
    grown = resident_mb("VmRSS") - before
    together = [timed(lambda: search(queries[:TOGETHER], 10)) for _ in range(1 if slow else 3)]
    asked = TOGETHER if slow else len(queries)
    return {
        "open_to_answer_s": round(opened, 3),
        "resident_growth_mb": round(grown, 1),
        "query_p50_ms": round(1000 * float(np.percentile(one, 50)), 2),
        "query_p99_ms": round(1000 * float(np.percentile(one, 99)), 2),
        "of_64_query_ms": round(1000 * float(np.median(together)) / TOGETHER, 2),
        "recall_10": _recall(search(queries[:asked], 10), truth[:asked], 10),
        "recall_100": _recall(search(queries[:asked], 100), truth[:asked], 100),
        "versions": {package: version(package) for package in INDEXES[name].packages},
    }


def paired(work: Path, rows: int, name: str) -> dict[str, Any]:
    """Nestling's whole query and FAISS's bare scan of the bits, in turn, in one process on one thread."""
    queries = np.load(work / "queries.npy")
    ways = {name: INDEXES[name].open(_path(work, rows, name)) for name in ("nestling, int8", "FAISS IndexBinaryFlat")}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for row in range(ONE_QUERIES):
        for name_, search in ways.items():
            seconds[name_].append(timed(lambda search=search, row=row: search(queries[row : row + 1], 10)))
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    nestling, faiss = medians.values()
    return {
        "nestling_ms": round(1000 * nestling, 2),
        "faiss_ms": round(1000 * faiss, 2),
        "ratio": round(nestling / faiss, 2),
    }


def curve(work: Path, rows: int, name: str) -> list[dict[str, Any]]:
    """Recall against exact float32 and time by what is searched and how much is rescored."""
    from nestling import Index

    queries, real = np.load(work / "queries.npy"), np.load(work / "real.npy")
    whole = Index.open(_path(work, rows, "nestling, int8"))
    found = []
    for fine, of in (("int8", "real"), ("int4", "real"), ("float16", "real"), (None, "real"), ("int8", str(rows))):
        truth = np.load(work / f"truth-{of}.npy")
        if of == "real":
            index = Index(real.shape[1], fine=fine)
            index.add(np.arange(len(real)), real)
        else:
            index = whole
        ways: list[tuple[int | None, int | None]] = [(oversample, None) for oversample in (2, 5, 10, 20, 40, 80)]
        ways += [(None, None)] if of == "real" else [(10, scan_dim) for scan_dim in (128, 192, 256, 320)]
        for k in (10, 100):
            for oversample, scan_dim in ways:
                measured = _recall_and_time(index, queries, truth, k, oversample=oversample, scan_dim=scan_dim)
                found.append({"vectors": len(index), "fine": fine, "k": k, **measured})
    return found


def filters(work: Path, rows: int, name: str) -> list[dict[str, Any]]:
    """Milliseconds of a query by the share of vectors that a filter leaves, given as a mask and as keys."""
    from nestling import Index

    queries = np.load(work / "queries.npy")
    index = Index.open(_path(work, rows, "nestling, int8"))
    random = np.random.default_rng(1)
    found = []
    for share in (1.0, 0.1, 0.01, 0.001):
        mask = random.random(rows) < share
        for given, allow in (("mask", mask), ("keys", index.keys[mask])):
            times = [timed(lambda p=p, a=allow: index.search(queries[p : p + 1], 10, allow=a)) for p in range(50)]
            found.append({"share": share, "given": given, "query_p50_ms": round(1000 * float(np.median(times)), 2)})
    times = [timed(lambda p=p: index.search(queries[p : p + 1], 10)) for p in range(50)]
    return [{"share": 1.0, "given": "none", "query_p50_ms": round(1000 * float(np.median(times)), 2)}, *found]


def _path(work: Path, rows: int, name: str) -> Path:
    stem = "".join(c if c.isalnum() else "-" for c in name)
    return work / f"built-{rows}" / stem / "index"


def _recall_and_time(index: Any, queries: np.ndarray, truth: np.ndarray, k: int, **way: Any) -> dict[str, Any]:
    times = [timed(lambda row=row: index.search(queries[row : row + 1], k, **way)) for row in range(40)]
    recall = _recall(index.search(queries, k, **way).keys, truth, k)
    return {**way, "recall": recall, "query_p50_ms": round(1000 * float(np.median(times)), 2)}


def _recall(found: np.ndarray, truth: np.ndarray, k: int) -> float:
    shared = [len(set(mine) & set(theirs)) for mine, theirs in zip(found.tolist(), truth[:, :k].tolist(), strict=True)]
    return round(float(np.mean(shared)) / k, 4)


STEPS = {"build": build, "answer": answer, "paired": paired, "curve": curve, "filters": filters}

if __name__ == "__main__":
    main()
