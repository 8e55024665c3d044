"""The program that a `Sandbox` runs: reads the files that standard input names, in little memory."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from ..document import Skip
from . import read_here
from .sandbox import DONE, READY

MEMORY_BYTES = 400 << 20


def main() -> None:
    """Answer until standard input ends."""
    _limit_memory()
    answers, sys.stdout = sys.stdout, sys.stderr  # what a parser prints is no answer
    print(json.dumps(READY), file=answers, flush=True)
    for line in sys.stdin:
        for item in read_here(Path(json.loads(line))):
            answer = {"skip": item.to_json()} if isinstance(item, Skip) else {"document": asdict(item)}
            print(json.dumps(answer), file=answers, flush=True)
        print(json.dumps(DONE), file=answers, flush=True)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows, where the limit of time alone holds
        return
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
