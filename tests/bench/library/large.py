"""A library of 200,000 passages, and a folder of 10,000 files: what it costs to make, open, ask and bring up to date.

    python -m tests.bench.library.large ../shared/data/text WORK_FOLDER

The passages are encoded once into the work folder (about an hour on two cores), see `library_data.py`. Each step is a
process of its own.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from nestling import Document, Encoder, Library

from .. import machine
from .passages import Recalled, collection, prepare

RESULT = machine.ROOT / "tests" / "bench" / "results" / "library.json"
QUERIES = 500
FILES = 10_000


class Asked(Recalled):
    """An encoder that knows the vectors of queries once it has seen them."""

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        self._asked: dict[str, np.ndarray] = {}

    def encode(self, texts: list[str], role: str) -> np.ndarray:
        if role == "document":
            return super().encode(texts, role)
        for text in texts:
            if text not in self._asked:
                self._asked[text] = self._encoder.encode([text], role="query")
        return np.concatenate([self._asked[text] for text in texts])


def written() -> int:
    """Bytes that this process gave to be written to disk."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["write_bytes"])


def peak_resident_mb() -> float:
    """The largest resident set of this process; what `getrusage` says begins with that of the one that started it."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 1000


def build(texts: Path, work: Path) -> dict[str, Any]:
    documents, _ = collection(texts)
    path = work / "library.nest"
    for part in work.glob("library.nest*"):
        part.unlink()
    encoder: Any = Asked(work)
    before, begin = written(), time.perf_counter()
    with Library(path, encoder=encoder) as library:
        library.add(documents)
        passages = library.info()["passages"]
    size = path.stat().st_size
    return {
        "documents": len(documents),
        "passages": passages,
        "bytes": size,
        "seconds_without_encoding": time.perf_counter() - begin,
        "written_times": (written() - before) / size,
    }


def questions(texts: Path) -> list[str]:
    with gzip.open(texts / "queries-en.txt.gz", "rt", encoding="utf-8") as lines:
        return [line.strip() for line in islice(lines, 0, 300 * QUERIES, 300)]


def open_and_answer(texts: Path, work: Path) -> dict[str, Any]:
    question = questions(texts)[0]
    begin = time.perf_counter()
    with Library(work / "library.nest", create=False) as library:
        library.search(question)
        return {"open_to_answer_s": time.perf_counter() - begin}


def ask(texts: Path, work: Path) -> dict[str, Any]:
    """Latency without the query's encoding, and the resident set of a process that does encode."""
    asked = questions(texts)
    figures: dict[str, Any] = {}
    with Library(work / "library.nest", create=False) as library:
        for question in asked:
            library.search(question)
        figures["resident_mb"] = peak_resident_mb()
    encoder: Any = Asked(work)
    runs: dict[str, Callable[[Library, str], object]] = {
        "hybrid": lambda library, question: library.search(question),
        "lexical": lambda library, question: library.search(question, mode="lexical"),
        "dense": lambda library, question: library.search(question, mode="dense"),
        "hybrid, one of 8 sources": lambda library, question: library.search(question, where={"source": "news-en"}),
        "hybrid, 1 % by a number": lambda library, question: library.search(question, where={"number": ("<", 250)}),
        "hybrid, k = 100": lambda library, question: library.search(question, 100),
    }
    with Library(work / "library.nest", encoder=encoder, create=False) as library:
        for question in asked:
            library.search(question)
        for name, run in runs.items():
            times = [
                1000 * machine.timed(lambda run=run, question=question: run(library, question)) for question in asked
            ]
            p50, p95, p99 = np.percentile(times, [50, 95, 99])
            figures[name] = {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99}
    return figures


def see_and_remove(texts: Path, work: Path) -> dict[str, Any]:
    """What a change costs the process that makes it, and the one that sees it."""
    path = work / "library.nest"
    with Library(path, create=False) as library, Library(path, create=False) as reader:
        reader.search("owls")
        add = machine.timed(lambda: library.add([Document("new", "the zyxwvut hunts at night")]))
        see = machine.timed(lambda: reader.search("zyxwvut"))
        remove = machine.timed(lambda: library.remove(["new"]))
    return {"add_one_s": add, "see_it_s": see, "remove_one_s": remove}


def sync(texts: Path, work: Path) -> dict[str, Any]:
    """A folder of small files, made once; then again with nothing changed."""
    folder, path = work / "files", work / "files.nest"
    with gzip.open(texts / "wordnet-en.txt.gz", "rt", encoding="utf-8") as lines:
        for number, line in enumerate(islice(lines, FILES)):
            part = folder / f"{number % 100:02}"
            part.mkdir(parents=True, exist_ok=True)
            if not (part / f"{number:05}.txt").exists():
                (part / f"{number:05}.txt").write_text(line)
    fresh = not path.exists()
    before, begin = written(), time.perf_counter()
    with Library(path) as library:
        library.sync(folder)
    figures: dict[str, Any] = {"files": FILES}
    if fresh:
        figures |= {"first_s": time.perf_counter() - begin, "written_times": (written() - before) / path.stat().st_size}

    def again() -> None:
        with Library(path) as library:
            assert library.sync(folder).unchanged == FILES

    return figures | {"unchanged_s": machine.timed(again)}


STEPS = {step.__name__: step for step in (build, open_and_answer, ask, see_and_remove, sync)}


def main(texts: Path, work: Path) -> None:
    prepare(texts, work)
    for part in work.glob("files.nest*"):
        part.unlink()
    result = machine.described(f"python -m tests.bench.library.large {texts} WORK_FOLDER", Encoder().threads)
    for name in STEPS:
        command = [sys.executable, "-m", __spec__.name, str(texts), str(work), name]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        result[name] = json.loads(done.stdout)
        print(name, result[name], flush=True)
    machine.finished(RESULT, result)


if __name__ == "__main__":
    if len(sys.argv) > 3:
        print(json.dumps(STEPS[sys.argv[3]](Path(sys.argv[1]), Path(sys.argv[2]))))
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
