"""A user who may only read a library's file sees what its owner adds, and never an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nestling import Document, Encoder, Library
from processes import guarded_environment

READER = """
import json, os, sys
import nestling.library.library
from nestling import Encoder, Library
encoder = Encoder(width="static")
encoder.encode(["owls"], role="query")
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
library = None
for line in sys.stdin:
    try:
        library = library or Library(line.strip(), encoder=encoder, create=False)
        print(json.dumps([len(library), *sorted(hit.id for hit in library.search("owls", k=1000))]), flush=True)
    except Exception as error:
        print(json.dumps(repr(error)), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="only root can become another user")
def test_another_user_follows_the_owner_and_meets_no_error() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own may not be entered by another user
        Path(folder).chmod(0o755)
        _follow(Path(folder, "a.nest"))


def _follow(path: Path) -> None:
    encoder = Encoder(width="static")

    def documents(first: int, last: int) -> list[Document]:
        words = {n: " ".join(str(n * m * 7919 % 9973) for m in range(60)) for n in range(first, last)}
        return [Document(str(n), f"owls {n} {rest}") for n, rest in words.items()]

    with Library(path, encoder=encoder) as library:
        library.add(documents(0, 300))
    process = subprocess.Popen(
        [sys.executable, "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=guarded_environment(), cwd="/",
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None

    def asked() -> list[object]:
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        found: list[object] = json.loads(process.stdout.readline())
        return found

    def expected(count: int) -> list[object]:
        return [count, *sorted(str(n) for n in range(count))]

    assert asked() == expected(300)
    for first in range(300, 600, 100):  # the owner opens, adds and closes, so that the log comes and goes
        with Library(path, encoder=encoder) as library:
            library.add(documents(first, first + 50))
            assert asked() == expected(first + 50)
            library.add(documents(first + 50, first + 100))
            assert asked() == expected(first + 100)
        assert asked() == expected(first + 100)
    process.stdin.close()
    assert process.wait() == 0
