"""Real kills of a process that replaces an index: what is there is the old one or the new one, whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from nestling import Index
from processes import guarded_environment

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
while len(sizes) < 150 or len(set(sizes)) < 2:  # the writer may be slow to start
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
