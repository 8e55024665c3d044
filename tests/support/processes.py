"""Processes that tests start: they may open no socket either."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

GUARD = Path(__file__).parent / "guard"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def guarded_environment() -> dict[str, str]:
    """An environment in which opening a socket is an error."""
    inherited = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(GUARD), *inherited])}


def nestling(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line: nestling("search", library, "a question")."""
    command = [sys.executable, "-m", "nestling.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=guarded_environment())
