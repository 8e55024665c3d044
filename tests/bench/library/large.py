"""A library of 200,000 passages, and a folder of 10,000 files: what it costs to make, open, ask and bring up to date.

    python -m tests.bench.library.large TEXT_FOLDER WORK_FOLDER

TEXT_FOLDER holds files of public text, a passage a line. Lines of one file are put together, in their order, until a
document has 50 words; the files take turns, so that the collection has many subjects and words of every frequency. It
is encoded at width `static`, and asked so: nothing else of what is measured here depends on the width, and encoding a
query takes a tenth of a millisecond. What opens a library to its first answer asks at width `xl`, as a user does. Each
step is a process of its own. Linux only.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from nestling import Document, Library

from .. import machine

RESULT = machine.ROOT / "tests" / "bench" / "results" / "library.json"
SOURCES = (
    "arxiv-abstracts-en",
    "biomed-sentences-en",
    "medical-passages-en",
    "consumer-health-en",
    "news-en",
    "wikipedia-en",
    "general-en",
    "wordnet-en",
)
# Which make some 200,000 passages.
DOCUMENTS = 176_000
WORDS = 50
QUERIES = 500
FILES = 10_000
THREADS = 2


def documents(texts: Path) -> Iterator[Document]:
    """The collection's documents, in their order."""
    streams = [_joined(texts / f"{name}.txt.gz", name) for name in SOURCES]
    while streams:
        for stream in list(streams):
            document = next(stream, None)
            if document is None:
                streams.remove(stream)
            else:
                yield document


def _joined(path: Path, name: str) -> Iterator[Document]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        kept: list[str] = []
        number = 0
        for line in lines:
            kept.append(line.strip())
            if sum(len(one.split()) for one in kept) >= WORDS:
                yield Document(f"{name}-{number}", "\n".join(kept), metadata={"source": name, "number": number})
                kept, number = [], number + 1


def questions(texts: Path) -> list[str]:
    """Real questions."""
    with gzip.open(texts / "queries-en.txt.gz", "rt", encoding="utf-8") as lines:
        return [line.strip() for line in islice(lines, 0, 300 * QUERIES, 300)]


def written() -> int:
    """Bytes that this process gave to be written to disk."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["write_bytes"])


def opened(work: Path) -> Library:
    """The library, asked at the width that it is encoded at."""
    return Library(work / "library.nest", document_width="static", query_width="static")


def build(texts: Path, work: Path) -> dict[str, Any]:
    """Make the library."""
    work.mkdir(parents=True, exist_ok=True)
    path = work / "library.nest"
    for part in work.glob("library.nest*"):
        part.unlink()
    before, begin = written(), time.perf_counter()
    with opened(work) as library:
        library.add(islice(documents(texts), DOCUMENTS))
    seconds, size = time.perf_counter() - begin, path.stat().st_size
    said = subprocess.run(
        [sys.executable, "-m", "nestling.cli", "info", str(path), "--json"], check=True, stdout=subprocess.PIPE
    )
    return {
        "documents": DOCUMENTS,
        "passages": json.loads(said.stdout)["passages"],
        "bytes": size,
        "seconds": seconds,
        "written_times": (written() - before) / size,
    }


def open_and_answer(texts: Path, work: Path) -> dict[str, Any]:
    """A new process to its first answer, and its memory behind all questions, with the encoder of width xl."""
    asked = questions(texts)
    begin = time.perf_counter()
    with Library(work / "library.nest", document_width="static", query_width="xl", create=False) as library:
        library.search(asked[0])
        seconds = time.perf_counter() - begin
        for question in asked:
            library.search(question)
    return {"open_to_answer_s": seconds, "resident_mb": machine.resident_mb("VmHWM")}


def ask(texts: Path, work: Path) -> dict[str, Any]:
    """Latency by what is asked for."""
    asked = questions(texts)
    runs: dict[str, Callable[[Library, str], object]] = {
        "hybrid": lambda library, question: library.search(question),
        "lexical": lambda library, question: library.search(question, mode="lexical"),
        "dense": lambda library, question: library.search(question, mode="dense"),
        "hybrid, one of 8 sources": lambda library, question: library.search(question, where={"source": "news-en"}),
        "hybrid, 1 % by a number": lambda library, question: library.search(question, where={"number": ("<", 250)}),
        "hybrid, k = 100": lambda library, question: library.search(question, 100),
    }
    figures: dict[str, Any] = {}
    with opened(work) as library:
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
    with opened(work) as library, opened(work) as reader:
        reader.search("owls")
        add = machine.timed(lambda: library.add([Document("new", "the zyxwvut hunts at night")]))
        see = machine.timed(lambda: reader.search("zyxwvut"))
        remove = machine.timed(lambda: library.remove(["new"]))
    return {"add_one_s": add, "see_it_s": see, "remove_one_s": remove}


def sync(texts: Path, work: Path) -> dict[str, Any]:
    """A folder of small files, taken in; then again with nothing changed."""
    folder, path = work / "files", work / "files.nest"
    for part in work.glob("files.nest*"):
        part.unlink()
    with gzip.open(texts / "wordnet-en.txt.gz", "rt", encoding="utf-8") as lines:
        for number, line in enumerate(islice(lines, FILES)):
            part = folder / f"{number % 100:02}"
            part.mkdir(parents=True, exist_ok=True)
            (part / f"{number:05}.txt").write_text(line)
    before, begin = written(), time.perf_counter()
    with Library(path, document_width="static") as library:
        library.sync(folder)
    first, times = time.perf_counter() - begin, (written() - before) / path.stat().st_size

    def again() -> None:
        with Library(path) as library:
            assert library.sync(folder).unchanged == FILES

    return {"files": FILES, "first_s": first, "written_times": times, "unchanged_s": machine.timed(again)}


STEPS = {step.__name__: step for step in (build, open_and_answer, ask, see_and_remove, sync)}


def main(texts: Path, work: Path) -> None:
    result = machine.described(f"python -m tests.bench.library.large {texts} WORK_FOLDER", THREADS)
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
