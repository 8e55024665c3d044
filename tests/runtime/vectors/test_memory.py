"""An opened index takes the memory of its bits and keys, and no more, however much of it is read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nestling import Index
from processes import guarded_environment

ROWS, DIM = 200_000, 384
MB = 1 << 20

OPENED = """
import json, sys, time
from pathlib import Path
import numpy as np
from nestling import Index
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
queries = np.load(sys.argv[2])
small = Index(384)  # so that opening is measured, not importing
small.add([1], queries[:1])
small.search(queries[:1], 1)
before, begin = resident(), time.perf_counter()
index = Index.open(sys.argv[1])
index.search(queries[:1], 10)
seconds, first = time.perf_counter() - begin, resident() - before
for row in range(len(queries)):
    index.search(queries[row : row + 1], 10)
index.search(queries[:2], 10, oversample=None)
print(json.dumps([seconds, first, resident() - before]))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the resident set is read as Linux tells it")
@pytest.mark.parametrize("fine", ["int8", "int4"])
def test_an_opened_index_answers_soon_and_stays_small(fine: str, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    index = Index(DIM, fine=fine)  # type: ignore[arg-type]
    for begin in range(0, ROWS, 20_000):
        vectors = random.normal(size=(20_000, DIM)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        index.add(range(begin, begin + 20_000), vectors)
    index.save(tmp_path / "a.index")
    np.save(tmp_path / "queries.npy", vectors[:50])
    command = [sys.executable, "-c", OPENED, str(tmp_path / "a.index"), str(tmp_path / "queries.npy")]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=guarded_environment()).stdout
    seconds, first, after = json.loads(said)
    bits_and_keys = ROWS * (DIM / 8 + 4 + 8)
    assert seconds < 0.25
    assert first < bits_and_keys + 8 * MB
    assert after < bits_and_keys + 20 * MB  # some of what the allocator keeps; the fine codes alone are 38 or 76 MB
