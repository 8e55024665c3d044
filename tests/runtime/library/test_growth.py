"""How work grows with a library: what one change or one search asks of the file does not depend on what is in it."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nestling import Document, Encoder, Library
from nestling.library.intake.intake import taking_in
from nestling.library.search import bit_cache, ranking
from nestling.library.search.query import question
from nestling.library.store import passage_codes, passages
from nestling.library.store.database import Database
from nestling.library.store.passage_codes import Codes

SMALL, LARGE = 50, 1000


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(width="static")


def text(number: int) -> str:
    return f"Owls hunt at night, number {number}, and mice hide. " * 2


def filled(path: Path, encoder: Encoder, count: int) -> Database:
    with Library(path, encoder=encoder) as library:
        library.add([Document(str(number), text(number), source=f"/{number}.txt") for number in range(count)])
    return Database(path, create=False)


def add_one(db: Database, encoder: Encoder) -> None:
    with taking_in(db, lambda: encoder, lambda: None) as intake:
        intake.add(Document("new", text(-1)))
        intake.flush()


def replace_one(db: Database, encoder: Encoder) -> None:
    with taking_in(db, lambda: encoder, lambda: None) as intake:
        intake.add(Document("7", text(-1)))
        intake.flush()


def recode_one(db: Database, encoder: Encoder) -> None:
    (one,) = passage_codes.stale(db, "other", 2**62, 1)
    with db.writing():
        assert passage_codes.recode(db, one, Codes(bytes(48), bytes(388), "other"))


def search(db: Database, encoder: Encoder) -> None:
    asked = question("owls at night", 10, "hybrid", {"none": ("exists", False)}, "document", False, lambda: encoder)
    with db.reading():
        ranking.rank(db, bit_cache.current(db, encoder.dim, None), asked)


@pytest.mark.parametrize("work", [add_one, replace_one, recode_one, search])
def test_statements_are_as_many_in_a_library_of_twenty_times_the_size(
    tmp_path: Path, encoder: Encoder, work: Callable[[Database, Encoder], None]
) -> None:
    counts = []
    for size in (SMALL, LARGE):
        asked: list[str] = []
        db = filled(tmp_path / f"{size}.nest", encoder, size)
        db.trace(asked.append)
        work(db, encoder)
        db.trace(None)
        db.close()
        counts.append(len([sql for sql in asked if "incremental_vacuum" not in sql and not sql.startswith("--")]))
    assert 0 < counts[1] <= counts[0] + 5


def test_statements_grow_with_what_is_added_and_no_faster(tmp_path: Path, encoder: Encoder) -> None:
    counts = []
    for size in (SMALL, 4 * SMALL):
        asked: list[str] = []
        db = Database(tmp_path / f"{size}.nest", create=True)
        db.trace(asked.append)
        with taking_in(db, lambda: encoder, lambda: None) as intake:
            for number in range(size):
                intake.add(Document(str(number), text(number)))
            intake.flush()
        db.trace(None)
        db.close()
        counts.append(len([sql for sql in asked if not sql.startswith("--")]))
    assert counts[0] < counts[1] <= 4.2 * counts[0]


def rows(order: list[int], name: str) -> list[Document]:
    return [Document(f"{name} {place}", text(number), source=f"/{name}") for place, number in enumerate(order)]


def test_what_moved_between_documents_is_looked_up_and_not_encoded(tmp_path: Path, encoder: Encoder) -> None:
    counts = []
    for size in (SMALL, 4 * SMALL):
        asked: list[str] = []
        with Library(tmp_path / f"{size}.nest", encoder=encoder) as library:
            library.add(rows(list(range(size)), "old"))
        db = Database(tmp_path / f"{size}.nest", create=False)
        db.trace(asked.append)
        with taking_in(db, lambda: encoder, lambda: None) as intake:
            for document in rows(list(range(size))[::-1], "new"):
                intake.add(document)
            intake.flush()
        assert intake.passages == 0
        db.trace(None)
        db.close()
        counts.append(len([sql for sql in asked if not sql.startswith("--")]))
    assert counts[0] < counts[1] <= 4.2 * counts[0]


def long_text(count: int) -> str:
    return "\n".join(f"# Part {number}\n\n{text(number) * 8}" for number in range(count))


def test_a_passage_of_a_long_document_is_read_without_the_rest(tmp_path: Path, encoder: Encoder) -> None:
    sizes = []
    for count in (200, 1600):
        with Library(tmp_path / f"{count}.nest", encoder=encoder) as library:
            library.add([Document("long", long_text(count))])
            hit = library.search(f"number {count - 2}", k=1, mode="lexical")[0]
            assert (hit.place, hit.text in long_text(count)) == (f"Part {count - 2}", True)
            assert library.get("long") == Document("long", long_text(count))
        db = Database(tmp_path / f"{count}.nest", create=False)
        with db.reading():
            (key,) = passages.keys(db)[-1:]
            tracemalloc.start()
            passages.shown(db, np.array([key]))
            sizes.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        db.close()
    assert sizes[1] < 1.5 * sizes[0] < 1 << 20


def test_a_dump_takes_time_in_proportion(tmp_path: Path, encoder: Encoder) -> None:
    seconds = []
    for count in (400, 3200):
        with Library(tmp_path / f"{count}.nest", encoder=encoder) as library:
            library.add([Document("long", long_text(count))])
            begin = time.process_time()
            written = library.dump(tmp_path / f"{count}.jsonl")
            seconds.append(time.process_time() - begin)
            assert written == library.info().passages
    assert seconds[1] < 20 * seconds[0]  # eight times as much; it was sixty times as long


def test_equal_files_take_time_in_proportion(tmp_path: Path, encoder: Encoder) -> None:
    seconds = []
    for count in (250, 2000):
        (tmp_path / f"{count}").mkdir()
        for number in range(count):
            (tmp_path / f"{count}" / f"copy{number:04}.txt").write_text(text(0))
        with Library(tmp_path / f"{count}.nest", encoder=encoder) as library:
            begin = time.process_time()
            assert library.sync(tmp_path / f"{count}").copies == count - 1
            library.forget(tmp_path / f"{count}")
            seconds.append(time.process_time() - begin)
    assert seconds[1] < 16 * seconds[0]  # eight times as many


def test_documents_that_share_a_passage_take_time_in_proportion(tmp_path: Path, encoder: Encoder) -> None:
    seconds = []
    for count in (500, 8000):
        with Library(tmp_path / f"{count}.nest", encoder=encoder) as library:
            begin = time.process_time()
            library.add([Document(str(number), text(0)) for number in range(count)])
            seconds.append(time.process_time() - begin)
    assert seconds[1] < 32 * seconds[0]  # sixteen times as many
