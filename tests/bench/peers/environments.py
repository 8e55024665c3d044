"""An environment for each peer, made once, and what its processes say."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import venv
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..machine import ROOT, installed_bytes
from .adapters import peer

# What is in it are packages without __init__, which hide no package of an environment.
TESTS = Path(__file__).parents[2]
INSTALL_S = 1800

Json = dict[str, Any]
Say = Callable[[str], None]


def made(name: str, folder: Path) -> Json:
    """Make the environment of a peer in a folder where it is not there yet; how long pip took, and what it weighs.

    A peer that cannot be installed has pip's last words under `error`, and is tried again the next time.
    """
    said = folder / "made.json"
    if said.exists():
        known: Json = json.loads(said.read_text())
        return known
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as copy:
        wanted = [_committed(Path(copy)) if one == "." else one for one in peer(name).install]
        command = [str(python(folder)), "-m", "pip", "install", "--quiet", *wanted]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        except subprocess.TimeoutExpired:
            return {"error": f"pip took longer than {INSTALL_S} s"}
    result: Json = {"install_s": time.perf_counter() - begin, "bytes": installed_bytes(_packages(folder))}
    if done.returncode:
        return {**result, "error": (done.stderr.strip().splitlines() or ["pip failed"])[-1][:300]}
    keep(said, result)
    return result


def keep(path: Path, result: Json) -> None:
    """Write a result so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(result))
    unfinished.replace(path)


def _committed(folder: Path) -> str:
    """A copy of this repository as it was committed, so that nothing is built in it."""
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), str(folder / "nestling")], check=True)
    return str(folder / "nestling")


def python(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / "bin" / "python"


def _packages(folder: Path) -> Path:
    (found,) = folder.glob("lib/python*/site-packages")
    return found


def started(environment: Path, home: Path, job: str, name: str, asked: Json, log: Path) -> subprocess.Popen[str]:
    """A process of `peers.work`, whose home is a folder of its own; what it says beside its result is in a log."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "LC_ALL", "TMPDIR")}
    variables = {**kept, "HOME": str(home), "PYTHONPATH": str(TESTS)}
    if job != "hello":
        variables["HF_HUB_OFFLINE"] = "1"  # so that no start waits for a network
    command = [
        str(python(environment)),
        "-m",
        "bench.peers.work",
        job,
        name,
        json.dumps({**asked, "began": time.time()}),
    ]
    with log.open("w") as errors:
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=home, env=variables, start_new_session=True
        )


def result_of(process: subprocess.Popen[str], log: Path, limit_s: float) -> Json:
    """What a process printed last; where it printed nothing or takes longer, an error."""
    try:
        out, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        kill(process)
        process.communicate()
        return {"error": f"took longer than {limit_s:.0f} s"}
    except BaseException:
        kill(process)
        process.wait()
        raise
    lines = out.strip().splitlines()
    if process.returncode or not lines:
        name = signal.Signals(-process.returncode).name if process.returncode < 0 else f"exit {process.returncode}"
        last = (log.read_text(errors="replace").strip().splitlines() or [""])[-1]
        return {"error": f"ended by {name}: {last}"[:300]}
    if not _is_json(lines[-1]):
        return {"error": f"said {lines[-1][:200]!r} in place of a result"}
    result: Json = json.loads(lines[-1])
    return result


def killed_behind(process: subprocess.Popen[str], count: int, share: float, limit_s: float) -> tuple[list[Any], bool]:
    """What a process printed in JSON until it was killed, and whether there was something to kill.

    It is killed when there are so many lines and a share of the time between two of them has gone, or at the limit.
    """
    assert process.stdout is not None
    timer = threading.Timer(limit_s, kill, [process])
    timer.start()
    said: list[str] = []
    times: list[float] = []
    try:
        while len(times) < count and (line := process.stdout.readline()):
            said.append(line)
            times += [time.perf_counter()] * _is_json(line)
        if len(times) > 1:
            time.sleep(share * (times[-1] - times[0]) / (len(times) - 1))
        # Where there are fewer lines its output has ended, and the process with it, if not yet in the system's books.
        alive = len(times) == count and process.poll() is None
    finally:
        timer.cancel()
        kill(process)
    rest, _ = process.communicate()
    # A last line that was cut off in the middle acknowledges nothing.
    said += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    return [json.loads(line) for line in said if _is_json(line)], alive


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
