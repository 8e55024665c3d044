"""Ctrl-C in the middle of a search leaves nothing behind that a later search would fall over."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from interrupts import interrupted
from nestling import Document, Encoder, Library

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no timer signals")


def test_searches_that_were_interrupted_anywhere_leave_the_next_one_whole(tmp_path: Path, encoder: Encoder) -> None:
    library = Library(tmp_path / "a.nest", encoder=encoder)
    library.add([Document(str(n), f"owls hunt at night, number {n} " * 20) for n in range(40)], width="static")
    begin = time.perf_counter()
    expected = library.search("owls at night", k=40, mode="lexical", where={"none": ("exists", False)})
    longest = time.perf_counter() - begin
    count = 0

    def search() -> None:
        library.search("owls at night", k=40, mode="lexical", where={"none": ("exists", False)})

    for was in interrupted(search, longest, times=150):
        count += was
        assert library.search("owls at night", k=40, mode="lexical") == expected
    library.close()
    assert count > 30
