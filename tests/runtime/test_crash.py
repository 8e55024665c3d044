"""Real kills: a process that dies while it adds leaves every document that it had committed, and nothing half there."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nestling import Document, Encoder, Index, Library
from nestling.demo import demo_documents
from processes import guarded_environment

FILES = 120
KILLS = 8

ADD = """
import sys
from nestling import Library
before = []
def told(number, total, path):
    for done in before:
        print(done, flush=True)
    before[:] = [path]
with Library(sys.argv[1]) as library:
    library.encoder
    print("ready", flush=True)
    library.sync(sys.argv[2], progress=told)
"""


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of texts, each of some passages."""
    folder = tmp_path_factory.mktemp("notes")
    documents = demo_documents()
    for number in range(FILES):
        parts = [documents[(number + step) % len(documents)].text for step in range(3)]
        (folder / f"note-{number:03}.txt").write_text(f"Note {number}. {' '.join(parts)}")
    return folder


def killed_after(library: Path, notes: Path, seconds: float) -> set[str]:
    """Add in a process of its own, kill it, and return the files that it had said were committed.

    Names, not how many: a file that was added but not yet remembered as read is read, and said, once more.
    """
    command = [sys.executable, "-c", ADD, str(library), str(notes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=guarded_environment()) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        said = child.stdout.readlines()
    return {line.removesuffix("\n") for line in said if line.endswith("\n")}


def half_documents(library: Path) -> list[str]:
    """Documents whose passages do not cover their text, or have no codes, or no words in the full-text index."""
    with sqlite3.connect(library) as db:
        rows = db.execute(
            "SELECT id, length(text), max(stop), count(*), count(code), sum(length(bits)) FROM documents"
            " LEFT JOIN passages ON document = documents.key LEFT JOIN fine ON fine.key = passages.key GROUP BY id"
        ).fetchall()
        indexed = {row[0] for row in db.execute("SELECT rowid FROM full_text WHERE full_text MATCH 'note'")}
        firsts = {row[0] for row in db.execute("SELECT key FROM passages WHERE start = 0")}
    wrong = [
        id for id, length, stop, count, codes, bits in rows if stop != length or count != codes or bits != 48 * count
    ]
    return wrong + [f"words of passage {key}" for key in firsts - indexed]


def test_a_killed_add_loses_nothing_and_leaves_nothing_half(notes: Path, tmp_path: Path, encoder: Encoder) -> None:
    path = tmp_path / "killed.nest"
    seeded = random.Random(1)
    texts = {str(file): file.read_text() for file in sorted(notes.iterdir())}
    committed: set[str] = set()
    for kill in range(KILLS):
        if len(committed) > FILES * 2 // 3:  # begin anew, so that every kill hits a process at work
            for part in tmp_path.glob("killed.nest*"):
                part.unlink()
            committed = set()
        committed |= killed_after(path, notes, seeded.uniform(0.0, 0.6))
        with Library(path, encoder=encoder) as library:
            assert library.problems() == []
            found = {id: document.text for id in texts if (document := library.get(id)) is not None}
            assert len(found) == len(library)
        assert all(texts[id] == text for id, text in found.items())
        assert half_documents(path) == []
        assert committed <= found.keys(), f"kill {kill}: lost {sorted(committed - found.keys())}"
        committed |= found.keys()
    assert committed

    with Library(path, encoder=encoder) as library, Library(tmp_path / "whole.nest", encoder=encoder) as whole:
        report = library.sync(notes)
        assert report.added + report.unchanged == FILES
        whole.sync(notes)
        for query in ("how do owls find mice", "vinegar", "error code on the dishwasher"):
            assert library.search(query) == whole.search(query)


ADD_KILLS = 6

ADD_DOCUMENTS = """
import json, sys
from nestling import Document, Encoder, Index, Library
documents = [Document(**json.loads(line)) for line in open(sys.argv[2], encoding="utf-8")]
done = 0
def told(now, total):
    global done
    print(json.dumps([document.id for document in documents[done:now]]), flush=True)
    done = now
with Library(sys.argv[1], encoder=Encoder(threads=1)) as library:
    print("ready", flush=True)
    library.add(documents, progress=told)
"""


def many_documents() -> list[Document]:
    """Short ones, and now and then one of several passages."""
    parts = [document.text for document in demo_documents()]
    return [
        Document(
            f"d{number:03}",
            f"Note {number}. {parts[number % len(parts)][: 40 + number % 30]}"
            + " "
            + "And so on it goes. " * 90 * long,
            metadata={"number": number},
        )
        for number in range(900)
        for long in [number % 60 == 7]
    ]


def ids_of_a_killed_add(library: Path, lines: Path, commits: int, seconds: float) -> set[str]:
    """Add in a process of its own, kill it some time after some commits; the ids that it had said were committed."""
    command = [sys.executable, "-c", ADD_DOCUMENTS, str(library), str(lines)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=guarded_environment()) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        said = [child.stdout.readline() for _ in range(commits)]
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        said += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    return {id for line in said if line.endswith("\n") for id in json.loads(line)}


def uncovered(library: Path) -> list[str]:
    """Ids of the documents with a character that lies in no passage, white space aside."""
    with sqlite3.connect(library) as db:
        texts = dict(db.execute("SELECT id, text FROM documents"))
        ranges: dict[str, list[tuple[int, int]]] = {id: [] for id in texts}
        for id, start, stop in db.execute(
            "SELECT id, start, stop FROM passages JOIN documents ON documents.key = document ORDER BY start"
        ):
            ranges[id].append((start, stop))
    wrong = []
    for id, text in texts.items():
        left = list(text)
        for start, stop in ranges[id]:
            left[start:stop] = " " * (stop - start)
        if "".join(left).strip():
            wrong.append(id)
    return wrong


def counts(library: Path) -> list[int]:
    """Passages, and what must be as many."""
    with sqlite3.connect(library) as db:
        tables = ("passages", "fine", "full_text_docsize")
        return [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]


def test_what_add_said_was_committed_is_whole_after_a_kill(tmp_path: Path, encoder: Encoder) -> None:
    path, lines = tmp_path / "killed.nest", tmp_path / "documents.jsonl"
    documents = {document.id: document for document in many_documents()}
    lines.write_text(
        "".join(
            json.dumps({"id": one.id, "text": one.text, "metadata": dict(one.metadata)}) + "\n"
            for one in documents.values()
        )
    )
    seeded = random.Random(2)
    committed: set[str] = set()
    for kill in range(ADD_KILLS):
        if len(committed) > len(documents) // 3:  # begin anew, so that every kill hits a process at work
            for part in tmp_path.glob("killed.nest*"):
                part.unlink()
            committed = set()
        committed |= ids_of_a_killed_add(path, lines, commits=kill % 3, seconds=seeded.uniform(0.0, 0.15))
        with Library(path, encoder=encoder) as library:
            assert library.problems() == []
            found = {id for id in documents if library.get(id) == documents[id]}
            assert len(found) == len(library)
        assert committed <= found, f"kill {kill}: lost {sorted(committed - found)}"
        assert uncovered(path) == []
        passages, *as_many = counts(path)
        assert as_many == [passages, passages]
        assert passages >= len(found)
        committed |= found
    assert committed

    with Library(path, encoder=encoder) as library, Library(tmp_path / "whole.nest", encoder=encoder) as whole:
        report = library.add(documents.values())
        assert (report.added + report.unchanged, report.changed) == (len(documents), 0)
        whole.add(documents.values())
        for query in ("note 107", "how do owls find mice", "and so on it goes"):
            assert library.search(query, k=50) == whole.search(query, k=50)


SAVE = """
import sys
import numpy as np
from nestling import Index
index = Index.open(sys.argv[1])
one = np.full((1, 64), 0.125, dtype=np.float32)
print("ready", flush=True)
while True:
    index.add([10**6 + len(index)], one)
    index.save(sys.argv[1])
    print(len(index), flush=True)
"""


def test_a_killed_save_leaves_the_old_index_or_the_new_one(tmp_path: Path, kills: int) -> None:
    path = tmp_path / "a.index"
    index = Index(64)
    vectors = np.random.default_rng(1).normal(size=(20_000, 64))
    index.add(range(20_000), (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32))
    index.save(path)
    seeded = random.Random(3)
    size = 20_000
    for kill in range(kills):
        command = [sys.executable, "-c", SAVE, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=guarded_environment()) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(seeded.uniform(0.0, 0.2))
            child.send_signal(signal.SIGKILL)
            said = [int(line) for line in child.stdout.read().split("\n") if line]
        assert Index.problems(path) == []
        found = len(Index.open(path))
        assert found in {said[-1] if said else size, (said[-1] if said else size) + 1}, f"kill {kill}"
        size = found
    assert size > 20_000
    for left in tmp_path.glob("*.tmp"):
        os.utime(left, (0, 0))
    index.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.index"]


READ = """
import sys
import numpy as np
from nestling import Index
query = np.full((1, 64), 0.125, dtype=np.float32)
print("ready", flush=True)
sizes = []
for _ in range(150):
    index = Index.open(sys.argv[1])
    (found,) = index.search(query, 10**4, oversample=None)
    assert len(found) == len(index)
    sizes.append(len(index))
assert sizes == sorted(sizes)
print(len(set(sizes)), flush=True)
"""


def test_two_processes_read_while_one_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a.index"
    index = Index(64)
    index.add(range(2000), np.full((2000, 64), 0.125, dtype=np.float32))
    index.save(path)

    def start(code: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, str(path)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=guarded_environment())

    readers, writer = [start(READ), start(READ)], start(SAVE)
    try:
        said = [reader.communicate(timeout=60)[0].split() for reader in readers]
    finally:
        for process in (*readers, writer):
            process.kill()
            process.communicate()
    assert [reader.returncode for reader in readers] == [0, 0]
    assert all(int(states) > 1 for _, states in said)
