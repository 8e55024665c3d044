from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nestling import Encoder, Library
from nestling.document import Report
from nestling.library.watching import matters, watch

SECONDS = 30.0


def soon(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def watched(library: Library, waiting: Callable[[], bool] = lambda: False) -> Iterator[list[Report]]:
    """A library that is kept in step meanwhile; what each sync did."""
    stop, reports = threading.Event(), list[Report]()
    thread = threading.Thread(target=watch, args=(library, stop, reports.append), kwargs={"waiting": waiting})
    thread.start()
    try:
        yield reports
    finally:
        stop.set()
        thread.join(SECONDS)
        assert not thread.is_alive()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "owls.txt").write_text("Owls hunt at night.")
    return tmp_path / "docs"


@pytest.fixture
def library(folder: Path, encoder: Encoder) -> Iterator[Library]:
    # In the folder that it follows: its own writing is no change of it.
    with Library(folder / "notes.nest", encoder=encoder) as opened:
        opened.sync(folder)
        yield opened


def test_what_changes_is_taken_in(library: Library, folder: Path) -> None:
    with watched(library) as reports:
        soon(lambda: len(reports) == 1)  # what changed before
        (folder / "bees.txt").write_text("Bees dance.")
        soon(lambda: str(folder / "bees.txt") in library)
        (folder / "bees.txt").write_text("Bees dance in the hive.")
        soon(lambda: any(report.changed for report in reports))
        (folder / "bees.txt").unlink()
        soon(lambda: str(folder / "bees.txt") not in library)
        time.sleep(2)  # what the system tells of it late
        count = len(reports)
        time.sleep(4)
        assert len(reports) == count


def test_while_it_waits_nothing_is_taken_in(library: Library, folder: Path) -> None:
    waits = threading.Event()
    with watched(library, waits.is_set) as reports:
        soon(lambda: len(reports) == 1)
        waits.set()
        (folder / "bees.txt").write_text("Bees dance.")
        time.sleep(3)
        assert str(folder / "bees.txt") not in library
        waits.clear()
        soon(lambda: str(folder / "bees.txt") in library)


def test_folders_that_are_added_or_come_back_are_watched(library: Library, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "moths.txt").write_text("Moths fly to light.")
    with watched(library) as reports:
        soon(lambda: len(reports) == 1)
        library.sync(tmp_path / "more")
        (tmp_path / "more" / "rent.txt").write_text("The rent was late.")
        soon(lambda: str(tmp_path / "more" / "rent.txt") in library)
        shutil.move(tmp_path / "more", tmp_path / "unplugged")
        time.sleep(3)
        assert str(tmp_path / "more" / "rent.txt") in library
        shutil.move(tmp_path / "unplugged", tmp_path / "more")
        (tmp_path / "more" / "new.txt").write_text("Something new.")
        soon(lambda: str(tmp_path / "more" / "new.txt") in library)


def test_libraries_beside_each_other_do_not_wake_each_other(library: Library, folder: Path, encoder: Encoder) -> None:
    (folder.parent / "linked").symlink_to(folder)
    with Library(folder.parent / "linked" / "other.nest", encoder=encoder) as other:
        other.sync(folder)
        with watched(library) as one, watched(other) as two:
            soon(lambda: len(one) == len(two) == 1)
            (folder / "bees.txt").write_text("Bees dance.")
            soon(lambda: str(folder / "bees.txt") in library and str(folder / "bees.txt") in other)
            time.sleep(4)
            assert len(one) == len(two) == 2


def test_a_file_that_is_saved_by_putting_another_in_its_place_is_followed(library: Library, folder: Path) -> None:
    single = folder.parent / "single.txt"
    single.write_text("first")
    library.sync(single)
    with watched(library) as reports:
        soon(lambda: len(reports) == 1)
        for number in range(3):
            (folder.parent / "new").write_text(f"version {number}")
            (folder.parent / "new").replace(single)
            soon(lambda number=number: library.get(str(single)).text == f"version {number}")  # type: ignore[misc]


def test_hidden_files_and_libraries_matter_not() -> None:
    followed = ["/home/a/docs", "/home/a/.notes"]
    for path in ("/home/a/docs/b.txt", "/home/a/docs", "/home/a/.notes/c.txt", "/home/a/docs/.nestlingignore"):
        assert matters(path, followed)
    for path in ("/home/a/docs/.git/index", "/home/a/docs/a.nest", "/home/a/docs/a.nest-wal", "/home/a/docs/x/.b.txt"):
        assert not matters(path, followed)
