"""The machine that an installation is on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numkong
import numpy as np
import pytest

from nestling.doctor import machine
from nestling.doctor.finding import Finding
from nestling.processors import processors


def test_the_processor_and_its_kernels() -> None:
    processor, kernels = machine.processor()
    count, all_of_them = processors(), os.cpu_count() or 1
    assert (processor.state, kernels.state) == ("fine", "fine")
    assert f"; {count}" in processor.found
    assert (f"of {all_of_them}" in processor.found) == (count < all_of_them)
    assert kernels.found.startswith("of numkong for serial")


def test_kernels_that_count_wrongly_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    right = numkong.cdist
    monkeypatch.setattr(numkong, "cdist", lambda *given, **named: np.asarray(right(*given, **named)) + 1)
    kernels = list(machine.processor())[1]
    assert kernels.state == "broken"
    assert kernels.found.endswith(" count bits wrongly on this processor")
    assert kernels.remedy == "try: pip install --force-reinstall numkong, and please report it"


def test_folders_that_can_be_written_and_are_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "cache_folder", lambda: tmp_path / "not" / "there")
    found = {finding.part: finding for finding in machine.folders()}
    assert list(found) == ["temporary folder", "cache folder", "config folder", "current folder"]
    assert {finding.state for finding in found.values()} == {"fine"}
    assert found["cache folder"].found.startswith(f"{tmp_path / 'not' / 'there'}: can be written, ")
    assert found["current folder"].found.startswith(f"{tmp_path}: can be written, ")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    monkeypatch.setattr(machine, "cache_folder", lambda: tmp_path / "file" / "cache")
    monkeypatch.setattr(machine, "config_folder", lambda: None)
    temporary, cache, config, _ = machine.folders()
    said = ": cannot be written (Not a directory): "
    remedy = "give this user the right to write there, or name another"
    assert temporary == Finding("temporary folder", "broken", f"{tmp_path / 'file'}{said}files cannot be read", remedy)
    assert cache == Finding(
        "cache folder", "missing", f"{tmp_path / 'file' / 'cache'}{said}encoders take longer to start", remedy
    )
    assert config == Finding(
        "config folder",
        "missing",
        "the system names none: nestling tune cannot remember what it chose",
        "set HOME to a folder of this user's",
    )


def test_a_full_drive_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=7_000_000))
    temporary, *others = machine.folders()
    assert (temporary.state, temporary.remedy) == ("broken", "make room there")
    assert temporary.found.endswith(": 7 MB are left")
    assert {finding.state for finding in others} == {"missing"}
