"""Memory of one encoder over many texts of all lengths, and what an idle one costs.

    python -m tests.bench.encoder.memory [--texts 20000] [--only PRECISION] [-o tests/bench/results/memory.json]

For each precision a process of its own encodes texts of 1 to 4,000 words, 100 in a call, made of the demo collection's
words. Only what the encoder reads of a text is computed with, so long ones cost no more than the longest it reads.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from nestling import Encoder
from nestling.bundle.manifest import read_bundle
from nestling.demo import demo_documents

from ..machine import described, finished, resident_mb

CALL = 100
FIRST = 500
LONGEST = 4000
IDLE_SECONDS = 5
THREADS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--only")
    parser.add_argument("--precision", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "results" / "memory.json")
    arguments = parser.parse_args()
    if arguments.precision:
        print(json.dumps(measured(arguments.precision, arguments.texts)))
        return
    results, bundle = {}, read_bundle()
    for precision in [arguments.only] if arguments.only else bundle.precisions(bundle.widths[0]):
        command = [sys.executable, "-m", __spec__.name, "--precision", precision, "--texts", str(arguments.texts)]
        line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
        results[precision] = json.loads(line)
        print(precision, line, flush=True)
    command_line = f"python -m tests.bench.encoder.memory --texts {arguments.texts}"
    command_line += f" --only {arguments.only}" if arguments.only else ""
    finished(arguments.output, {**described(command_line, THREADS), "precisions": results})


def measured(precision: str, texts: int) -> dict[str, float]:
    """Resident set after the first 500 texts, after all, and at its peak; processor time of an idle encoder."""
    warnings.simplefilter("ignore")
    encoder = Encoder(precision=precision, threads=THREADS)
    words = " ".join(document.text for document in demo_documents()).split()
    random = np.random.default_rng(0)
    first = 0.0
    begin = time.perf_counter()
    for done in range(0, texts, CALL):
        lengths, starts = random.integers(1, LONGEST + 1, CALL), random.integers(0, len(words), CALL)
        rows = [start + np.arange(length) for start, length in zip(starts, lengths, strict=True)]
        encoder.encode([" ".join(words[offset % len(words)] for offset in row) for row in rows], role="document")
        if done + CALL == FIRST:
            first = resident_mb("VmRSS")
    seconds = time.perf_counter() - begin
    idle = time.process_time()
    time.sleep(IDLE_SECONDS)
    return {
        "texts": texts,
        "seconds": round(seconds, 1),
        "resident_after_500_mb": round(first, 1),
        "resident_growth_mb": round(resident_mb("VmRSS") - first, 1),
        "resident_peak_mb": round(resident_mb("VmHWM"), 1),
        "idle_processor_ms_a_second": round(1000 * (time.process_time() - idle) / IDLE_SECONDS, 2),
    }


if __name__ == "__main__":
    main()
