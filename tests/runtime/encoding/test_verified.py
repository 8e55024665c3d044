from __future__ import annotations

import hashlib
import os
import time
from dataclasses import replace
from pathlib import Path

import onnxruntime
import pytest

from nestling.bundle.manifest import Bundle, Variant, default_bundle, read_bundle
from nestling.encoding.verified import cache_path, is_verified, record_verified


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """The default bundle's manifest with files of a few bytes."""
    found = read_bundle()
    for name in found.files:
        (tmp_path / name).write_text("content")
    return replace(found, folder=tmp_path)


def test_an_entry_is_an_empty_file_for_one_state(bundle: Bundle) -> None:
    variant = bundle.variants[0]
    entry = cache_path(bundle, variant)
    assert entry is not None
    assert entry.parent.name == "nestling"
    assert not entry.exists()
    record_verified(entry)
    assert entry.read_bytes() == b""
    assert cache_path(bundle, variant) == entry
    others = {
        cache_path(bundle, bundle.variants[1]),
        cache_path(replace(bundle, name="other"), variant),
        cache_path(read_bundle(), variant),
    }
    (bundle.folder / variant.graph).write_text("longer content")
    others.add(cache_path(bundle, variant))
    os.utime(bundle.folder / variant.graph, ns=(1, 1))
    others.add(cache_path(bundle, variant))
    assert is_verified(entry)
    assert not is_verified(None)
    assert len(others | {entry}) == 6


def test_another_processor_or_runtime_is_another_entry(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    variant, entries = bundle.variants[0], set()
    entries.add(cache_path(bundle, variant))
    monkeypatch.setattr(onnxruntime, "__version__", "0.0")
    entries.add(cache_path(bundle, variant))
    cpu = bundle.folder / "cpuinfo"
    for flags in ("sse2", "sse2 avx2"):
        cpu.write_text(f"processor : 0\nmodel name : old\ncpu MHz : {len(entries)}\nflags : {flags}\n\nprocessor : 1\n")
        entries.add(cache_path(bundle, variant, cpu))
        cpu.write_text(cpu.read_text().replace("MHz : ", "MHz : 9"))
        entries.add(cache_path(bundle, variant, cpu))
    assert len(entries) == 4


def test_a_file_that_is_not_there_has_no_entry() -> None:
    assert cache_path(read_bundle(), Variant("xl", "int8", "gone.onnx")) is None


def test_where_nothing_can_be_written_nothing_happens(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    record_verified(tmp_path / "file" / "entry")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_default_bundle_is_in_the_package() -> None:
    assert (default_bundle() / "manifest.json").is_file()


def test_an_entry_that_cannot_be_looked_up_is_not_there(tmp_path: Path) -> None:
    assert not is_verified(tmp_path / ("x" * 5000) / "entry")
    assert not is_verified(tmp_path / "nul\0")


def test_a_file_changed_in_place_with_its_time_put_back_is_another_state(bundle: Bundle) -> None:
    variant = bundle.variants[0]
    path = bundle.folder / variant.graph
    before, entry = path.stat(), cache_path(bundle, variant)
    time.sleep(0.02)
    path.write_text("CONTENT")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert cache_path(bundle, variant) != entry


def test_the_oldest_entries_go_and_nothing_else(tmp_path: Path) -> None:
    names = [hashlib.sha256(bytes([number])).hexdigest() for number in range(80)]
    for age, name in enumerate(names):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (2e9 - age, 2e9 - age))  # all later than the entry that is recorded now
    kept = ["0" * 64, "1" * 64, "2" * 63, "readme"]
    (tmp_path / kept[0]).write_text("no entry")
    (tmp_path / kept[1]).mkdir()
    for name in kept[2:]:
        (tmp_path / name).touch()
    for name in kept:
        os.utime(tmp_path / name, (1, 1))
    record_verified(tmp_path / ("f" * 64))
    assert {path.name for path in tmp_path.iterdir()} == {"f" * 64, *names[:63], *kept}
    record_verified(tmp_path / names[62])
    assert {path.name for path in tmp_path.iterdir()} == {"f" * 64, *names[:63], *kept}
