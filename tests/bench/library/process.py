"""What a whole process costs: `nestling search` on a library of a collection, and what an install weighs.

    python -m tests.bench.library.process COLLECTION_FOLDER [-o tests/bench/results/process.json]

Run it in an environment that holds the wheel alone; POSIX only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from ..machine import described, finished, installed_bytes

RUNS = 11
QUERY = "does vitamin D protect the bones of older people?"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "results" / "process.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bench.nest")
        # A process inherits its parent's peak: what is heavy happens in one of its own.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            documents, seconds = pool.submit(index, arguments.collection, path).result()
        command = [sys.executable, "-m", "nestling.cli", "search", str(path), QUERY]
        searches = [process(command) for _ in range(RUNS)][1:]
        imports = [process([sys.executable, "-c", "import onnxruntime, numpy, tokenizers"]) for _ in range(RUNS)][1:]
        file_bytes = path.stat().st_size
    result = {
        **described(f"python -m tests.bench.library.process {arguments.collection}", 2),
        "collection": arguments.collection.resolve().name,
        "documents": documents,
        "indexing_s": round(seconds, 1),
        "library_bytes": file_bytes,
        "search_wall_s": round(statistics.median(wall for wall, _ in searches), 3),
        "search_resident_mb": round(max(resident for _, resident in searches), 1),
        "imports_wall_s": round(statistics.median(wall for wall, _ in imports), 3),
        "imports_resident_mb": round(max(resident for _, resident in imports), 1),
        "site_packages_mb": round(installed_bytes(Path(sysconfig.get_paths()["purelib"])) / 1e6, 1),
    }
    finished(arguments.output, result)
    print(result)


def index(folder: Path, path: Path) -> tuple[int, float]:
    """Make a library of a collection; how many documents, and the seconds from text to the closed file."""
    from nestling import Library
    from nestling.evaluate import read_collection

    collection = read_collection(folder)
    begin = time.perf_counter()
    with Library(path) as library:
        library.add(collection.documents)
    return len(collection.documents), time.perf_counter() - begin


def process(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak resident megabytes of one process."""
    begin = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - begin
    assert status == 0, command
    return wall, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
