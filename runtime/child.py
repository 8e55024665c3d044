"""Another Python process that runs a module of this package, and nothing of the current folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .errors import NestlingError

# On Windows a program without a console would have one flash up for each process that it starts.
FLAGS: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)

_PACKAGE = __name__.rpartition(".")[0]  # `nestling`, or where another program carries it
_NAME = "nestling"  # what it is called in the other process
_PYTHON = re.compile(r"(python|pypy|graalpy)w?[\d.]*t?([-_]?d(bg)?)?(\.exe)?", re.IGNORECASE)


def python() -> str | None:
    """A Python of this process's version, in which its packages can be imported; None where there is none.

    `sys.executable` is another program where that has Python within it, and empty or None where that does not say so.
    A program that was frozen has its packages within itself.
    """
    if getattr(sys, "frozen", False):
        return None
    return next(
        (path for path in _candidates() if _PYTHON.fullmatch(Path(path).name) and os.access(path, os.X_OK)), None
    )


def _candidates() -> Iterator[str]:
    yield from (path for path in (sys.executable, getattr(sys, "_base_executable", None)) if path)
    name = "python.exe" if sys.platform == "win32" else f"bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    yield from (str(Path(prefix, name)) for prefix in (sys.exec_prefix, sys.base_exec_prefix))


def command(module: str, *arguments: str) -> list[str]:
    """The command that calls `main` of a module, with what this process imports from and no more.

    `python -m` and `python -c` import from the current folder first, and so would run a `json.py` that lies there. The
    current folder is none that the process imports from, but where this package lies in it; then it is the last.

    Args:
        module: its full name, in this package.
        arguments: what `main` finds in `sys.argv`, behind the first.

    Raises:
        NestlingError: there is no Python that could run it.
    """
    program = python()
    if program is None:
        raise NestlingError("there is no Python beside this program that could run a process of Nestling; install one")
    file = Path(getattr(sys.modules[_PACKAGE], "__file__", None) or "")
    own = file.parent.parent
    given = [path for path in sys.path if isinstance(path, str) and Path(path).is_absolute()]
    paths = [path for path in given if not _is_current(path)]
    paths += [path for path in given if _is_current(path) and _is_same(path, own)]
    lines = [f"import sys; sys.path[:] = {paths!r}"]
    if file.is_file():  # by its place: what carries it need not be imported, nor be found by its name
        lines += [
            "import importlib.util as util",
            f"spec = util.spec_from_file_location({_NAME!r}, {str(file)!r},"
            f" submodule_search_locations={[str(folder) for folder in sys.modules[_PACKAGE].__path__]!r})",
            f"sys.modules[{_NAME!r}] = package = util.module_from_spec(spec)",
            "spec.loader.exec_module(package)",
        ]
        module = _NAME + module[len(_PACKAGE) :]
    return [program, "-c", "\n".join([*lines, f"from {module} import main", "main()"]), *arguments]


def _is_current(folder: str) -> bool:
    return _is_same(folder, Path())


def _is_same(folder: str, other: Path) -> bool:
    try:
        return Path(folder).samefile(other)
    except OSError:  # one of the two is gone
        return False
