"""All parts of an installation, one after the other; those that could end the process each in one of its own.

That process runs this file's `main`, which prints a line of JSON for each finding.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from .. import child
from ..bundle.installed import bundle_folder
from ..errors import NestlingError
from . import machine, packages, work
from .finding import Finding, Part, tried

SECONDS = 180.0

_AGAIN = "pip install --force-reinstall nestling"


def examine(bundle: str | Path | None = None, *, seconds: float = SECONDS) -> Iterator[Finding]:
    """Try every part, and say of each what was found.

    Args:
        bundle: a bundle's folder, or the name of an installed one; None for the bundle that ships with Nestling.
        seconds: what a part may take.
    """
    folder = None if bundle is None else bundle_folder(bundle)
    yield from tried("python", packages.python, "install Python anew")
    yield from tried("folders", machine.folders, "see whether the drives of this machine work")
    for name in risky(folder):
        yield from apart(name, folder, seconds)
    yield from tried("readers", work.readers, f"try: {_AGAIN}")


def risky(bundle: Path | None) -> dict[str, Part]:
    """Parts with code that is compiled, by their names."""
    return {
        **{name: partial(packages.package, name) for name in (*packages.NEEDED, *packages.OPTIONAL)},
        "processor": machine.processor,
        "bundle": partial(work.bundle, bundle),
        "sqlite": work.sqlite,
        "library": partial(work.library, bundle),
    }


def apart(name: str, bundle: Path | None = None, seconds: float = SECONDS) -> Iterator[Finding]:
    """What is found of a risky part in a process of its own; in this one where there can be no other."""
    if child.python() is None:
        yield from tried(name, risky(bundle)[name], f"try: {_AGAIN}")
        return
    command = child.command(__name__, name, *([] if bundle is None else [str(bundle.absolute())]))
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    said, reason = "", ""
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", env=environment, check=False,
            stdin=subprocess.DEVNULL, timeout=seconds, creationflags=child.FLAGS,
        )  # fmt: skip
        said = done.stdout
        if done.returncode:
            reason = _ended(done.returncode, done.stderr)
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"").decode(errors="replace") if isinstance(error.stdout, bytes) else ""
        reason = f"takes over {seconds:g} s"
    except OSError as error:
        reason = f"its process cannot be started ({error.strerror or error})"
    for line in said.splitlines():
        try:
            yield Finding(**json.loads(line))
        except (ValueError, TypeError):  # a line of a package's own, or one that was cut
            continue
    if reason:
        yield Finding(name, "broken", reason, f"try: {_AGAIN}, and report it where it stays so")


def _ended(code: int, stderr: str) -> str:
    """How a process ended that should have told what it found."""
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "unknown"
        old = "; the processor lacks what it was built for" if name == "SIGILL" else ""
        return f"ends its process by signal {-code} ({name}{old})"
    lines = stderr.strip().splitlines()
    return f"ends its process with exit code {code}{f' ({lines[-1].strip()})' if lines else ''}"


def main() -> None:
    """Try the part that the first argument names."""
    name, *bundle = sys.argv[1:]
    part = risky(Path(bundle[0]) if bundle else None).get(name)
    if part is None:
        raise NestlingError(f"there is no part {name!r}, expected one of {', '.join(risky(None))}")
    answers, sys.stdout = sys.stdout, sys.stderr  # what a package prints is no answer
    for finding in tried(name, part, f"try: {_AGAIN}"):
        print(json.dumps(asdict(finding)), file=answers, flush=True)
