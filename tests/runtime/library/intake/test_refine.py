"""Passages of other widths are encoded again, while a library is searched and changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nestling import Document, Encoder, Hit, Library, Report
from nestling.bundle.manifest import Bundle
from nestling.errors import BusyError, LibraryError, NestlingError
from nestling.library.intake import refine
from nestling.library.intake.refine import RefineJob
from nestling.library.store.database import Database
from stored import opened, passage_keys, told

QUERIES = ("owls hunt at night", "wash hands with cold water", "first aid")


def answers(library: Library) -> list[list[Hit]]:
    """What a library answers, in all ways that it can be asked."""
    ways: list[dict[str, Any]] = [
        {"mode": mode, "by": by} for mode in ("hybrid", "dense", "lexical") for by in ("document", "passage")
    ]
    ways += [{"exact": True}, {"where": {"n": ("<", 9)}}, {"where": {"n": 3}, "mode": "dense", "exact": True}]
    return [library.search(query, k=30, **way) for query in QUERIES for way in ways]


def built(path: Path, family: Bundle, documents: list[Document]) -> list[list[Hit]]:
    """The answers of a library of these documents that was built at the document width."""
    with Library(path, encoder=family) as library:
        library.add(documents)
        return answers(library)


def revisions(path: Path) -> list[tuple[str, int]]:
    """Id of the document of each passage that was refined, and when, in that order."""
    with opened(path) as db:
        rows = "SELECT id, revision FROM passages JOIN documents ON documents.key = document WHERE revision > 0"
        return list(db.execute(f"{rows} ORDER BY revision, passages.key DESC"))


def test_a_refined_library_answers_hit_for_hit_as_one_built_so(tmp_path: Path, family: Bundle) -> None:
    documents = [told(number, words=60 if number % 5 else 200) for number in range(40)]
    with Library(tmp_path / "a.nest", encoder=family) as library:
        library.add(documents[:20], width="static")
        library.add(documents[20:30])
        library.add(documents[30:], width="s")
        keys, before = passage_keys(library.path), answers(library)
        stale = sum(library.unrefined.values())
        expected = built(tmp_path / "b.nest", family, documents)
        assert before != expected
        assert library.refine() == Report(refined=stale)
        assert answers(library) == expected
        assert library.unrefined == {}
        assert passage_keys(library.path) == keys
        assert library.problems(full=True) == []
        assert library.refine() == Report()
    with Library(tmp_path / "a.nest", encoder=family) as again:
        assert answers(again) == expected


def test_the_newest_come_first_and_a_limit_is_kept(tmp_path: Path, family: Bundle) -> None:
    told_of: list[tuple[int, int]] = []
    with Library(tmp_path / "a.nest", encoder=family) as library:
        library.add([told(number) for number in range(100)], width="static")
        progress: Callable[[int, int], None] = lambda done, total: told_of.append((done, total))  # noqa: E731
        assert library.refine(limit=40, progress=progress) == Report(refined=40)
        assert told_of == [(32, 40), (40, 40)]
        assert [id for id, _ in revisions(library.path)] == [f"d{number}" for number in range(99, 59, -1)]
        assert library.unrefined == {"static": 60}
        assert library.refine(limit=1000) == Report(refined=60)


def test_a_library_that_is_open_sees_what_another_refined_where_bits_decide_what_is_looked_at(
    tmp_path: Path, family: Bundle
) -> None:
    documents = [told(number) for number in range(1500)]  # more than are rescored
    asked = [told(number, version=7).text for number in range(12)]

    def found(library: Library) -> list[list[Hit]]:
        return [library.search(query, k=20, mode="dense") for query in asked]

    with (
        Library(tmp_path / "a.nest", encoder=family) as library,
        Library(tmp_path / "a.nest", encoder=family) as reader,
        Library(tmp_path / "whole.nest", encoder=family) as whole,
    ):
        library.add(documents, width="static")
        whole.add(documents)
        before = found(reader)
        for limit in (500, None):
            library.refine(limit=limit)
            with Library(tmp_path / "a.nest", encoder=family) as fresh:
                assert found(reader) == found(fresh) != before
        assert found(reader) == found(whole)


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "3"])
def test_a_limit_that_is_none_is_refused(library: Library, limit: Any) -> None:
    with pytest.raises(NestlingError) as caught:
        library.refine(limit=limit)
    assert str(caught.value) == f"limit is {limit!r}, expected a whole number of 1 or more, or None"


def meddling(encoder: Encoder, once: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make something happen the first time that an encoder encodes."""
    encode, left = encoder.encode, [once]

    def encoded(texts: Any, role: Any) -> Any:
        vectors = encode(texts, role)
        if left:
            left.pop()()
        return vectors

    monkeypatch.setattr(encoder, "encode", encoded)


CHANGES: dict[str, Callable[[Library], Any]] = {
    "another text": lambda other: other.add([told(3, version=1)], width="s"),
    "another title": lambda other: other.add([replace(told(3), title="other")], width="s"),
    "another source": lambda other: other.add([replace(told(3), source="/somewhere/note 3.txt")]),
    "removed": lambda other: other.remove(["d3"]),
    "refined": lambda other: other.refine(),
    "more metadata": lambda other: other.add([replace(told(3), metadata={"n": 3, "x": 1})]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_another_changes_meanwhile_is_not_given_codes_of_what_it_was(
    tmp_path: Path, family: Bundle, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    documents = [told(number) for number in range(6)]
    with (
        Library(tmp_path / "a.nest", encoder=family) as library,
        Library(tmp_path / "a.nest", encoder=Encoder(family)) as other,
    ):
        library.add(documents, width="static")
        meddling(library.encoder, lambda: CHANGES[change](other), monkeypatch)
        assert library.refine().refined == {"refined": 0, "more metadata": 6}.get(change, 5)
        library.refine()
        assert library.problems(full=True) == []
        assert library.unrefined == {}
        with Library(tmp_path / "b.nest", encoder=family) as whole:
            whole.add([document for id in range(6) if (document := library.get(f"d{id}")) is not None])
            for query in QUERIES:
                assert library.search(query, k=9, mode="dense") == whole.search(query, k=9, mode="dense")


def test_a_library_that_is_given_another_width_meanwhile_is_not_refined_back(
    tmp_path: Path, family: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Library(tmp_path / "a.nest", encoder=family) as library,
        Library(tmp_path / "a.nest", encoder=family, document_width="s") as other,
    ):
        library.add([told(1)], width="static")
        meddling(library.encoder, lambda: other.refine() and None, monkeypatch)
        with pytest.raises(LibraryError) as caught:
            library.refine()
        assert str(caught.value) == (
            f"{library.path}: its document width is s by now, not xl, as another process has said; open it again to "
            "refine at that"
        )
        assert other.unrefined == {}


def test_another_writer_that_takes_too_long_is_named(tmp_path: Path, family: Bundle) -> None:
    with Library(tmp_path / "a.nest", encoder=family) as library:
        library.add([told(1)], width="static")
        other, patient_for_a_moment = (Database(library.path, create=False, busy_ms=50) for _ in range(2))
        job = RefineJob(patient_for_a_moment, "xl", lambda: library.encoder, threading.RLock())
        with other.writing(), pytest.raises(BusyError, match=r" is writing to it; try again when it is done$"):
            refine.run(job)
        other.close()
        patient_for_a_moment.close()
        assert library.refine() == Report(refined=1)


def test_no_transaction_is_larger_than_a_few_dozen_passages(tmp_path: Path, family: Bundle) -> None:
    with Library(tmp_path / "a.nest", encoder=family) as library:
        library.add([told(0, words=12_000), *map(told, range(1, 50))], width="static")
        assert library.info().passages > 200
        library.refine()
        together: dict[int, int] = {}
        for _, revision in revisions(library.path):
            together[revision] = together.get(revision, 0) + 1
        assert max(together.values()) <= 32
        assert library.unrefined == {}


actions = st.lists(
    st.tuples(
        st.sampled_from(["add", "static", "s", "refine", "refine some", "remove", "look"]),
        st.sets(st.integers(0, 7), min_size=1, max_size=4),
        st.integers(0, 2),
    ),
    max_size=10,
)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(actions)
def test_whatever_is_done_it_answers_in_the_end_as_if_all_had_been_encoded_at_once(
    tmp_path_factory: pytest.TempPathFactory, family: Bundle, actions: list[tuple[str, set[int], int]]
) -> None:
    folder = tmp_path_factory.mktemp("sequence")
    with (
        Library(folder / "a.nest", encoder=family) as library,
        Library(folder / "a.nest", encoder=family, query_width="static") as reader,
        Library(folder / "whole.nest", encoder=family) as whole,
    ):
        for action, numbers, version in actions:
            documents = [told(number, words=20 * (1 + number), version=version) for number in sorted(numbers)]
            if action == "look":
                with Library(folder / "a.nest", encoder=family, query_width="static") as fresh:
                    assert answers(reader) == answers(fresh)
            elif action.startswith("refine"):
                library.refine(limit=5 if action.endswith("some") else None)
            elif action == "remove":
                for one in (library, whole):
                    one.remove([document.id for document in documents if document.id in one])
            else:
                assert library.add(documents, width=None if action == "add" else action) == whole.add(documents)
        library.refine()
        assert answers(library) == answers(whole)
        assert library.problems(full=True) == []
        with Library(folder / "a.nest", encoder=family, query_width="static") as fresh:
            assert answers(reader) == answers(fresh)


def waited_for(what: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not (done := what()) and time.monotonic() < end:
        time.sleep(0.02)
    return done


def test_in_the_background_what_comes_is_refined_until_the_context_ends(tmp_path: Path, family: Bundle) -> None:
    documents = [told(number) for number in range(80)]
    with Library(tmp_path / "a.nest", encoder=family) as library:
        library.add(documents[:40], width="static")
        with library.refining():
            assert waited_for(lambda: not library.unrefined)
            library.add(documents[40:], width="static")
            with Library(tmp_path / "a.nest", encoder=family) as other:
                other.remove(["d1"])
                other.add([documents[1]], width="static")
            assert waited_for(lambda: not library.unrefined)
        library.add([told(99)], width="static")
        assert library.unrefined == {"static": 1}
        library.remove(["d99"])
        with Library(tmp_path / "b.nest", encoder=family) as whole:
            whole.add([*documents[:1], *documents[2:], documents[1]])
            assert answers(library) == answers(whole)


def test_searches_and_changes_do_not_wait_for_what_is_encoded_in_the_background(
    tmp_path: Path, family: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoding, go_on = threading.Event(), threading.Event()
    ids = {f"d{number}" for number in [*range(20), 50]}

    def held() -> None:
        encoding.set()
        assert go_on.wait(60)

    with Library(tmp_path / "a.nest", encoder=family, query_width="s") as library:
        library.add([told(number) for number in range(20)], width="static")
        meddling(library.encoder, held, monkeypatch)
        with library.refining():
            assert encoding.wait(60)
            assert library.add([told(50)], width="s") == Report(added=1)
            assert library.remove(["d1"]) == Report(removed=1)
            assert {hit.id for hit in library.search("owls", k=50, mode="dense")} == {
                one for one in ids if one in library
            }
            assert library.unrefined == {"s": 1, "static": 19}
            go_on.set()
            assert waited_for(lambda: not library.unrefined)
        assert library.problems(full=True) == []


def test_closing_stops_what_is_in_the_background(tmp_path: Path, family: Bundle) -> None:
    with Library(tmp_path / "a.nest", encoder=family) as library:
        library.add([told(number) for number in range(2000)], width="static")
        with library.refining():
            begin = time.monotonic()
            library.close()
            assert time.monotonic() - begin < 5
    assert not any(thread.name == "nestling-refine" for thread in threading.enumerate())
    with Library(tmp_path / "a.nest", encoder=family) as again:
        assert again.problems() == []
        assert sum(again.unrefined.values()) > 0
        again.refine()


@pytest.mark.parametrize("given", ["bundle", "encoder"])
def test_a_library_that_is_closed_is_not_refined_on_nor_changed(tmp_path: Path, family: Bundle, given: str) -> None:
    with Library(tmp_path / "a.nest", encoder=family) as library:
        library.add([told(number) for number in range(100)], width="static")
    library = Library(tmp_path / "a.nest", encoder=family if given == "bundle" else Encoder(family))
    with pytest.raises(LibraryError, match=r"^the library is closed; open it again$"):
        library.refine(progress=lambda done, total: library.close())
    # One that has changed nothing before it is closed has no connection yet to do so.
    never = Library(tmp_path / "a.nest", encoder=family)
    never.close()
    changes: list[Callable[[], object]] = [never.refine, lambda: never.add([told(1)]), lambda: never.remove(["1"])]
    for change in changes:
        with pytest.raises(LibraryError, match=r"^the library is closed; open it again$"):
            change()
    with Library(tmp_path / "a.nest", encoder=family) as again:
        assert again.unrefined == {"static": 68}


def test_what_ends_the_background_is_raised_at_the_end_of_the_context(
    tmp_path: Path, family: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing() -> None:
        raise ZeroDivisionError

    with Library(tmp_path / "a.nest", encoder=family) as library:
        library.add([told(1)], width="static")
        meddling(library.encoder, failing, monkeypatch)
        with pytest.raises(ZeroDivisionError), library.refining():
            assert waited_for(lambda: not any(one.name == "nestling-refine" for one in threading.enumerate()))
        assert library.unrefined == {"static": 1}
        with library.refining():
            assert waited_for(lambda: not library.unrefined)


def test_one_background_is_enough(tmp_path: Path, family: Bundle) -> None:
    with Library(tmp_path / "a.nest", encoder=family) as library, library.refining():
        message = r"a\.nest: is being refined already; leave the first context before another$"
        with pytest.raises(NestlingError, match=message), library.refining():
            pass
        library.add([told(1)], width="static")
        assert waited_for(lambda: not library.unrefined)


def test_the_background_waits_out_another_writer(tmp_path: Path, family: Bundle) -> None:
    with Library(tmp_path / "a.nest", encoder=family) as library:
        library.add([told(1)], width="static")
        other = Database(library.path, create=False)
        with library.refining():
            with other.writing():
                time.sleep(3 * refine.BACKGROUND_BUSY_MS / 1000)
                assert library.unrefined == {"static": 1}
            assert waited_for(lambda: not library.unrefined)
