"""Another Python process that runs a module of this package, and nothing of the current folder."""

from __future__ import annotations

import sys
from pathlib import Path


def command(module: str, *arguments: str) -> list[str]:
    """The command that calls `main` of a module, with what this process imports from and no more.

    `python -m` and `python -c` import from the current folder first, and so would run a `json.py` that lies there. A
    folder of this process's path that is the current one comes last: a package next to a program is still found.

    Args:
        module: its full name.
        arguments: what `main` finds in `sys.argv`, behind the first.
    """
    given = [path for path in sys.path if isinstance(path, str) and Path(path).is_absolute()]
    paths = sorted(given, key=_is_current)
    code = f"import sys; sys.path[:] = {paths!r}; from {module} import main; main()"
    return [sys.executable, "-c", code, *arguments]


def _is_current(folder: str) -> bool:
    try:
        return Path(folder).samefile(Path.cwd())
    except OSError:  # one of the two is gone
        return False
