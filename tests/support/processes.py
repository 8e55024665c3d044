"""Processes that tests start: they may open no socket either."""

from __future__ import annotations

import os
import signal
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
    return subprocess.run(_command(arguments), capture_output=True, text=True, check=False, env=guarded_environment())


def started(*arguments: object) -> subprocess.Popen[str]:
    """The command line at work, to be stopped with Ctrl-C; what it says on stderr can be read."""
    return subprocess.Popen(
        _command(arguments), stderr=subprocess.PIPE, text=True, env=guarded_environment(), preexec_fn=heed_ctrl_c
    )


def heed_ctrl_c() -> None:
    """For `preexec_fn`: what a shell starts in the background ignores Ctrl-C, and what that starts inherits it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def fails(result: subprocess.CompletedProcess[str], message: str) -> None:
    """Exit code 1, nothing on stdout, and one line on stderr that holds the message."""
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line


def _command(arguments: tuple[object, ...]) -> list[str]:
    return [sys.executable, "-m", "nestling.cli", *map(str, arguments)]
