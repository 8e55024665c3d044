"""A process that was forked from one at work: what it has of the other answers, or says in a sentence what to do."""

from __future__ import annotations

import faulthandler
import gc
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from nestling import Document, Encoder, Index, Library
from nestling.forked import OwnLock, Quiet

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
CHILDREN = 4


@contextmanager
def busy(work: Callable[[], object]) -> Iterator[None]:
    """Two threads that do something for as long as the context lasts."""
    stop = threading.Event()

    def go() -> None:
        while not stop.is_set():
            work()

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def answers(ask: Callable[[], Any]) -> list[Any]:
    """What some forked processes answer; of one that hangs, where it does, and nothing of one that dies."""
    context = multiprocessing.get_context("fork")
    found: list[Any] = []
    for _ in range(CHILDREN):
        receive, send = context.Pipe(duplex=False)
        hung = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it outlives the fork

        def child(send: Any = send, hung: Any = hung) -> None:
            faulthandler.dump_traceback_later(15, file=hung)
            # What earlier tests left to be freed may wait there for threads that a forked process has not.
            gc.freeze()
            try:
                send.send(ask())
            except Exception as error:
                send.send(f"{type(error).__name__}: {error}")

        process = context.Process(target=child)
        process.start()
        answered = receive.poll(20)
        found.append(receive.recv() if answered else None)
        process.join(10)
        if process.is_alive() or not answered:
            process.kill()
            hung.seek(0)
            found[-1] = hung.read()
        process.join()
        hung.close()
    return found


@pytest.mark.parametrize("width", ["static", "s"])
def test_an_encoder_works_in_a_forked_process(width: str) -> None:
    texts = ["owls hunt at night", "cool the burn with water " * 20]
    with Encoder(width=width) as encoder:
        expected = encoder.encode(texts, role="document")
        with busy(lambda: encoder.encode(texts, role="document")):
            found = answers(lambda: encoder.encode(texts, role="document"))
            tokens = answers(lambda: encoder.tokens.count(texts[1]))
        assert tokens == [encoder.tokens.count(texts[1])] * CHILDREN
        assert (
            answers(lambda: Encoder(width=width).encode(texts, role="document").tolist())
            == [expected.tolist()] * CHILDREN
        )
    for one in found:
        np.testing.assert_array_equal(one, expected)


def test_an_encoder_that_was_closed_is_closed_in_a_forked_process() -> None:
    encoder = Encoder(width="static")
    encoder.close()
    assert set(answers(lambda: encoder.encode(["a"], role="query"))) == {
        "ValueError: the encoder is closed; make a new one"
    }


@pytest.mark.parametrize("graph", [False, True])
def test_an_index_works_in_a_forked_process(tmp_path: Path, graph: bool) -> None:
    vectors = np.random.default_rng(0).standard_normal((2000, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = Index(dim=64)
    index.add(range(2000), vectors)
    if graph:
        index.build_graph()
    else:
        index.save(tmp_path / "a.index")
        index = Index.open(tmp_path / "a.index")
    with index:
        expected = index.search(vectors[:3], 5).keys.tolist()
        assert index.has_graph == graph
        with busy(lambda: index.search(vectors[:3], 5)):
            assert answers(lambda: index.has_graph) == [False] * CHILDREN
            assert answers(lambda: index.build_graph() or index.has_graph) == [True] * CHILDREN
            assert answers(lambda: index.search(vectors[:3], 5).keys.tolist()) == [expected] * CHILDREN


def test_a_library_says_in_a_forked_process_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.nest"
    with Library(path, document_width="static") as library:
        library.add([Document(str(n), f"owl number {n} at night") for n in range(500)])
        sentence = f"LibraryError: {path}: was opened before this process was forked; open it again here"

        def use() -> None:
            library.search("owl number night", k=100)

        with busy(use):
            for ask in (
                lambda: library.search("owl"),
                lambda: library.search("owl", mode="lexical"),
                lambda: library.add([Document("x", "y")]),
                lambda: len(library),
                lambda: library.encoder,
                lambda: library.info(),
                lambda: library.refine(),
            ):
                assert answers(ask) == [sentence] * CHILDREN
            assert answers(lambda: library.close() or "closed") == ["closed"] * CHILDREN

            def again() -> str:
                with Library(path) as own:
                    return own.search("number 17", mode="lexical", k=1)[0].id

            assert answers(again) == ["17"] * CHILDREN
        assert len(library) == 500
        assert library.problems() == []


def test_a_forked_process_that_ends_later_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.nest"
    library = Library(path, document_width="static")
    library.add([Document("a", "owls hunt")])
    begin = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.read(begin[0], 1)
            del library  # which would close it here, after it was closed and changed elsewhere
            code = 0
        finally:
            os._exit(code)
    library.close()
    with Library(path) as other:
        other.add([Document(str(n), f"hawk {n}") for n in range(300)])
    os.write(begin[1], b"1")
    assert os.waitpid(child, 0)[1] == 0
    for one in begin:
        os.close(one)
    with Library(path) as again:
        assert len(again) == 301
        assert again.problems(full=True) == []


def test_a_lock_is_that_of_its_process() -> None:
    lock = OwnLock(Path("a.nest"))
    with lock.own, lock.own:
        assert lock.is_own
        assert (
            answers(lambda: lock.acquire())
            == ["LibraryError: a.nest: was opened before this process was forked; open it again here"] * CHILDREN
        )
    assert lock.acquire(timeout=1)
    lock.release()


def within(quiet: Quiet) -> None:
    with quiet:
        pass


def test_an_interrupt_anywhere_keeps_no_other_thread_from_work() -> None:
    """Wherever Ctrl-C comes as a function begins or ends, those of Python's own locks among them."""
    at, whole = 0, False
    while not whole:
        quiet, events = Quiet(seconds=0.1), 0

        def trace(frame: FrameType, event: str, _: Any, at: int = at) -> Any:
            nonlocal events
            if Path(frame.f_code.co_filename).name not in ("forked.py", "threading.py"):
                return None
            if event in ("call", "return"):
                events += 1
                if events == at + 1:
                    raise KeyboardInterrupt
            return trace

        try:
            sys.settrace(trace)
            within(quiet)
            whole = True
        except KeyboardInterrupt:
            at += 1
        finally:
            sys.settrace(None)
        other = threading.Thread(target=within, args=(quiet,), daemon=True)
        other.start()
        other.join(5)
        assert not other.is_alive()
    assert at >= 4


def test_an_interrupt_makes_no_later_fork_wait() -> None:
    quiet = Quiet(seconds=3)
    quiet.__enter__()  # as an interrupt leaves it: begun, and never ended
    assert seconds_to_fork() < 1
    taken: list[float] = []
    for _ in range(2):
        other = threading.Thread(target=lambda: taken.append(seconds_to_fork()))
        other.start()
        other.join()
    assert taken[0] >= 3 > 1 > taken[1]


def seconds_to_fork() -> float:
    begin = time.monotonic()
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return time.monotonic() - begin
