"""Nestling inside other programs: what it starts as another process, whoever has it in them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nestling
from nestling import child
from nestling.errors import NestlingError
from processes import guarded_environment

PACKAGE = Path(str(nestling.__file__)).parent


def run(code: str, *arguments: str, cwd: Path | None = None) -> str:
    """What a program prints that runs in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=guarded_environment(), cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


READ = """
from {name} import Library
with Library(sys.argv[1], document_width="static") as library:
    report = library.sync(sys.argv[2])
    print(report.added, *report.skipped)
"""


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.html").write_text("<p>owls</p>")
    return docs


@pytest.mark.parametrize(
    "head",
    [
        "",
        "sys.executable = None",
        "sys.executable = ''",
        "sys.executable = '/usr/bin/true'",
        "sys.executable = '/nowhere/python3'",
        "sys.executable = None; sys._base_executable = None",
        "sys.frozen = True",
        "sys.executable = sys._base_executable = None; sys.exec_prefix = sys.base_exec_prefix = '/nowhere'",
    ],
)
def test_files_are_read_whatever_program_python_is_in(tmp_path: Path, docs: Path, head: str) -> None:
    code = f"import sys\n{head}\n{READ.format(name='nestling')}"
    assert run(code, str(tmp_path / "a.nest"), str(docs)).strip() == "1"


def test_a_package_that_is_carried_by_another_reads_and_does_not_run_that_one(tmp_path: Path, docs: Path) -> None:
    vendor = tmp_path / "lib" / "myapp" / "_vendor"
    vendor.mkdir(parents=True)
    (tmp_path / "lib/myapp/__init__.py").write_text("import os\nos.write(2, b'ran ')\n")
    (vendor / "__init__.py").touch()
    (vendor / "nestling").symlink_to(PACKAGE, target_is_directory=True)
    models = Path(str(nestling.bundle.manifest.default_bundle()))
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'lib')!r}); import os; os.environ['SEEN'] = ''\n"
        f"from myapp._vendor.nestling import Encoder\nencoder = Encoder({str(models)!r}, width='static')\n"
        "from myapp._vendor.nestling import Library\n"
        "with Library(sys.argv[1], encoder=encoder) as library:\n"
        "    report = library.sync(sys.argv[2])\n    print(report.added, *report.skipped)\n"
        "print('nestling' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.nest"), str(docs)]
    done = subprocess.run(command, capture_output=True, text=True, env=guarded_environment())
    assert done.stdout.split() == ["1", "False"], done.stderr
    assert done.stderr.count("ran") == 1


def test_nothing_of_the_current_folder_is_run(tmp_path: Path, docs: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for name in ("json", "queue", "html", "lxml", "importlib", "nestling", "nothing_that_is_installed"):
        (here / f"{name}.py").write_text(f"open({str(here / 'ran')!r}, 'w')\n")
    code = "import sys; sys.path[:] = [path for path in sys.path if path]" + READ.format(name="nestling")
    assert run(code, str(tmp_path / "a.nest"), str(docs), cwd=here).strip() == "1"
    code = (
        "import sys; sys.path[:] = [path for path in sys.path if path]\n"
        "from nestling.child import command; sys.path.append(sys.argv[1])\n"
        "print(sys.argv[1] in command('nestling.readers.sandbox_child')[2])"
    )
    assert run(code, str(here), cwd=here).strip() == "False"
    assert run(code, str(here), cwd=tmp_path).strip() == "True"
    assert not (here / "ran").exists()


def test_without_a_python_it_is_said_that_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert child.python() is None
    with pytest.raises(NestlingError) as caught:
        child.command("nestling.readers.sandbox_child")
    assert str(caught.value) == (
        "there is no Python beside this program that could run a process of Nestling; install one"
    )


@pytest.mark.parametrize(
    ("name", "is_python"),
    [
        ("python", True), ("python3", True), ("python3.11", True), ("python3.13t", True), ("pypy3.10", True),
        ("Python", True), ("pythonw.exe", True), ("python_d.exe", True), ("python3-dbg", True),
        ("uwsgi", False), ("blender", False), ("true", False), ("pythonista", False), ("ipython-app", False),
    ],
)  # fmt: skip
def test_a_python_is_told_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_python: bool
) -> None:
    program = tmp_path / name
    program.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(program))
    assert (child.python() == str(program)) == is_python


def test_no_console_flashes_on_windows() -> None:
    assert (0x08000000 if os.name == "nt" else 0) == child.FLAGS
