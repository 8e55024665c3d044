"""Real kills, full disks, folders that may not be written: what was acknowledged is there, and nothing is half there.

A child process does what it is told (add, remove, sync) and says when each is done. The parent knows what must be
there after what was done, and what may be after what was not.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nestling import Document, Encoder, Library
from nestling.library.store.texts import from_stored
from processes import guarded_environment

CHILD = """
import json, resource, sys
from nestling import Document, Encoder, Library
limit = int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    library = Library(sys.argv[1], encoder=Encoder(threads=1))
    print("ready", flush=True)
    for line in sys.stdin:
        what, value = json.loads(line)
        if what == "add":
            library.add([Document(**one) for one in value])
        else:
            getattr(library, what)(value)
        print("done", flush=True)
    library.close()
except Exception as error:
    print(f"{type(error).__name__}: {error}", flush=True)
"""
IDS = [f"d{number:02}" for number in range(40)]
NAMES = [f"n{number:02}.txt" for number in range(40)]
WORDS = "owl river stone lamp bread cloud needle harbour violin winter garden copper letter window saddle".split()


def text_of(name: str, version: int) -> str:
    """A text that no other name and version has; now and then of several passages."""
    seeded = random.Random(f"{name} {version}")
    words = " ".join(seeded.choice(WORDS) for _ in range(400 if seeded.random() < 0.1 else 12))
    return f"word{name.removesuffix('.txt')}v{version} {words}"


@dataclass
class Model:
    """What must be in a library.

    Attributes:
        folder: what is synced.
        held: by id, the version that is there.
        written: by id of a file's document, the version that the file has now.
    """

    folder: Path
    held: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    version: int = 0

    def next(self, seeded: random.Random) -> tuple[list[Any], dict[str, set[int | None]]]:
        """A random thing to do, and for each id that it may change the versions that may be there meanwhile."""
        self.version += 1
        kind = seeded.choice(["add", "add", "remove", "sync", "sync"])
        own = [id for id in self.held if id in IDS]
        if kind == "remove" and own:
            gone = seeded.sample(own, min(len(own), seeded.randint(1, 12)))
            return ["remove", gone], {id: {self.held[id], None} for id in gone}
        if kind == "sync":
            for name in seeded.sample(NAMES, 12):
                path = self.folder / name
                if seeded.random() < 0.2:
                    path.unlink(missing_ok=True)
                    self.written.pop(str(path), None)
                else:
                    path.write_text(text_of(name, self.version))
                    self.written[str(path)] = self.version
            files = [str(self.folder / name) for name in NAMES]
            return ["sync", str(self.folder)], {id: {self.held.get(id), self.written.get(id)} for id in files}
        ids = seeded.sample(IDS, seeded.randint(1, 20))
        documents = [{"id": id, "text": text_of(id, self.version), "metadata": {"v": self.version}} for id in ids]
        return ["add", documents], {id: {self.held.get(id), self.version} for id in ids}

    def done(self, what: list[Any]) -> None:
        """The thing was acknowledged."""
        kind, value = what
        if kind == "add":
            self.held |= {one["id"]: one["metadata"]["v"] for one in value}
        elif kind == "remove":
            self.held = {id: version for id, version in self.held.items() if id not in value}
        else:
            self.held = {id: version for id, version in self.held.items() if id in IDS} | self.written


@contextmanager
def child(path: Path, limit: int = 0) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", CHILD, str(path), str(limit)]
    streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=guarded_environment(), **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str], what: list[Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(what) + "\n")
    process.stdin.flush()


def checked(path: Path, encoder: Encoder, model: Model, may: dict[str, set[int | None]], seeded: random.Random) -> None:
    """The file opens, is sound, and holds what it must; the model takes over what of the last thing is there."""
    names = {**{id: id for id in IDS}, **{str(model.folder / name): name for name in NAMES}}
    removing = bool(may) and all(None in versions and len(versions) == 2 for versions in may.values())
    with Library(path, encoder=encoder) as library:
        assert library.problems(full=True) == []
        found: dict[str, int] = {}
        for id, name in names.items():
            document = library.get(id)
            if document is not None:
                found[id] = int(document.text.split()[0].rpartition("v")[2])
                assert document.text == text_of(name, found[id])
        assert len(library) == len(found)
        for id in names:
            assert found.get(id) in may.get(id, {model.held.get(id)}), id
        if removing and set(may) <= set(IDS):
            assert len({found.get(id) is None for id in may}) == 1  # all of them or none
        for id in seeded.sample(sorted(found), min(3, len(found))):
            word = f"word{names[id].removesuffix('.txt')}v{found[id]}"
            assert [hit.id for hit in library.search(word, k=1, mode="lexical")] == [id]
    assert half_documents(path) == []
    model.held = found


def half_documents(path: Path) -> list[str]:
    """Ids of documents with a character that lies in no passage, or with a passage that lacks a code or its words."""
    with sqlite3.connect(path) as db:
        rows = db.execute(
            "SELECT documents.id, texts.text, max(stop), count(*), count(code), count(full_text_docsize.id)"
            " FROM documents LEFT JOIN texts ON texts.key >> 20 = documents.key"
            " LEFT JOIN passages ON passages.text = texts.key LEFT JOIN fine ON fine.key = passages.key"
            " LEFT JOIN full_text_docsize ON full_text_docsize.id = passages.key GROUP BY documents.key"
        ).fetchall()
    return [
        id
        for id, text, stop, passages, codes, words in rows
        if (len(from_stored(text)), passages, passages) != (stop, codes, words)
    ]


def finished(path: Path, encoder: Encoder, model: Model, tmp_path: Path) -> None:
    """What is left is that of a library that never was interrupted."""
    documents = [Document(id, text_of(id, version)) for id, version in model.held.items() if id in IDS]
    with Library(path, encoder=encoder) as library, Library(tmp_path / "whole.nest", encoder=encoder) as whole:
        library.sync(model.folder)
        library.add(documents)
        whole.sync(model.folder)
        whole.add(documents)
        for query in ("an owl by the river", "copper violin", *WORDS[:6]):
            assert library.search(query, k=50) == whole.search(query, k=50)
        assert library.problems(full=True) == []


def test_whatever_kills_the_process_nothing_acknowledged_is_lost(tmp_path: Path, encoder: Encoder, kills: int) -> None:
    path = tmp_path / "a.nest"
    (tmp_path / "notes").mkdir()
    model = Model(tmp_path / "notes")
    seeded = random.Random(1)
    acknowledged = 0
    for _ in range(kills):
        may: dict[str, set[int | None]] = {}
        with child(path) as process:
            assert process.stdout is not None
            opening = seeded.random() < 0.1  # killed while it opens the file, or soon after
            assert opening or process.stdout.readline() == "ready\n"
            for _ in range(0 if opening else seeded.randint(0, 3)):
                what, _ = model.next(seeded)
                told(process, what)
                assert process.stdout.readline() == "done\n"
                model.done(what)
                acknowledged += 1
            what, may = model.next(seeded)
            told(process, what)
            time.sleep(seeded.uniform(0, 0.6 if opening else 0.35))
            process.send_signal(signal.SIGKILL)
            if "done\n" in process.stdout.readlines():
                model.done(what)
                may = {}
                acknowledged += 1
        checked(path, encoder, model, may, seeded)
    assert acknowledged >= kills // 2
    finished(path, encoder, model, tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as POSIX does")
def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path, encoder: Encoder, kills: int) -> None:
    path = tmp_path / "a.nest"
    (tmp_path / "notes").mkdir()
    model = Model(tmp_path / "notes")
    seeded = random.Random(2)
    full = 0
    with Library(path, encoder=encoder):
        pass
    for _ in range(max(4, kills // 3)):
        may: dict[str, set[int | None]] = {}
        with child(path, limit=max(path.stat().st_size, 40_000) + seeded.randint(0, 60_000)) as process:
            assert process.stdout is not None
            said = process.stdout.readline()
            for _ in range(12):
                if said not in ("ready\n", "done\n"):
                    break
                what, may = model.next(seeded)
                told(process, what)
                said = process.stdout.readline()
                if said == "done\n":
                    model.done(what)
                    may = {}
            if said != "done\n":
                assert said.startswith("LibraryError: "), said
                assert said.endswith("what was committed before is safe\n"), said
                full += 1
        checked(path, encoder, model, may, seeded)
    assert full >= 4
    finished(path, encoder, model, tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="denies as POSIX does")
def test_a_folder_that_becomes_read_only_half_way_loses_nothing(tmp_path: Path, encoder: Encoder) -> None:
    path = tmp_path / "library" / "a.nest"
    path.parent.mkdir(mode=0o555)
    if os.access(path.parent, os.W_OK):
        pytest.skip("nothing is denied to root")
    path.parent.chmod(0o755)
    (tmp_path / "notes").mkdir()
    model = Model(tmp_path / "notes")
    seeded = random.Random(3)
    for _ in range(4):
        may: dict[str, set[int | None]] = {}
        with child(path) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            for turn in range(4):
                what, may = model.next(seeded)
                told(process, what)
                if turn == 1:
                    time.sleep(seeded.uniform(0, 0.2))
                    for file in (*path.parent.iterdir(), path.parent):
                        file.chmod(0o555 if file.is_dir() else 0o444)
                said = process.stdout.readline()
                if said != "done\n":
                    assert said.startswith("LibraryError: ")
                    break
                model.done(what)
                may = {}
        try:
            with Library(path, encoder=encoder, create=False) as library:  # as from a medium that cannot be written
                assert len(library) > 0
                library.search("owl")
        finally:
            for file in (path.parent, *path.parent.iterdir()):
                file.chmod(0o755 if file.is_dir() else 0o644)
        checked(path, encoder, model, may, seeded)
    finished(path, encoder, model, tmp_path)
