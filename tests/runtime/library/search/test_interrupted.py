"""Ctrl-C in the middle of a search leaves nothing behind that a later search would fall over."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from nestling import Document, Encoder, Library

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no timer signals")


def test_searches_that_were_interrupted_anywhere_leave_the_next_one_whole(tmp_path: Path, encoder: Encoder) -> None:
    library = Library(tmp_path / "a.nest", encoder=encoder)
    library.add([Document(str(n), f"owls hunt at night, number {n} " * 20) for n in range(40)], width="static")
    begin = time.perf_counter()
    expected = library.search("owls at night", k=40, mode="lexical", where={"none": ("exists", False)})
    longest = time.perf_counter() - begin
    moments, interrupted = random.Random(0), 0
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for _ in range(150):
            try:
                signal.setitimer(signal.ITIMER_REAL, moments.uniform(1e-5, longest))
                library.search("owls at night", k=40, mode="lexical", where={"none": ("exists", False)})
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
            assert library.search("owls at night", k=40, mode="lexical") == expected
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        library.close()
    assert interrupted > 30
