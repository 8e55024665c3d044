"""All jobs with all peers, one process each, in turn; every result is a file, so that a run goes on where it stopped.

A result is kept under a name that changes with the peer's adapter, the collections and the threads, and, for what is
installed from here, with the commit: one of other circumstances is not taken for this one's.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from environments import Json, Say, keep, killed_behind, made, result_of, started
from peers import MAKERS, PEERS, peer
from peers.adapter import Text

from machine import commit, tree_bytes
from nestling.disk import hash_file
from nestling.evaluate import Collection

# Rounds of what is timed; `encode` takes another part of the documents in each, of so many parts.
ROUNDS = 3
ENCODED_PARTS = 9
KILLS = 3
# Before a kill.
MOST_BATCHES = 6
FILES = 2000
PARTS = 8
HELLO_TEXTS = 20
LIMIT_S = 1500.0
LONG_S = 90.0
ADAPTERS = Path(__file__).parent / "peers"
_IMPORTED = re.compile(r"^from \.(\w+) import", re.MULTILINE)
TIMED = ("hello", "encode", "folder")
JOBS = ("hello", "encode", "folder", "quality", "change", "kill")


@dataclass(frozen=True)
class Bench:
    """A run.

    Attributes:
        work: environments, stores and results; no path relative to where a process begins, nor `source`.
        source: the float32 weights, see `peers.adapter.Weights`.
        collections: the first is that of the jobs that need one.
        threads: of an encoder.
        say: told what is being done.
    """

    work: Path
    source: Path
    collections: Sequence[Collection]
    threads: int
    say: Say

    @property
    def made(self) -> Path:
        return self.work / "made" / self.weights

    @cached_property
    def weights(self) -> str:
        """Tells these weights from others."""
        return hash_file(self.source / "model.safetensors")[:12]

    def environment(self, name: str) -> Path:
        return self.work / "environments" / f"{slug(name)}{_commit(name)}"

    def kept(self, job: str, name: str, number: int) -> Path:
        names = [one.name for one in self.collections]
        parts = [_adapter(name), *names, str(self.threads), self.weights, _commit(name)]
        key = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]
        return self.work / "results" / job / slug(name) / f"{key}-{number}.json"

    def result(self, job: str, name: str, number: int) -> Json | None:
        """What a job gave; None where it was not done."""
        path = self.kept(job, name, number)
        return json.loads(path.read_text()) if path.exists() else None


def slug(name: str) -> str:
    return name.replace(", ", "-").replace(" ", "-")


@cache
def _adapter(name: str) -> str:
    """The code of all that a peer's adapter imports from here."""
    wanted, code = ["work", "adapter", PEERS[name][0]], {}
    while wanted:
        module = wanted.pop()
        code[module] = (ADAPTERS / f"{module}.py").read_text()
        wanted += set(_IMPORTED.findall(code[module])) - code.keys()
    return " ".join(code[module] for module in sorted(code))


@cache
def _commit(name: str) -> str:
    """The commit of what is installed from here; nothing for others."""
    return f"-{commit()}" if "." in peer(name).install else ""


def prepare(bench: Bench) -> None:
    """Write the texts and queries of the jobs, and the plain ONNX export of the weights that some peers read."""
    data = bench.work / "data"
    for collection in bench.collections:
        documents = [
            {"id": one.id, "title": one.title, "body": one.text, "part": f"p{place % PARTS}"}
            for place, one in enumerate(collection.documents)
        ]
        _lines(data / f"{collection.name}.jsonl", documents)
        (data / f"{collection.name}.json").write_text(json.dumps(collection.queries))
    first = bench.collections[0]
    rows = [json.loads(line) for line in (data / f"{first.name}.jsonl").read_text(encoding="utf-8").splitlines()]
    for number in range(ROUNDS):
        _lines(data / f"{first.name}-{number}.jsonl", rows[number::ENCODED_PARTS])
    _lines(data / "hello.jsonl", rows[:HELLO_TEXTS])
    folder = fresh(data / "files")
    folder.mkdir()
    for row in rows[:FILES]:
        (folder / f"{row['id']}.txt").write_text(Text(**row).text, encoding="utf-8")
    if not (bench.made / "onnx").exists():
        export_onnx(bench.source, bench.made)


def export_onnx(source: Path, made: Path) -> None:
    """The plain export, by optimum; fastembed cuts texts where `tokenizer_config.json` says."""
    from optimum.exporters.onnx import main_export

    folder = fresh(made / "unfinished")
    main_export(str(source), folder, task="feature-extraction", library_name="transformers", device="cpu")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "max_length": 256, "model_max_length": 256}))
    folder.rename(made / "onnx")


def ready(bench: Bench, name: str) -> Json:
    """The environment of a peer, with what it needs of the weights made."""
    environment = made(name, bench.environment(name))
    maker = f"{name}, maker" if name in MAKERS else name
    done = bench.made / f"{slug(name)}.json"
    if "error" in environment or peer(maker).make is None or done.exists():
        return environment
    built = made(maker, bench.environment(maker))
    if "error" not in built:
        built = _process(bench, maker, "make", bench.work / "data" / "hello.jsonl", "", bench.work / "none")
    if "error" in built:
        return {**environment, "error": built["error"]}
    done.write_text("{}")
    return environment


def run(bench: Bench, names: Sequence[str], jobs: Sequence[str]) -> None:
    """Do what is not done yet."""
    prepare(bench)
    steps = [
        (job, name, number)
        for job in jobs
        for number in range(rounds(bench, job))
        for name in names
        if _does(name, job)
    ]
    environments: dict[str, Json] = {}
    for place, (job, name, number) in enumerate(steps, start=1):
        path = bench.kept(job, name, number)
        if path.exists() or (number and _is_enough(job, bench.result(job, name, 0) or {})):
            continue
        bench.say(f"{place} of {len(steps)}: {job}, {name}, {number + 1} of {rounds(bench, job)}")
        if name not in environments:
            environments[name] = _caught(lambda name=name: ready(bench, name))
        environment, begin = environments[name], time.perf_counter()
        failed = {"error": environment["error"]} if "error" in environment else None
        result = failed or _caught(lambda step=(job, name, number): DO[step[0]](bench, *step[1:]))
        keep(path, {**result, "environment": environment, "took_s": time.perf_counter() - begin})
        bench.say(f"    {json.dumps({key: value for key, value in result.items() if key != 'rank'})[:200]}")


def _does(name: str, job: str) -> bool:
    """Whether a peer has what a job measures."""
    one = peer(name)
    return {"hello": one.hello, "encode": one.encoder}.get(job, one.system) is not None


def _caught(work: Callable[[], Json]) -> Json:
    """What a call gives; one peer's surprise is an error of its own, and not the end of all others."""
    try:
        return work()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def _is_enough(job: str, first: Json) -> bool:
    """Whether one round of what is timed says all: nothing came of it, or a second's luck is nothing to it."""
    return job in TIMED and ("error" in first or first.get("took_s", 0.0) > LONG_S)


def rounds(bench: Bench, job: str) -> int:
    """How often a job is done; `quality` once with each collection."""
    return {**dict.fromkeys(TIMED, ROUNDS), "quality": len(bench.collections), "kill": KILLS}.get(job, 1)


def _process(
    bench: Bench, name: str, job: str, texts: Path, queries: str, store: Path, home: str = "", **more: int
) -> Json:
    process, log = _start(bench, name, job, texts, queries, store, home, **more)
    return result_of(process, log, LIMIT_S)


def _start(
    bench: Bench, name: str, job: str, texts: Path, queries: str, store: Path, home: str = "", **more: int
) -> tuple[subprocess.Popen[str], Path]:
    log = bench.work / "logs" / f"{slug(name)}-{job}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    asked = {
        "source": str(bench.source), "made": str(bench.made), "threads": bench.threads,
        "texts": str(texts), "queries": str(bench.work / "data" / queries), "store": str(store), **more,
    }  # fmt: skip
    where = bench.work / "homes" / (home or slug(name))
    return started(bench.environment(name), where, job, name, asked, log), log


def _hello(bench: Bench, name: str, number: int) -> Json:
    first, data = bench.collections[0].name, bench.work / "data"
    home, store = f"hello-{slug(name)}", fresh(bench.work / "stores" / f"hello-{slug(name)}")
    shutil.rmtree(bench.work / "homes" / home, ignore_errors=True)
    store.mkdir(parents=True)
    return _process(bench, name, "hello", data / "hello.jsonl", f"{first}.json", store, home)


def _encode(bench: Bench, name: str, number: int) -> Json:
    first, data = bench.collections[0].name, bench.work / "data"
    return _process(bench, name, "encode", data / f"{first}-{number}.jsonl", f"{first}.json", bench.work / "none")


def _folder(bench: Bench, name: str, number: int) -> Json:
    first, data = bench.collections[0].name, bench.work / "data"
    store = fresh(bench.work / "stores" / f"folder-{slug(name)}")
    added = _process(bench, name, "index", data / "files", f"{first}.json", store)
    if "error" in added:
        return added
    asked = _process(bench, name, "ask", data / "files", f"{first}.json", store)
    if "error" in asked:
        return asked
    return {"index": added, "ask": asked, "bytes": tree_bytes(store)}


def _quality(bench: Bench, name: str, number: int) -> Json:
    collection, data = bench.collections[number], bench.work / "data"
    store = fresh(_store(bench, name, collection))
    texts, queries = data / f"{collection.name}.jsonl", f"{collection.name}.json"
    added = _process(bench, name, "index", texts, queries, store)
    if "error" in added:
        return added
    ranked = _process(bench, name, "rank", texts, queries, store)
    return ranked if "error" in ranked else {"index": added, "rank": ranked, "bytes": tree_bytes(store)}


def _change(bench: Bench, name: str, number: int) -> Json:
    """In a copy of the store that `quality` left."""
    first, data = bench.collections[0], bench.work / "data"
    whole, store = _store(bench, name, first), fresh(bench.work / "stores" / f"change-{slug(name)}")
    if (quality := bench.result("quality", name, 0)) is None or not whole.exists():
        return {"error": "works on the store that the job quality leaves; do that before, and this with --again"}
    if "error" in quality:
        return {"error": quality["error"]}
    shutil.copytree(whole, store)
    return _process(bench, name, "change", data / f"{first.name}.jsonl", f"{first.name}.json", store)


def _kill(bench: Bench, name: str, number: int) -> Json:
    first, data = bench.collections[0].name, bench.work / "data"
    store = fresh(bench.work / "stores" / f"kill-{slug(name)}")
    texts = data / f"{first}.jsonl"
    process, log = _start(bench, name, "grow", texts, f"{first}.json", store)
    chance = random.Random(number)
    # SIGKILL ends a process; what a power cut does besides is not in this.
    said, alive = killed_behind(process, chance.randint(2, MOST_BATCHES), chance.random(), LIMIT_S)
    if failed := [line for line in said if isinstance(line, dict) and "error" in line]:
        return failed[0]
    acknowledged = [line for line in said if isinstance(line, int)]
    if not acknowledged:
        last = (log.read_text(errors="replace").strip().splitlines() or ["acknowledged nothing"])[-1]
        return {"error": last[:300]}
    if not alive:
        return {"error": "was through with all documents before it was killed"}
    ids = [json.loads(line)["id"] for line in texts.read_text(encoding="utf-8").splitlines()[: acknowledged[-1]]]
    left = _process(bench, name, "left", texts, f"{first}.json", store, acknowledged=len(ids))
    if "error" in left:
        return {"acknowledged": len(ids), "error": left["error"]}
    kept = set(left.pop("kept"))
    return {"acknowledged": len(ids), "lost": len(set(ids) - kept), "more": len(kept - set(ids)), **left}


def _store(bench: Bench, name: str, collection: Collection) -> Path:
    return bench.work / "stores" / f"{collection.name}-{slug(name)}"


def fresh(folder: Path) -> Path:
    """A folder's path, where nothing is."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _lines(path: Path, rows: Sequence[Json]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def results(bench: Bench) -> dict[tuple[str, str], list[Json]]:
    """By job and peer, what those rounds gave that were done."""
    found = {}
    for job in JOBS:
        for name in PEERS:
            rows = [bench.result(job, name, number) for number in range(rounds(bench, job))]
            if any(rows):
                found[job, name] = [row for row in rows if row]
    return found


DO: dict[str, Any] = {
    "hello": _hello, "encode": _encode, "folder": _folder, "quality": _quality, "change": _change, "kill": _kill,
}  # fmt: skip
