"""Refining that is killed, and refining beside other processes: the library is sound, and the next call goes on."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nestling import Library
from nestling.bundle.manifest import Bundle
from processes import guarded_environment
from stored import passage_keys, told

CHILD = """
import sys
from nestling import Encoder, Library
from nestling.bundle.manifest import read_bundle
encoder = Encoder(read_bundle(sys.argv[2]), threads=1)
with Library(sys.argv[1], encoder=encoder) as library:
    print("ready", flush=True)
    while library.unrefined or sys.argv[3] == "on":
        report = library.refine(progress=lambda done, total: print(done, flush=True))
        if sys.argv[3] != "on":
            break
print("done", flush=True)
"""
QUERIES = ("owls hunt at night", "wash hands with cold water")
MODES = ("hybrid", "dense", "lexical")


@contextmanager
def refining(path: Path, family: Bundle, how: str = "once") -> Iterator[subprocess.Popen[str]]:
    """A process that refines, and says how many passages are done."""
    command = [sys.executable, "-c", CHILD, str(path), str(family.folder), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=guarded_environment()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def test_whatever_kills_it_the_library_is_sound_and_the_next_goes_on(
    tmp_path: Path, family: Bundle, kills: int
) -> None:
    seeded = random.Random(5)
    documents = [told(number, words=seeded.choice((10, 40, 200))) for number in range(400)]
    with Library(tmp_path / "a.nest", encoder=family) as library:
        library.add(documents, width="static")
        keys = passage_keys(library.path)
        left = len(keys)
    half_way = 0
    for version in range(1, kills // 2 + 1):
        with refining(tmp_path / "a.nest", family) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(seeded.randint(0, 2))]
            time.sleep(seeded.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
            said += process.stdout.readlines()
        done = [int(line) for line in said if line.strip().isdigit()]
        with Library(tmp_path / "a.nest", encoder=family) as library:
            now = sum(library.unrefined.values())
            assert now <= left - max(done, default=0)  # what it said is there
            assert library.problems(full=True) == []
            assert passage_keys(library.path) == keys
            half_way += 0 < now < left
            left = now
            library.search("owls")
            if not left:
                changed = [told(number, version=version) for number in range(40)]
                library.add(changed, width="static")
                keys, left = passage_keys(library.path), sum(library.unrefined.values())
                documents = [one for one in documents if one.id not in {other.id for other in changed}] + changed
    assert half_way > 0
    with (
        Library(tmp_path / "a.nest", encoder=family) as library,
        Library(tmp_path / "whole.nest", encoder=family) as whole,
    ):
        library.refine()
        whole.add(documents)
        for query in QUERIES:
            for mode in MODES:
                assert library.search(query, k=500, mode=mode) == whole.search(query, k=500, mode=mode)  # type: ignore[arg-type]


def test_one_process_refines_while_another_adds_removes_and_searches(tmp_path: Path, family: Bundle) -> None:
    seeded = random.Random(6)
    with (
        Library(tmp_path / "a.nest", encoder=family) as library,
        Library(tmp_path / "whole.nest", encoder=family) as whole,
    ):
        with refining(tmp_path / "a.nest", family, "on"):
            for step in range(15):
                documents = [told(seeded.randrange(60), 40, step)] + [told(100 + 10 * step + one) for one in range(10)]
                library.add(documents, width=seeded.choice(("static", "s")))
                whole.add(documents)
                if step % 3 == 2:
                    for one in (library, whole):
                        one.remove([f"d{100 + 10 * step}"])
                with Library(tmp_path / "a.nest", encoder=family) as fresh:
                    assert {hit.id for hit in library.search("owls", k=999)} == {
                        hit.id for hit in fresh.search("owls", k=999)
                    }
            end = time.monotonic() + 60
            while library.unrefined and time.monotonic() < end:
                library.search("owls")
                time.sleep(0.02)
        assert library.unrefined == {}
        assert library.problems(full=True) == []
        for query in QUERIES:
            for mode in MODES:
                assert library.search(query, k=500, mode=mode) == whole.search(query, k=500, mode=mode)  # type: ignore[arg-type]
