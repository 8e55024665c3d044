from __future__ import annotations

import hashlib
import os
import time
from dataclasses import replace
from pathlib import Path

import onnxruntime
import pytest

from nestling.bundle.manifest import Bundle, Variant, default_bundle, read_bundle
from nestling.encoding import verified as remembered
from nestling.encoding.verified import is_noted, note_of, remember


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """The default bundle's manifest with files of a few bytes."""
    found = read_bundle()
    for name in found.files:
        (tmp_path / name).write_text("content")
    return replace(found, folder=tmp_path)


def test_a_note_is_an_empty_file_that_speaks_for_one_state(bundle: Bundle) -> None:
    variant = bundle.variants[0]
    note = note_of(bundle, variant)
    assert note is not None
    assert note.parent.name == "nestling"
    assert not note.exists()
    remember(note)
    assert note.read_bytes() == b""
    assert note_of(bundle, variant) == note
    others = {
        note_of(bundle, bundle.variants[1]),
        note_of(replace(bundle, name="other"), variant),
        note_of(read_bundle(), variant),
    }
    (bundle.folder / variant.graph).write_text("longer content")
    others.add(note_of(bundle, variant))
    os.utime(bundle.folder / variant.graph, ns=(1, 1))
    others.add(note_of(bundle, variant))
    assert is_noted(note)
    assert not is_noted(None)
    assert len(others | {note}) == 6


def test_another_processor_or_runtime_is_another_note(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    variant, notes = bundle.variants[0], set()
    notes.add(note_of(bundle, variant))
    monkeypatch.setattr(onnxruntime, "__version__", "0.0")
    notes.add(note_of(bundle, variant))
    cpu = bundle.folder / "cpuinfo"
    for flags in ("sse2", "sse2 avx2"):
        cpu.write_text(f"processor : 0\nmodel name : old\ncpu MHz : {len(notes)}\nflags : {flags}\n\nprocessor : 1\n")
        monkeypatch.setattr(remembered, "_CPU_INFO", cpu)
        notes.add(note_of(bundle, variant))
        cpu.write_text(cpu.read_text().replace("MHz : ", "MHz : 9"))
        notes.add(note_of(bundle, variant))
    assert len(notes) == 4


def test_a_file_that_is_not_there_has_no_note() -> None:
    assert note_of(read_bundle(), Variant("xl", "int8", "gone.onnx")) is None


def test_where_nothing_can_be_written_nothing_happens(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    remember(tmp_path / "file" / "note")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_default_bundle_is_in_the_package() -> None:
    assert (default_bundle() / "manifest.json").is_file()


def test_a_note_that_may_not_be_looked_at_stands_for_nothing(tmp_path: Path) -> None:
    assert not is_noted(tmp_path / ("x" * 5000) / "note")
    assert not is_noted(tmp_path / "nul\0")


def test_a_file_changed_in_place_with_its_time_put_back_is_another_state(bundle: Bundle) -> None:
    variant = bundle.variants[0]
    path = bundle.folder / variant.graph
    before, note = path.stat(), note_of(bundle, variant)
    time.sleep(0.02)
    path.write_text("CONTENT")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert note_of(bundle, variant) != note


def test_the_oldest_notes_go_and_nothing_else(tmp_path: Path) -> None:
    names = [hashlib.sha256(bytes([number])).hexdigest() for number in range(80)]
    for age, name in enumerate(names):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (2e9 - age, 2e9 - age))  # all later than the note that is left now
    kept = ["0" * 64, "1" * 64, "2" * 63, "readme"]
    (tmp_path / kept[0]).write_text("no note")
    (tmp_path / kept[1]).mkdir()
    for name in kept[2:]:
        (tmp_path / name).touch()
    for name in kept:
        os.utime(tmp_path / name, (1, 1))
    remember(tmp_path / ("f" * 64))
    assert {path.name for path in tmp_path.iterdir()} == {"f" * 64, *names[:63], *kept}
    remember(tmp_path / names[62])
    assert {path.name for path in tmp_path.iterdir()} == {"f" * 64, *names[:63], *kept}
