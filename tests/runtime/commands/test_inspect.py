"""Commands that look into a file."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bundles import tiny_bundle, turn_golden
from nestling import Index
from nestling.bundle.manifest import DEFAULT, default_bundle, read_bundle
from processes import Run, fails

GRAPH, FORMAT = read_bundle().variants[0].graph, '"format": 3'


def test_info_of_a_library_and_of_a_bundle(nestling: Run, library: Path, folder: Path) -> None:
    values = json.loads(nestling("info", library, "--json").stdout)
    assert (values["documents"], values["passages"], values["files"]) == (5, 5, 5)
    assert (values["failures"], values["folders"]) == (2, [str(folder)])
    assert values["bytes of bits"] == 5 * 48
    assert (values["bundle"], values["dim"]) == (DEFAULT, 384)
    described = json.loads(nestling("info", default_bundle(), "--json").stdout)
    assert described["variants"] == [variant.name for variant in read_bundle().variants]
    assert described["bytes of l.int4"] <= 12_500_000 < described["bytes of xl.int8"] < described["bytes"]


def test_a_bundle_may_be_named(nestling: Run) -> None:
    by_folder, by_name = (nestling("info", named, "--json").stdout for named in (default_bundle(), "en"))
    assert by_folder == by_name


def test_info_speaks_to_a_person(nestling: Run, library: Path, folder: Path) -> None:
    result = nestling("info", library)
    said = dict(re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in result.stdout.splitlines())
    assert (said["library"], said["folders"]) == (str(library), str(folder))
    assert (said["documents"], said["passages"], said["could not be read"]) == ("5", "5 (5 at width xl)", "2")
    assert said["bits"] == "240 bytes"
    assert re.fullmatch(r"\d+\.\d kB", said["size"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", said["last sync"])
    assert result.stderr.splitlines()[0] == f"not taken in: {folder}/notes.jsonl:2: is not JSON"


def test_check_finds_a_sound_library_and_bundle_sound(nestling: Run, library: Path) -> None:
    assert nestling("check", library).stdout == f"{library}: sound\n"
    result = nestling("check", default_bundle())
    assert result.returncode == 0
    for line, variant in zip(result.stdout.splitlines(), read_bundle().variants, strict=True):
        assert line.startswith(f"{default_bundle()}: {variant.name}: sound; cosine ")
        # Where processors round otherwise, a nearest text out of a hundred may be another.
        assert re.search(r"(9[5-9]|100)% of nearest texts the same over 64 texts, \d+ tokens a second$", line)


def test_check_prints_what_it_measured_before_it_fails(nestling: Run, tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path)
    turn_golden(folder, 0.9, "xl.int4")
    result = nestling("check", folder)
    assert result.returncode == 1
    (line,) = result.stdout.splitlines()
    assert line.startswith(f"{folder}: xl.int8: sound; cosine ")
    (error,) = result.stderr.splitlines()
    assert error.startswith(f"error: {folder}: xl.int4 gives on this machine a vector with cosine 0.9")
    assert error.endswith(" to the one at the build, expected 0.985 or more; do not use it here and please report it")


def test_check_finds_damage(nestling: Run, library: Path, tmp_path: Path) -> None:
    shutil.copy(library, tmp_path / "broken.nest")
    with sqlite3.connect(tmp_path / "broken.nest") as db:
        db.execute("DELETE FROM fine WHERE key = 1")
    fails(nestling("check", tmp_path / "broken.nest"), "1 passages have no fine code; mend it with: nestling check")
    mended = nestling("check", tmp_path / "broken.nest", "--repair")
    assert (mended.returncode, mended.stdout) == (0, f"{tmp_path / 'broken.nest'}: sound\n")
    assert mended.stderr == f"{tmp_path / 'broken.nest'}: 1 passages have no fine code\n"
    assert nestling("check", tmp_path / "broken.nest", "--full").returncode == 0
    fails(nestling("check", default_bundle(), "--repair"), "is no library; --full and --repair are for libraries")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / GRAPH).unlink(), f"{GRAPH}: cannot be read (No such file or dir"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "tokenizer.json: has 2 bytes, expected"),
        (lambda folder: swap(folder / "manifest.json", f'"{GRAPH}"', '"../model.onnx"'), "leaves the bundle's"),
        (lambda folder: swap(folder / "manifest.json", FORMAT, '"format": 9'), "has format 9, this Nestling re"),
    ],
)
def test_a_damaged_bundle_is_named(nestling: Run, tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(default_bundle(), bundle)
    damage(bundle)
    fails(nestling("check", bundle), message)
    (tmp_path / "a.txt").write_text("a")
    fails(nestling("add", tmp_path / "a.nest", tmp_path / "a.txt", "--bundle", bundle), message)
    assert not (tmp_path / "a.nest").exists()


def swap(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_an_index_is_checked_and_described(nestling: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.index"
    index = Index(16)
    index.add(range(4), np.full((4, 16), 0.25, dtype=np.float32))
    index.save(path)
    assert nestling("check", path).stdout == f"{path}: sound\n"
    values = json.loads(nestling("info", path, "--json").stdout)
    assert (values["vectors"], values["dim"], values["fine"]) == (4, 16, "int8")
    data = bytearray(path.read_bytes())
    data[data.rindex(b"\x7f")] ^= 1
    path.write_bytes(data)
    fails(nestling("check", path), "fine of rows 0 to 3 differ from their hash; restore it from a copy or build it")


def test_a_library_is_dumped_as_lines_and_as_parquet(nestling: Run, library: Path, tmp_path: Path) -> None:
    assert nestling("dump", library, tmp_path / "a.jsonl").stderr == f"5 passages written to {tmp_path / 'a.jsonl'}\n"
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert nestling("dump", library, tmp_path / "a.parquet").returncode == 0
    table = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "a.parquet").to_pylist()
    assert [row | {"metadata": json.loads(row["metadata"])} for row in table] == [
        {**row, "vector": np.float32(row["vector"]).tolist()} for row in rows
    ]
    assert {row["document"] for row in rows} >= {"c1", "j1"}
    assert np.allclose(np.linalg.norm([row["vector"] for row in rows], axis=1), 1, atol=0.01)
    fails(nestling("dump", library, tmp_path / "a.csv"), "ends with '.csv', expected .jsonl or .parquet")
    fails(nestling("dump", library, tmp_path / "no" / "a.jsonl"), "does not exist; make it first")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.jsonl", "a.parquet"]
