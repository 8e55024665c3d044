"""The packages of an installation."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from nestling import child
from nestling.doctor import packages
from nestling.doctor.examination import apart
from nestling.doctor.finding import Finding


@pytest.mark.parametrize(
    ("there", "wanted", "expected"),
    [
        ("2.22", ">=2.22,!=2.26.2", True),
        ("2.22.0", ">=2.22", True),
        ("2.21.9", ">=2.22", False),
        ("2.26.2", ">=2.22,!=2.26.2", False),
        ("2.26.20", ">=2.22,!=2.26.2", True),
        ("10.0", ">=9.5", True),
        ("1.0", ">=1.0,<1.0", False),
        ("4.57.1", ">=4.55,<4.58", True),
        ("2.0", ">1.9,<=2.0.0", True),
        ("2.13.0+cpu", "==2.13.0", True),
        ("2.0rc1", ">=2.0", True),
        ("1", "", True),
    ],
)
def test_a_version_is_compared_number_by_number(there: str, wanted: str, expected: bool) -> None:
    assert packages.fits(there, wanted) is expected


def test_python_and_where_nestling_is() -> None:
    python, nestling, processes = packages.python()
    assert (python.part, python.state) == ("python", "fine")
    assert python.found.startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")
    assert (nestling.state, Path(nestling.found.split(", in ")[1], "doctor", "samples.zip").is_file()) == ("fine", True)
    assert processes.found == f"files are read in a process of their own, by {child.python()}"


def test_without_a_python_beside_it_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert list(packages.python())[2] == Finding(
        "processes",
        "missing",
        "there is no Python beside this program: files are read within it, without a limit of time and memory",
        "do not read files of others, or install Python beside it",
    )


def test_a_package_that_works() -> None:
    assert list(packages.package("numpy")) == [Finding("numpy", "fine", version("numpy"))]


def put(folder: Path, name: str, code: str, found_version: str = "") -> None:
    """A package in the place of another."""
    (folder / f"{name}.py").write_text(code)
    if found_version:
        described = folder / f"{name}-{found_version}.dist-info"
        described.mkdir()
        (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {found_version}\n")


MISSING = "raise ModuleNotFoundError('no', name={!r})"


@pytest.mark.parametrize(
    ("name", "code", "found_version", "finding"),
    [
        (
            "tokenizers",
            MISSING.format("tokenizers"),
            "",
            (
                "broken",
                "needs tokenizers, which is not there",
                "get it with: pip install 'tokenizers>=0.20'",
            ),
        ),
        (
            "pyarrow",
            MISSING.format("pyarrow"),
            "",
            ("missing", "is not there; it is for dump to .parquet", "get it with: pip install 'nestling[parquet]'"),
        ),
        (
            "pyarrow",
            MISSING.format("lost"),
            "",
            ("broken", "needs lost, which is not there", "get it with: pip install 'nestling[parquet]'"),
        ),
        (
            "numkong",
            "raise ImportError('libc is too old')",
            "",
            (
                "broken",
                "cannot be imported (ImportError: libc is too old)",
                "try: pip install --force-reinstall numkong",
            ),
        ),
        (
            "onnxruntime",
            "",
            "1.2.3",
            ("broken", "1.2.3, expected >=1.22", "get another with: pip install 'onnxruntime>=1.22'"),
        ),
    ],
)
def test_a_package_that_does_not_work_is_told_with_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    code: str,
    found_version: str,
    finding: tuple[str, str, str],
) -> None:
    put(tmp_path, name, code, found_version)
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = apart(name)
    assert (found.part, found.state, found.found, found.remedy) == (name, *finding)
