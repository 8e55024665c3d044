"""A library of real text, and `nestling serve` over it as a process of its own."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from nestling import Library

from ..library.large import documents
from ..machine import ROOT


@dataclass(frozen=True)
class Served:
    """A service that runs.

    Attributes:
        address: as it was printed, with the token.
        pid: of its process.
        started_s: seconds from the command to the printed address.
    """

    address: str
    pid: int
    started_s: float

    @property
    def base(self) -> str:
        """The address without path and token."""
        return self.address.partition("/?")[0]

    @property
    def token(self) -> str:
        """What programs send as their bearer."""
        return parse_qs(urlsplit(self.address).query)["token"][0]

    @property
    def resident_mb(self) -> float:
        """The resident set of its process, in MB. Linux only."""
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines())
        return int(lines["VmRSS"].split()[0]) / 1024


def given(description: str | None, output: str) -> argparse.Namespace:
    """What a measurement is asked with: `texts`, `work` and `output`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "tests/bench/results" / output)
    return parser.parse_args()


def library_of(texts: Path, path: Path, count: int) -> Path:
    """A library of so many documents of public text, made once; encoded at width `static`, which searches as the
    others do."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with Library(path, document_width="static") as library:
            library.add(islice(documents(texts), count))
    return path


@contextmanager
def serving(*arguments: object) -> Iterator[Served]:
    """`nestling serve` with these arguments until the end of the block."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "nestling.cli", "serve", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            raise SystemExit("the service did not start")
        yield Served(address, process.pid, time.perf_counter() - begin)
    finally:
        process.terminate()
        process.wait(timeout=60)
