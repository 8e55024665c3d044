"""Bundles by name: data packages are found where packages are, never in the current folder, and libraries know them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nestling import Encoder, Library
from nestling.bundle.installed import bundle_folder, default_bundle, installed
from nestling.bundle.manifest import read_bundle
from nestling.errors import BundleError

TINY = Encoder(Path(__file__).parents[2] / "format" / "v4" / "bundle")
NAME = TINY.bundle.name
USER_SITE = "import site; print(site.getusersitepackages())"


@pytest.fixture
def data_package(tmp_path: Path) -> dict[str, str]:
    """An environment in which the tiny bundle is installed for the user."""
    environment = {**os.environ, "PYTHONUSERBASE": str(tmp_path / "user")}
    printed = subprocess.run([sys.executable, "-c", USER_SITE], env=environment, capture_output=True, check=True)
    folder = Path(printed.stdout.decode().strip()) / "nestling_bundles"
    shutil.copytree(TINY.bundle.folder, folder / NAME)
    return environment


def run(code: str, environment: dict[str, str], folder: Path) -> str:
    """What a program prints that runs in a folder."""
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def test_the_shipped_bundle_has_a_name() -> None:
    assert bundle_folder("nestling-en") == bundle_folder("en") == bundle_folder(None) == default_bundle()
    assert installed()["nestling-en"] == default_bundle()
    assert read_bundle("nestling-en") == read_bundle()


def test_what_is_neither_a_name_nor_a_folder_is_one_sentence() -> None:
    names = ", ".join(sorted(installed()))
    message = f"nestling-xx: is no installed bundle and no folder; expected {names}, or a bundle's folder"
    with pytest.raises(BundleError, match=f"^{re.escape(message)}$"):
        Encoder("nestling-xx")


def test_a_folder_here_does_not_stand_for_an_installed_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nestling-en", "nestling_bundles"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert read_bundle("nestling-en") == read_bundle()
    with pytest.raises(BundleError, match=r"^nestling-en/manifest.json: cannot be read \(No such file"):
        read_bundle("./nestling-en/")


def test_a_data_package_is_found_by_name(data_package: dict[str, str], tmp_path: Path) -> None:
    code = f"import nestling; print(nestling.Encoder({NAME!r}).bundle.folder)"
    found = Path(run(code, data_package, tmp_path))
    assert found.name == NAME and tmp_path / "user" in found.parents


def test_a_library_remembers_the_bundle_it_was_made_with(data_package: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "notes.nest"
    with Library(path, encoder=TINY) as library:
        library.add([])
    code = f"import nestling; print(nestling.Library({str(path)!r}).encoder.bundle.name)"
    assert run(code, data_package, tmp_path) == NAME
    command = (
        f"import sys; from nestling.cli import main; sys.argv[1:] = ['search', {str(path)!r}, 'owls', '--json']; main()"
    )
    assert run(command, data_package, tmp_path) == ""
