"""Many clients at once for a minute, while a folder is taken in.

    python -m tests.bench.service.load TEXT_FOLDER WORK_FOLDER [-o tests/bench/results/load.json]

64 clients, each with a connection of its own, ask one question after another: two of three search, the third wants
vectors as OpenAI's clients do. Every answer is held against that of the same request asked alone before: of a search
the ids that it finds, in a library that nothing changes, of a vector all of it. A second library takes in a folder all
the while. Needs the extra test.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np

from nestling import Library
from nestling.bundle.installed import DEFAULT

from ..library.large import questions
from ..machine import described, finished
from .served import Served, given, library_of, serving

DOCUMENTS, CLIENTS, SECONDS, FILES = 20_000, 64, 60, 20_000
SEARCHES = 2  # of each three requests


def main() -> None:
    arguments = given(__doc__, "load.json")
    library = library_of(arguments.texts, arguments.work / "library.nest", DOCUMENTS)
    asked = questions(arguments.texts)[:CLIENTS]
    folder, filled = arguments.work / "folder", arguments.work / "filled.nest"
    folder.mkdir(exist_ok=True)
    for number, question in enumerate(questions(arguments.texts) * (FILES // 500)):
        (folder / f"{number}.txt").write_text(f"Note {number}. {question} " * 20)
    filled.unlink(missing_ok=True)
    Library(filled).close()
    with serving(library, filled) as service:
        result = loaded(service, asked, filled, folder)
    command = f"python -m tests.bench.service.load {arguments.texts} WORK_FOLDER"
    finished(arguments.output, {**described(command, 2), "documents": DOCUMENTS, **result})
    print(result)


def loaded(service: Served, asked: list[str], filled: Path, folder: Path) -> dict[str, Any]:
    """All figures of a minute."""
    alone = [(answer(service, question, True), answer(service, question, False)) for question in asked]
    before = service.resident_mb
    sync = subprocess.Popen(
        [sys.executable, "-m", "nestling.cli", "sync", str(filled), str(folder)], stdout=subprocess.DEVNULL
    )
    times: list[list[float]] = [[] for _ in asked]
    errors: list[str] = []
    mixed = [0] * len(asked)
    end = time.perf_counter() + SECONDS

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(urlsplit(service.base).netloc, timeout=60)
        turn = number
        while time.perf_counter() < end:
            searching = turn % 3 < SEARCHES
            begin = time.perf_counter()
            try:
                found = answer(service, asked[number], searching, connection)
            except (OSError, ValueError, http.client.HTTPException) as error:
                errors.append(repr(error))
                return
            times[number].append(1000 * (time.perf_counter() - begin))
            mixed[number] += found != alone[number][0 if searching else 1]
            turn += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(len(asked))]
    for thread in threads:
        thread.start()
    seen = []
    while any(thread.is_alive() for thread in threads):
        time.sleep(1)
        seen.append(service.resident_mb)
    sync.terminate()
    sync.wait()
    with Library(filled, create=False) as library:
        taken_in = library.info().documents
    every = [one for row in times for one in row]
    return {
        "clients": len(asked),
        "seconds": SECONDS,
        "answers": len(every),
        "errors": len(errors),
        "first_error": errors[:1],
        "mixed_up": sum(mixed),
        "p50_ms": float(np.median(every)),
        "p95_ms": float(np.percentile(every, 95)),
        "worst_ms": max(every),
        "resident_mb_before": before,
        "resident_mb_at_half": seen[len(seen) // 2],
        "resident_mb_after": seen[-1],
        "taken_in_meanwhile": taken_in,
    }


def answer(
    service: Served, question: str, searching: bool, connection: http.client.HTTPConnection | None = None
) -> Any:
    """The ids that a search finds, or a vector as it is sent."""
    kept = connection or http.client.HTTPConnection(urlsplit(service.base).netloc, timeout=60)
    headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/json"}
    if searching:
        kept.request("GET", f"/api/search?library=library&k=5&q={quote(question)}", headers=headers)
    else:
        kept.request("POST", "/v1/embeddings", json.dumps({"model": DEFAULT, "input": question}), headers)
    said = kept.getresponse()
    body = said.read()
    if connection is None:
        kept.close()
    if said.status != 200:
        raise ValueError(f"{said.status} {body[:200]!r}")
    found = json.loads(body)
    return [hit["id"] for hit in found["hits"]] if searching else found["data"][0]["embedding"]


if __name__ == "__main__":
    main()
