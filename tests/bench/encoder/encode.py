"""Encoding documents and queries: every precision of Nestling, and its int8 graph as ONNX Runtime is commonly called.

    python -m tests.bench.encoder.encode COLLECTION_FOLDER [--float32 FOLDER] [--rounds 3] [-o OUTPUT]

COLLECTION_FOLDER is in BEIR layout. --float32 is a bundle with the original weights (`nestling-export build RECIPE
--precision float32 -o FOLDER`). Every way is a process of its own with two threads, on the same texts, in turn; the
median of the rounds counts. A start is timed from the process's first line to the vector of one short query, seven
times in turn with the others. Peers are measured by `python -m tests.bench`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..machine import described, finished, resident_mb

THREADS = 2
DOCUMENTS = 512
QUERIES = 100
BATCH = 32
STARTS = 7
PADDED = "onnxruntime, int8 graph, padded batches of 32"
BARE = "import time; begin = time.perf_counter(); import numpy, onnxruntime, tokenizers; "


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path)
    parser.add_argument("--float32", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "results" / "encoder.json")
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measured(arguments.way, json.loads(arguments.collection.read_text()), arguments.float32)))
        return
    ways = {f"nestling {name}": name for name in ("int8", "int4", *(["float32"] if arguments.float32 else []))}
    ways[PADDED] = "padded"
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder, "texts.json")
        work = chosen(arguments.collection)
        texts.write_text(json.dumps(work))
        for number in range(arguments.rounds):
            for name, way in ways.items():
                command = [sys.executable, "-m", __spec__.name, str(texts), "--way", way, *float32(arguments.float32)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                runs[name].append(json.loads(done.stdout.splitlines()[-1]))
                print(number, name, done.stdout.splitlines()[-1][:300], flush=True)
        starts = started(arguments.float32)
    given = " --float32 FOLDER" if arguments.float32 else ""
    result = {
        **described(f"python -m tests.bench.encoder.encode {arguments.collection}{given}", THREADS),
        "collection": arguments.collection.resolve().name,
        "documents": len(work["documents"]),
        "tokens": work["tokens"],
        "starts": starts,
        "ways": {name: summed(rows, work["tokens"]) for name, rows in runs.items()},
    }
    finished(arguments.output, result)
    json.dump(result, sys.stdout, indent=2)


def float32(folder: Path | None) -> list[str]:
    return ["--float32", str(folder)] if folder else []


def chosen(collection: Path) -> dict[str, Any]:
    """The texts that every way encodes: documents cut to what the encoder reads, and queries."""
    from nestling import Encoder
    from nestling.evaluate import read_collection

    read = read_collection(collection)
    tokens = Encoder(threads=1).tokens
    texts = [tokens.truncated(f"{d.title} {d.text}", tokens.room("document")) for d in read.documents[:DOCUMENTS]]
    return {
        "documents": texts,
        "queries": list(read.queries.values())[:QUERIES],
        "threads": THREADS,
        "tokens": sum(len(tokens.ids(text, "document")[0]) for text in texts),
    }


def measured(way: str, work: dict[str, Any], folder: Path | None) -> dict[str, Any]:
    """One process's run of one way of Nestling, or of ONNX Runtime as it is commonly called."""
    from nestling import Encoder

    encoder = Encoder(folder if way == "float32" else None, precision="int8" if way == "padded" else way)
    variant = encoder.bundle.variant(encoder.width, encoder.precision)
    encoder = Encoder(encoder.bundle, precision=encoder.precision, threads=THREADS)

    def encode(texts: list[str], role: Any) -> Any:
        return padded(texts) if way == "padded" else encoder.encode(texts, role=role)

    if way == "padded":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = onnxruntime.InferenceSession(str(encoder.bundle.folder / variant.graph), options)

    def padded(texts: list[str]) -> Any:
        for begin in range(0, len(texts), BATCH):
            rows = [encoder.tokens.ids(text, "document")[0] for text in texts[begin : begin + BATCH]]
            batch = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
            for line, row in zip(batch, rows, strict=True):
                line[: len(row)] = row
            session.run(None, {"input_ids": batch})

    encode(work["documents"][:BATCH], "document")
    begin = time.perf_counter()
    encode(work["documents"], "document")
    seconds = time.perf_counter() - begin
    took = []
    for query in work["queries"]:
        begin = time.perf_counter()
        encode([query], "query")
        took.append(1000 * (time.perf_counter() - begin))
    return {
        "documents_per_second": len(work["documents"]) / seconds,
        "query_p50_ms": float(np.percentile(took, 50)),
        "query_p99_ms": float(np.percentile(took, 99)),
        "resident_mb": resident_mb("VmHWM"),
        "file_bytes": encoder.bundle.bytes_of(variant),
    }


def started(folder: Path | None) -> dict[str, float]:
    """Median seconds from a process's first line to one vector, beside the imports that it cannot do without."""
    end = "print(time.perf_counter() - begin)"
    ways = {"imports alone": BARE + end}
    for precision in ("int8", "int4", *(["float32"] if folder else [])):
        bundle = repr(str(folder)) if precision == "float32" else None
        ways[precision] = (
            f"import time; begin = time.perf_counter(); from nestling import Encoder; "
            f"Encoder({bundle}, precision={precision!r}).encode(['when do owls hunt?'], role='query'); {end}"
        )
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(STARTS):
        for name, code in ways.items():
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            seconds[name].append(float(done.stdout))
    return {name: round(statistics.median(values), 3) for name, values in seconds.items()}


def summed(rows: list[dict[str, Any]], tokens: int) -> dict[str, Any]:
    """The medians of a way's rounds."""
    kinds = ("documents_per_second", "query_p50_ms", "query_p99_ms", "resident_mb")
    middle = {kind: statistics.median(row[kind] for row in rows) for kind in kinds}
    return {
        **{kind: round(value, 2) for kind, value in middle.items()},
        "tokens_per_second": round(tokens / DOCUMENTS * middle["documents_per_second"]),
        "file_bytes": rows[0]["file_bytes"],
    }


if __name__ == "__main__":
    main()
