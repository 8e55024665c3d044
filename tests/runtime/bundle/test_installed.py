"""Bundles by name: data packages are found where packages are, never in the current folder, and libraries know them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nestling
from nestling import Encoder, Library
from nestling.bundle.installed import bundle_folder, default_bundle, installed
from nestling.bundle.manifest import read_bundle
from nestling.errors import BundleError

TINY = Encoder(Path(__file__).parents[2] / "format" / "v4" / "bundle")
NAME = TINY.bundle.name


@pytest.fixture
def data_package(tmp_path: Path) -> dict[str, str]:
    """An environment in which the tiny bundle is installed beside Nestling."""
    place = tmp_path / "packages"
    shutil.copytree(TINY.bundle.folder, place / "nestling_bundles" / NAME)
    (place / "nestling").symlink_to(Path(str(nestling.__file__)).parent, target_is_directory=True)
    return {**os.environ, "PYTHONPATH": str(place)}


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
    with pytest.raises(BundleError, match=r"^nestling-en/manifest.json: cannot be read \(No such file"):
        read_bundle(Path("nestling-en"))


@pytest.mark.parametrize("named", ["x" * 300, "a\0b"])
def test_what_can_be_no_path_is_one_sentence(named: str) -> None:
    with pytest.raises(BundleError, match="is no installed bundle and no folder; expected "):
        Encoder(named)


def test_packages_that_python_leaves_out_are_left_out(tmp_path: Path) -> None:
    """In a virtual environment, of the user's own ones."""
    folder = tmp_path / "lib" / f"python3.{sys.version_info.minor}" / "site-packages" / "nestling_bundles"
    shutil.copytree(TINY.bundle.folder, folder / NAME)
    environment = {**os.environ, "PYTHONUSERBASE": str(tmp_path), "PYTHONNOUSERSITE": "1"}
    code = "from nestling.bundle.installed import installed; print(sorted(installed()))"
    assert NAME not in run(code, environment, tmp_path)


def test_a_data_package_is_found_by_name(data_package: dict[str, str], tmp_path: Path) -> None:
    code = f"import nestling; print(nestling.Encoder({NAME!r}).bundle.folder)"
    found = Path(run(code, data_package, tmp_path))
    assert found.name == NAME and tmp_path / "packages" in found.parents


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


def test_a_damaged_bundle_of_a_library_is_told(data_package: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "notes.nest"
    with Library(path, encoder=TINY) as library:
        library.add([])
    (tmp_path / "packages" / "nestling_bundles" / NAME / "manifest.json").write_text("{")
    command = [sys.executable, "-m", "nestling.cli", "search", str(path), "owls"]
    done = subprocess.run(command, env=data_package, cwd=tmp_path, capture_output=True, check=False, text=True)
    assert done.returncode == 1 and "manifest.json: is not JSON" in done.stderr and "Traceback" not in done.stderr


def test_the_doctor_takes_a_name(data_package: dict[str, str], tmp_path: Path) -> None:
    examined = f"[one.state for one in examine({NAME!r}) if one.part == 'bundle']"
    assert (
        run(f"from nestling.doctor.examination import examine; print({examined})", data_package, tmp_path) == "['fine']"
    )
