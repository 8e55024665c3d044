"""Parts that are tried in processes of their own."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from bundles import tiny_bundle
from nestling import child
from nestling.doctor.examination import apart, examine
from nestling.doctor.finding import Finding
from nestling.readers import READERS
from nestling.readers.named import SUFFIXES as NAMED

AGAIN = "try: pip install --force-reinstall nestling, and report it where it stays so"


def test_every_part_is_tried_and_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    findings = {finding.part: finding for finding in examine()}
    assert [finding for finding in findings.values() if finding.state != "fine"] == []
    for part in ("python", "onnxruntime", "kernels", "bundle", "sqlite", "library", "temporary folder", ".pdf"):
        assert part in findings
    assert findings["temporary folder"].found.startswith(f"{tmp_path}: can be written, ")
    assert list(tmp_path.iterdir()) == []


def test_every_reader_is_tried() -> None:
    tried = {READERS[finding.part] for finding in examine() if finding.part in READERS}
    untried = {suffix for suffix, reader in READERS.items() if reader not in tried and suffix not in NAMED}
    assert untried == set()


def test_all_is_tried_within_a_program_that_has_no_python_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert child.python() is None
    assert {finding.part for finding in examine() if finding.state != "fine"} == {"processes"}


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_a_part_that_ends_its_process_is_named_and_ends_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numkong.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGILL)")
    monkeypatch.syspath_prepend(tmp_path)
    ended = "ends its process by signal 4 (SIGILL; the processor lacks what it was built for)"
    assert list(apart("numkong")) == [Finding("numkong", "broken", ended, AGAIN)]
    first, second = apart("processor")  # what was found before it stays
    assert (first.part, first.state) == ("processor", "fine")
    assert second == Finding("processor", "broken", ended, AGAIN)
    assert [finding.state for finding in apart("sqlite")] == ["fine"]


def test_a_part_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ir_measures.py").write_text("import time\ntime.sleep(60)")
    monkeypatch.syspath_prepend(tmp_path)
    assert list(apart("ir_measures", seconds=1)) == [Finding("ir_measures", "broken", "takes over 1 s", AGAIN)]


def test_a_process_that_leaves_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "click.py").write_text("import os, sys\nprint('no licence', file=sys.stderr, flush=True)\nos._exit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    assert list(apart("click")) == [Finding("click", "broken", "ends its process with exit code 3 (no licence)", AGAIN)]


def test_what_a_package_prints_is_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ir_measures.py").write_text("import os\nprint('{}')\nos.write(1, b'[]\\n1\\n{\"part\": 1}\\n')")
    monkeypatch.syspath_prepend(tmp_path)
    assert [(finding.part, finding.state) for finding in apart("ir_measures")] == [("ir_measures", "fine")]


def test_a_damaged_bundle_is_named(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path)
    (folder / "tokenizer.json").write_text("{}")
    (found,) = apart("bundle", folder)
    assert (found.part, found.state) == ("bundle", "broken")
    assert found.found.startswith(f"{folder / 'tokenizer.json'}: has 2 bytes, expected ")
    assert [finding.state for finding in apart("library", folder)] == ["broken"]
    shutil.rmtree(folder)
    (found,) = apart("bundle", folder)
    assert (found.state, str(folder) in found.found) == ("broken", True)
