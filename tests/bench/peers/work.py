"""One job with one peer, in the peer's environment.

    PYTHONPATH=tests PYTHON -m bench.peers.work JOB PEER ASKED_JSON

prints one line of JSON, the last on stdout; `python -m tests.bench run` starts this. ASKED_JSON says where things are,
see `Asked`. Nothing here imports Nestling but its own adapter.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..machine import resident_mb
from .adapters import peer
from .adapters.adapter import Peer, System, Text, Weights

BATCH = 64
WARM = 32
# Hits that a person looks at, and those that measures of quality do.
SHOWN, RANKED = 10, 100
CHANGES = 9
_DIES_WITH_ITS_PARENT = 1  # PR_SET_PDEATHSIG

Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What a job is given.

    Attributes:
        source, made, threads: see `Weights`.
        texts: a file of JSON lines, each a document with `id`, `title`, `body` and `part`; or a folder of .txt files.
        queries: a JSON file, text by query id.
        store: where a system keeps what it does.
        began: when the process was started, in seconds of `time.time()`.
        acknowledged: how many of the texts a process that was killed had said to be kept.
    """

    source: str
    made: str
    threads: int
    texts: str
    queries: str
    store: str
    began: float
    acknowledged: int = 0

    @property
    def weights(self) -> Weights:
        return Weights(Path(self.source), Path(self.made), self.threads)

    def documents(self) -> list[Text]:
        path = Path(self.texts)
        if path.is_dir():
            return [Text(one.stem, "", one.read_text(encoding="utf-8"), "") for one in sorted(path.glob("*.txt"))]
        with path.open(encoding="utf-8") as lines:
            return [Text(**json.loads(line)) for line in lines]

    def questions(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(Path(self.queries).read_text(encoding="utf-8"))
        return found


def hello(one: Peer, asked: Asked) -> Json:
    """The peer's first page, with its default model, where no network is."""
    if one.hello is None:
        raise NotImplementedError("has no model of its own")

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("there is no network")

    socket.socket.connect = refuse  # type: ignore[method-assign]
    socket.getaddrinfo = refuse
    texts = [document.text for document in asked.documents()]
    one.hello(Path(asked.store), texts, next(iter(asked.questions().values())))
    return {"seconds": time.time() - asked.began}


def make(one: Peer, asked: Asked) -> Json:
    """What a peer needs of the weights beforehand."""
    if one.make is not None:
        one.make(asked.weights)
    return {}


def encode(one: Peer, asked: Asked) -> Json:
    """Documents, then queries one by one."""
    if one.encoder is None:
        raise NotImplementedError("does not encode")
    encoder = one.encoder(asked.weights)
    texts = [document.text for document in asked.documents()]
    encoder(texts[:WARM], False)
    _, seconds = _timed(lambda: encoder(texts, False))
    took = [_timed(lambda question=question: encoder([question], True))[1] for question in asked.questions().values()]
    return {"documents_per_second": len(texts) / seconds, **_percentiles(took)}


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, and its seconds."""
    begin = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begin


def _percentiles(seconds: list[float]) -> Json:
    ordered = [1000 * one for one in sorted(seconds)]
    return {
        "query_p50_ms": ordered[len(ordered) // 2],
        "query_p99_ms": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)],
    }


def _opened(one: Peer, asked: Asked) -> System:
    if one.system is None:
        raise NotImplementedError("keeps nothing")
    Path(asked.store).mkdir(parents=True, exist_ok=True)
    return one.system(Path(asked.store), asked.weights)


def index(one: Peer, asked: Asked) -> Json:
    """All documents into the store, and out of the process."""
    system = _opened(one, asked)
    begin = time.perf_counter()
    documents = asked.documents()
    system.add(documents)
    system.close()
    return {"documents": len(documents), "add_s": time.perf_counter() - begin, "seconds": time.time() - asked.began}


def ask(one: Peer, asked: Asked) -> Json:
    """A process that finds the store there, and answers all queries for a person."""
    result = _answered(one, asked, SHOWN)
    del result["found"]
    return result


def rank(one: Peer, asked: Asked) -> Json:
    """The same for measures of quality, with what was found."""
    return _answered(one, asked, RANKED)


def _answered(one: Peer, asked: Asked, k: int) -> Json:
    system, questions = _opened(one, asked), asked.questions()
    found, took, first = {}, [], 0.0
    for key, question in questions.items():
        found[key], seconds = _timed(lambda question=question: system.search(question, k))
        took.append(seconds)
        first = first or time.time() - asked.began
    return {"first_answer_s": first, "seconds": time.time() - asked.began, **_percentiles(took), "found": found}


def change(one: Peer, asked: Asked) -> Json:
    """Texts put in others' places, some removed, and queries with a filter; whether a search behind it sees each."""
    system, documents, questions = _opened(one, asked), asked.documents(), list(asked.questions().values())
    system.search(questions[0], SHOWN)
    result: Json = {}
    first = documents[0]
    # Each the text of one far away, so that only what was changed is found by it.
    changed = [replace(documents[-1 - row], id=documents[row].id, part=documents[row].part) for row in range(CHANGES)]
    removed = documents[CHANGES : 2 * CHANGES]
    result["update"] = _each(
        changed, lambda text: system.add([text]), lambda text: text.id in system.search(text.text[:200], SHOWN)
    )
    result["remove"] = _each(
        removed,
        lambda text: system.remove([text.id]),
        lambda text: text.id not in system.search(text.text[:200], SHOWN),
    )
    parts = {document.id: document.part for document in documents}
    took, right = [], 0
    try:
        for question in questions:
            hits, seconds = _timed(lambda question=question: system.search(question, SHOWN, first.part))
            took.append(seconds)
            right += len(hits) == SHOWN and {parts[hit] for hit in hits} == {first.part}
        result["filter"] = {**_percentiles(took), "ten_of_the_part": right, "of": len(questions)}
    except NotImplementedError as error:
        result["filter"] = {"error": str(error)}
    return result


def _each(texts: Sequence[Text], work: Callable[[Text], object], seen: Callable[[Text], bool]) -> Json:
    """The median of seconds that a change takes, and how many of them are seen."""
    took, right = [], 0
    for text in texts:
        try:
            _, seconds = _timed(lambda text=text: work(text))
        except NotImplementedError as error:
            return {"error": str(error)}
        took.append(seconds)
        right += seen(text)
    return {"seconds": sorted(took)[len(took) // 2], "seen": right, "of": len(took)}


def grow(one: Peer, asked: Asked) -> Json:
    """Add in batches and print each once it is acknowledged, until killed."""
    system, documents = _opened(one, asked), asked.documents()
    system.kept([documents[0].id])
    for begin in range(0, len(documents), BATCH):
        system.add(documents[begin : begin + BATCH])
        print(json.dumps(begin + BATCH), flush=True)
    system.close()
    return {}


def left(one: Peer, asked: Asked) -> Json:
    """What a process that was killed has left: which documents there are, and which of the last acknowledged a search
    for their own beginning finds."""
    system, documents = _opened(one, asked), asked.documents()
    kept = system.kept([document.id for document in documents])
    last = documents[max(0, asked.acknowledged - BATCH) : asked.acknowledged]
    found = sum(document.id in system.search(document.text[:200], SHOWN) for document in last)
    return {"kept": sorted(kept), "asked": len(last), "found": found}


JOBS = {job.__name__: job for job in (hello, make, encode, index, ask, rank, change, grow, left)}


def main() -> None:
    # SIGKILL once the process that started this one is gone: what is left behind would be measured with all others.
    ctypes.CDLL(None).prctl(_DIES_WITH_ITS_PARENT, signal.SIGKILL)
    job, name, asked = sys.argv[1], sys.argv[2], Asked(**json.loads(sys.argv[3]))
    one = peer(name)
    versions = {package: version(package) for package in one.packages}
    try:
        result = JOBS[job](one, asked)
    except NotImplementedError as error:
        result = {"error": str(error)}
    except Exception as error:  # a peer that fails is listed with what it says
        text = " ".join(str(error).split())
        result = {"error": f"{type(error).__name__}: {text}"[:300], "seconds": time.time() - asked.began}
    # On a line of its own, whatever a library has printed before.
    print("\n" + json.dumps({**result, "resident_mb": resident_mb("VmHWM"), "versions": versions}), flush=True)
    os._exit(0)  # some peers' threads outlive them


if __name__ == "__main__":
    main()
