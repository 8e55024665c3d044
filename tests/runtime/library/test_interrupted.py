"""Ctrl-C while a library is changed leaves nothing behind that a later change would wait for or fall over."""

from __future__ import annotations

import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import nestling.forked
from interrupts import interrupted
from nestling import Document, Encoder, Library, Report

OTTER = Document("otter", "The otter dives for a fish.")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no timer signals")
def test_a_change_that_was_interrupted_as_it_waited_for_another_process_leaves_the_next_one_whole(
    library: Library, encoder: Encoder
) -> None:
    other = sqlite3.connect(library.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    done = threading.Timer(0.5, lambda: other.execute("ROLLBACK"))
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        done.start()
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            library.remove(["owl"])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        done.join()
        other.close()
    assert library.add([OTTER]) == Report(added=1)
    with Library(library.path, encoder=encoder) as again:
        assert again.remove(["otter"]) == Report(removed=1)


def test_a_change_that_was_interrupted_anywhere_at_a_lock_leaves_it_to_other_threads(library: Library) -> None:
    at, whole = 0, False
    while not whole:
        left = at

        def trace(frame: FrameType, event: str, value: object) -> Any:
            nonlocal left
            if frame.f_code.co_filename != nestling.forked.__file__:
                return None
            if event == "return":
                left -= 1
                if left < 0:
                    sys.settrace(None)
                    raise KeyboardInterrupt
            return trace

        try:
            sys.settrace(trace)
            library.add([OTTER])
            whole = True
        except KeyboardInterrupt:
            at += 1
        finally:
            sys.settrace(None)
        other = threading.Thread(target=library.remove, args=([],), daemon=True)
        other.start()
        other.join(5)
        assert not other.is_alive()
    assert at > 2


def test_removing_does_not_wait_for_who_reads_a_long_time(library: Library) -> None:
    reader = sqlite3.connect(library.path, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM documents").fetchone() == (3,)
    begin = time.monotonic()
    assert library.remove(["owl"]) == Report(removed=1)
    assert time.monotonic() - begin < 5
    reader.close()
    library.add([OTTER])
    assert not Path(f"{library.path}-wal").read_bytes()
    assert b"Owls" not in Path(library.path).read_bytes()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no timer signals")
def test_a_check_that_is_interrupted_is_ended_and_finds_no_damage(library: Library) -> None:
    library.add(
        [Document(str(n), f"Der Zug fährt über die Brücke, C++ {n}. " * 20) for n in range(200)], width="static"
    )
    begin = time.perf_counter()
    assert library.problems() == []
    longest = time.perf_counter() - begin

    def check() -> None:
        assert library.problems() == []

    assert sum(interrupted(check, longest, times=40)) > 10
    assert library.problems() == []
