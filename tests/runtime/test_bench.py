"""The arithmetic behind the comparison with peers, and its kills: what a claim rests on."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("path", sorted((TESTS / "bench").rglob("*.py")), ids=lambda path: path.stem)
def test_what_measurements_import_of_nestling_is_there(path: Path) -> None:
    """They are not run with the suite; a name that has gone is seen here."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or node.level or (node.module or "").partition(".")[0] != "nestling":
            continue
        module = str(node.module)
        if module.startswith("nestling.export") and find_spec("torch") is None:
            continue
        for alias in node.names:
            names = dir(importlib.import_module(module))
            assert alias.name in names or find_spec(f"{module}.{alias.name}") is not None, f"{module}.{alias.name}"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives a module of the comparison with peers by name."""
    monkeypatch.syspath_prepend(str(TESTS))
    return lambda name: importlib.import_module(f"bench.peers.{name}")


def test_what_is_always_better_has_an_interval_above_nothing_and_a_small_p(bench: Any) -> None:
    random = np.random.default_rng(0)
    theirs = random.random(200)
    found = bench("verdict").difference(theirs + 0.1 + 0.01 * random.random(200), theirs)
    assert found["mean"] == pytest.approx(0.105, abs=0.002)
    low, high = found["between"]
    assert 0.1 < low < found["mean"] < high < 0.11
    assert found["p"] < 0.001


def test_a_difference_by_chance_is_called_so(bench: Any) -> None:
    random = np.random.default_rng(1)
    ours = random.random(200)
    found = bench("verdict").difference(ours, ours + random.normal(0, 0.1, 200))
    low, high = found["between"]
    assert low < 0 < high
    assert found["p"] > 0.05
    assert bench("verdict").difference(ours, ours) == {"mean": 0.0, "between": [0.0, 0.0], "p": 1.0}


def test_rounds_come_to_their_medians_and_an_error_in_one_is_not_hidden(bench: Any) -> None:
    rows = [{"ask": {"ms": ms, "versions": {}}, "took_s": 1} for ms in (1.0, 9.0, 2.0)]
    assert bench("verdict")._merged(rows) == {"ask": {"ms": 2.0}}
    assert bench("verdict")._merged([*rows, {"error": "fell over"}]) == {"error": "fell over"}


def test_kills_count_what_was_acknowledged_and_a_store_that_cannot_be_read_has_lost_all(bench: Any) -> None:
    through = {"error": "was through"}
    rows = [
        {"acknowledged": 128, "lost": 1, "asked": 64, "found": 63}, {"acknowledged": 64, "error": "malformed"}, through
    ]  # fmt: skip
    expected = {"kills": 2, "acknowledged": 192, "lost": 65, "asked": 64, "found": 63, "unreadable": 1}
    assert bench("verdict")._kills(rows) == expected
    assert bench("verdict")._kills([through]) == through


def _counting(last: int, wait_s: float) -> subprocess.Popen[str]:
    code = f"import time\nfor n in range({last}):\n    print(n, flush=True)\n    time.sleep({wait_s})"
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)


def test_a_process_is_killed_behind_so_many_lines(bench: Any) -> None:
    process = _counting(last=10_000, wait_s=0.05)
    said, alive = bench("environments").killed_behind(process, count=3, share=0.5, limit_s=60)
    assert alive
    assert process.returncode == -9
    assert said[:3] == [0, 1, 2]
    assert len(said) < 1000


def test_one_that_was_through_before_counts_as_none_killed(bench: Any) -> None:
    said, alive = bench("environments").killed_behind(_counting(last=2, wait_s=0), count=5, share=1.0, limit_s=60)
    assert said == [0, 1]
    assert not alive


def test_a_result_is_known_by_its_circumstances(bench: Any, tmp_path: Path) -> None:
    jobs = bench("jobs")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    made = {threads: jobs.Setup(tmp_path, tmp_path, [], threads, print) for threads in (1, 2)}
    one = made[1].kept("hello", "tantivy", 0)
    assert one == made[1].kept("hello", "tantivy", 0)
    assert one != made[2].kept("hello", "tantivy", 0)
    (tmp_path / "model.safetensors").write_bytes(b"others")
    assert one != jobs.Setup(tmp_path, tmp_path, [], 1, print).kept("hello", "tantivy", 0)
