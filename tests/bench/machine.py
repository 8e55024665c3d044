"""What every result file says of where it comes from."""

from __future__ import annotations

import json
import platform
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def described(command: str, threads: int) -> dict[str, Any]:
    """Commit, machine and command of a run."""
    return {
        "command": command,
        "commit": commit(),
        "machine": f"{_processor()}, {threads} threads, Python {platform.python_version()}",
        "versions": {name: version(name) for name in ("nestling", "numpy", "onnxruntime", "numkong", "tokenizers")},
    }


def finished(path: Path, result: dict[str, Any]) -> None:
    """Write a result file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")


def timed(work: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def resident_mb(kind: str) -> float:
    """VmRSS, the resident set of this process, or VmHWM, its peak, in MB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[kind].split()[0]) / 1024


def tree_bytes(*paths: Path) -> int:
    """Bytes of files, and of all files in folders."""
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink())


def installed_bytes(packages: Path) -> int:
    """Bytes of everything in a site-packages folder but pip and setuptools themselves."""
    own = ("pip", "setuptools", "_distutils_hack", "pkg_resources")
    return tree_bytes(*(part for part in packages.iterdir() if not part.name.startswith(own)))


def commit() -> str:
    """The commit that is checked out, short."""
    return _git("rev-parse", "--short", "HEAD")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor() or platform.machine()
    lines = cpuinfo.read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    return f"{model} ({'AVX-512 VNNI' if 'avx512_vnni' in flags else 'AVX2' if 'avx2' in flags else 'no AVX2'})"
