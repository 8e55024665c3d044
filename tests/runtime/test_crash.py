"""Real kills: a process that dies while it adds leaves every document that it had committed, and nothing half there."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nestling import Encoder, Library
from nestling.demo import demo_documents
from processes import guarded_environment

FILES = 120
KILLS = 8

ADD = """
import sys
from nestling import Library
with Library(sys.argv[1]) as library:
    library.encoder
    print("ready", flush=True)
    library.sync(sys.argv[2], progress=lambda number, total, path: print(number - 1, flush=True))
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


def killed_after(library: Path, notes: Path, seconds: float) -> int:
    """Add in a process of its own, kill it, and return how many files it had said were committed."""
    command = [sys.executable, "-c", ADD, str(library), str(notes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=guarded_environment()) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        said = [int(line) for line in child.stdout.read().split("\n") if line.strip().isdigit()]
    return said[-1] if said else 0


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
    committed = 0
    for kill in range(KILLS):
        if committed > FILES * 2 // 3:  # begin anew, so that every kill hits a process at work
            for part in tmp_path.glob("killed.nest*"):
                part.unlink()
            committed = 0
        more = killed_after(path, notes, seeded.uniform(0.0, 0.6))
        with Library(path, encoder=encoder) as library:
            assert library.problems() == []
            found = {id: document.text for id in texts if (document := library.get(id)) is not None}
            assert len(found) == len(library)
        assert all(texts[id] == text for id, text in found.items())
        assert half_documents(path) == []
        assert len(found) >= committed + more, f"kill {kill}: {len(found)} of {committed} + {more} acknowledged files"
        committed = len(found)
    assert committed > 0

    with Library(path, encoder=encoder) as library, Library(tmp_path / "whole.nest", encoder=encoder) as whole:
        report = library.sync(notes)
        assert report.added + report.unchanged == FILES
        whole.sync(notes)
        for query in ("how do owls find mice", "vinegar", "error code on the dishwasher"):
            assert library.search(query) == whole.search(query)
