"""The command that looks whether all works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from processes import Run


def test_doctor_says_in_a_line_each_what_is_there(nestling: Run) -> None:
    result = nestling("doctor")
    assert (result.returncode, result.stderr) == (0, "all that Nestling needs works\n")
    said = {line.split("  ")[0].strip(): line[18:25].strip() for line in result.stdout.splitlines()}
    assert {"python", "numpy", "processor", "bundle", "sqlite", "library", "cache folder", ".pdf", ".txt"} <= set(said)
    assert set(said.values()) == {"fine"}
    assert [line for line in result.stdout.splitlines() if line.startswith(".txt")] == [
        ".txt              fine     is read"
    ]


def test_doctor_prints_json_and_fails_where_something_needed_does(
    nestling: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tokenizers.py").write_text("raise ImportError('of another machine')")
    (tmp_path / "pyarrow.py").write_text("raise ModuleNotFoundError('no', name='pyarrow')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    result = nestling("doctor", "--json")
    found = {finding["part"]: finding for finding in map(json.loads, result.stdout.splitlines())}
    assert result.returncode == 1
    assert result.stderr == "error: broken: tokenizers, bundle, library; what to do stands in their lines\n"
    assert found["tokenizers"] == {
        "part": "tokenizers",
        "state": "broken",
        "found": "cannot be imported (ImportError: of another machine)",
        "remedy": "try: pip install --force-reinstall tokenizers",
    }
    assert found["pyarrow"]["state"] == "missing"
    assert found[".pdf"]["state"] == "fine"
