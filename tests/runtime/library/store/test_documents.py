from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nestling import Document
from nestling.errors import LibraryError
from nestling.library.store import documents, file_state, full_text, passage_codes, passages
from nestling.library.store.audit import damage
from nestling.library.store.database import Database
from nestling.library.store.file_state import FileState
from nestling.library.store.filters import to_sql
from processes import guarded_environment
from stored import DIM, coded, codes, codes_of, opened, rows, stale_of, words


def test_what_was_put_can_be_read(store: Database) -> None:
    assert documents.document(store, "owl") == Document(
        "owl", "owls hunt at night over the fields", "title owl", {"n": 1}
    )
    assert documents.document(store, "none") is None
    assert (documents.count(store, "documents"), documents.count(store, "passages")) == (2, 3)
    keys, of, bits, _ = passages.bits(store, DIM)
    first = codes(2, seed=1)
    assert (keys.tolist(), of.tolist()) == ([1, 2, 3], [1, 1, 2])
    assert [row.tobytes() for row in bits[:2]] == [one.bits for one in first]
    fine = passages.fine(store, np.array([2, 1]), DIM)
    assert [row.tobytes() for row in fine.records()] == [one.record for one in first[::-1]]
    assert codes_of(store, "owl") == first
    assert passages.owners(store, np.array([3, 1, 2])).tolist() == [2, 1, 1]
    assert passages.ids(store, of) == {1: "owl", 2: "burn"}


def test_only_newer_passages_are_read_where_that_is_asked(store: Database) -> None:
    keys, of, bits, _ = passages.bits(store, DIM, after=2)
    assert (keys.tolist(), of.tolist(), bits.shape) == ([3], [2], (1, DIM // 8))
    assert passages.bits(store, DIM, after=3)[2].shape == (0, DIM // 8)
    assert passages.keys(store).tolist() == [1, 2, 3]


def test_passages_are_shown_with_their_own_text_and_place(store: Database) -> None:
    shown = passages.shown(store, np.array([2, 3]))
    assert (shown[2].text, shown[2].number, shown[2].document.id) == ("at night over the fields", 1, "owl")
    assert (shown[3].text, shown[3].number, shown[3].place) == ("cool the burn with water", 0, "")


def test_characters_beyond_the_basic_plane_keep_their_places(store: Database) -> None:
    with store.writing():
        documents.put(store, *coded("emoji", "😀😀 naïve 日本 end", [(3, 8), (9, 15)]))
    shown = passages.shown(store, passages.bits(store, DIM)[0][-2:])
    assert [row.text for row in shown.values()] == ["naïve", "日本 end"]


def test_words_find_stems_and_titles(store: Database) -> None:
    assert words(store, '"hunting"') == [1]
    assert sorted(words(store, '"title"')) == [1, 2, 3]
    assert words(store, '"fields" OR "burn"')[0] == 3


def test_a_replaced_document_leaves_nothing_behind(store: Database, path: Path) -> None:
    with store.writing():
        assert documents.put(store, *coded("owl", "bats use echoes", seed=3)) is True
        assert documents.put(store, *coded("new", "salmon leap", seed=4)) is False
    assert words(store, '"hunt" OR "night"') == []
    assert len(words(store, '"echo"')) == 1
    assert (documents.count(store, "documents"), documents.count(store, "passages"), rows(path, "fine")) == (3, 3, 3)
    assert damage(store, DIM, full=True).sentences == ()


def test_a_removed_document_leaves_nothing_behind(store: Database, path: Path) -> None:
    with store.writing():
        assert documents.remove(store, "owl") is True
        assert documents.remove(store, "owl") is False
    assert words(store, '"owls"') == []
    assert [rows(path, table) for table in ("documents", "passages", "fine")] == [1, 1, 1]
    assert damage(store, DIM, full=True).sentences == ()


def test_keys_are_not_used_again(store: Database) -> None:
    with store.writing():
        documents.remove(store, "burn")
        documents.put(store, *coded("burn", "cool the burn with water"))
    assert passages.bits(store, DIM)[0].tolist() == [1, 2, 4]


def test_an_error_takes_the_whole_transaction_back(store: Database) -> None:
    generation = store.meta("generation")
    with pytest.raises(ZeroDivisionError), store.writing():
        documents.remove(store, "owl")
        documents.put(store, *coded("new", "text"))
        raise ZeroDivisionError
    assert documents.document(store, "owl") is not None
    assert documents.document(store, "new") is None
    assert store.meta("generation") == generation
    assert words(store, '"owls"') == [1, 2]


def test_every_transaction_has_a_generation_of_its_own(store: Database) -> None:
    before = store.meta("generation")
    with store.writing():
        file_state.set_file(store, "/a", FileState(1, 2))
    assert store.meta("generation") != before


def test_only_the_document_that_is_meant_is_described_anew(store: Database) -> None:
    owl = documents.document(store, "owl")
    assert owl is not None
    with store.writing():
        assert documents.describe(store, replace(owl, metadata={"n": 9}))
        assert not documents.describe(store, replace(owl, text="other", metadata={"n": 1}))
        assert not documents.describe(store, replace(owl, title="other", metadata={"n": 1}))
        assert not documents.describe(store, replace(owl, id="other", metadata={"n": 1}))
    assert documents.document(store, "owl") == replace(owl, metadata={"n": 9})


def test_many_keys_are_read_at_once(store: Database) -> None:
    with store.writing():
        for number in range(1500):
            documents.put(store, *coded(f"d{number}", "x"))
    keys = passages.keys(store)
    assert len(passages.fine(store, keys, DIM).values) == len(passages.owners(store, keys)) == 1503
    assert passages.fine(store, np.zeros(0, np.int64), DIM).values.shape == (0, DIM)


def test_a_reader_sees_one_snapshot(store: Database, path: Path) -> None:
    other = Database(path, create=False)
    with other.reading():
        assert documents.count(other, "documents") == 2
        with store.writing():
            documents.remove(store, "owl")
        assert documents.count(other, "documents") == 2
    assert documents.count(other, "documents") == 1


def test_a_second_writer_waits_and_then_says_why(store: Database, path: Path) -> None:
    other = Database(path, create=False, busy_ms=50)
    who = rf"process {os.getpid()} on {re.escape(platform.node())}, at work since \d{{4}}-\d\d-\d\d \d\d:\d\d,"
    message = rf"^{re.escape(str(path))}: {who} is writing to it; try again when it is done$"
    with store.writing(), pytest.raises(LibraryError, match=message), other.writing():
        pass
    with other.writing():
        documents.remove(other, "owl")
    assert documents.document(store, "owl") is None


def test_nothing_of_the_last_document_is_left_in_any_table(store: Database, path: Path) -> None:
    with store.writing():
        assert documents.remove(store, "owl")
        assert documents.remove(store, "burn")
    assert [rows(path, table) for table in ("documents", "passages", "fine", "metadata", "full_text_docsize")] == [
        0
    ] * 5
    assert [words(store, f'"{word}"') for word in ("owls", "hunt", "title", "water", "burn")] == [[]] * 5
    assert passages.bits(store, DIM)[2].shape == (0, DIM // 8)
    assert documents.source_counts(store) == {}
    assert damage(store, DIM, full=True).sentences == ()


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_any_end_of_a_transaction_but_its_own_takes_it_back(
    store: Database, path: Path, error: type[BaseException]
) -> None:
    with pytest.raises(error), store.writing():
        documents.put(store, *coded("owl", "bats use echoes"))
        file_state.set_file(store, "/a", FileState(1, 2))
        store.set_meta("x", "y")
        raise error
    assert documents.document(store, "owl").text == "owls hunt at night over the fields"  # type: ignore[union-attr]
    assert (file_state.files(store), store.meta("x"), words(store, '"echoes"')) == ({}, None, [])
    assert [rows(path, table) for table in ("documents", "passages", "fine", "full_text_docsize")] == [2, 3, 3, 3]
    assert damage(store, DIM, full=True).sentences == ()
    with store.writing():
        assert documents.remove(store, "owl")


def test_a_failing_statement_takes_the_transaction_back_and_is_one_sentence(store: Database, path: Path) -> None:
    with pytest.raises(LibraryError, match=f"^{re.escape(str(path))}: SQLite says ") as caught, store.writing():
        documents.put(store, *coded("new", "text"))
        file_state.set_file(store, None, FileState(1, 2))  # type: ignore[arg-type]
    assert str(caught.value).endswith(f"; see what is wrong with: nestling check {path}")
    assert documents.document(store, "new") is None


def test_another_connection_sees_nothing_of_an_open_transaction(store: Database, path: Path) -> None:
    other = Database(path, create=False)
    with store.writing():
        documents.put(store, *coded("new", "salmon leap"))
        assert documents.document(other, "new") is None
        assert words(other, '"salmon"') == []
    assert len(words(other, '"salmon"')) == 1


def test_a_second_writer_that_waits_long_enough_goes_on(store: Database, path: Path) -> None:
    other = Database(path, create=False)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with store.writing():
            documents.put(store, *coded("first", "text"))
            entered.set()
            leave.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    assert entered.wait(5)
    threading.Timer(0.2, leave.set).start()
    with other.writing():
        assert leave.is_set()
        documents.put(other, *coded("second", "text"))
    holder.join()
    assert documents.count(store, "documents") == 4


def test_codes_that_are_damaged_are_a_known_error(store: Database, path: Path) -> None:
    store.close()
    with opened(path) as db:
        db.execute("UPDATE fine SET code = x'00' WHERE key = 1")
        db.execute("DELETE FROM fine WHERE key = 2")
    damaged = Database(path, create=False)
    for key in (1, 2):
        with (
            pytest.raises(LibraryError, match=r": is damaged; see what is wrong with: "),
            damaged.reading(),
        ):
            passages.fine(damaged, np.array([key]), DIM)


HOLDER = """
import sys
from pathlib import Path
from nestling.library.store.database import Database
store = Database(Path(sys.argv[1]), create=False)
print("open", flush=True)
for line in sys.stdin:
    with store.writing():
        print("writing", flush=True)
        sys.stdin.readline()
    print("done", flush=True)
"""


def test_the_process_that_is_waited_for_is_named_whoever_wrote_before(
    store: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(line: str) -> str:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdin.write(line + "\n")
        other.stdin.flush()
        return str(other.stdout.readline()).strip()

    waiting = Database(path, create=False, busy_ms=50)
    command = [sys.executable, "-c", HOLDER, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=guarded_environment(), **pipes) as other:  # type: ignore[call-overload]
        assert other.stdout.readline() == "open\n"
        assert (told("begin"), told("end")) == ("writing", "done")
        with waiting.writing():
            pass
        assert told("begin") == "writing"
        with pytest.raises(LibraryError, match=rf": process {other.pid} on .* is writing to it"), waiting.writing():
            pass
        assert told("end") == "done"
        with waiting.writing():
            pass
        other.stdin.close()
        assert other.wait() == 0


def test_a_store_that_is_closed_leaves_no_name_behind(store: Database, path: Path) -> None:
    assert store.meta("writer") is not None
    store.close()
    with opened(path) as db:
        assert db.execute("SELECT * FROM meta WHERE key = 'writer'").fetchall() == []


def test_a_document_with_the_codes_of_another_length_is_a_known_error_when_it_is_read(
    store: Database, path: Path
) -> None:
    with opened(path) as db:
        db.execute("UPDATE passages SET bits = x'00' WHERE key = 2")
    with pytest.raises(LibraryError, match=r": is damaged; see what is wrong with: "), store.reading():
        passages.bits(store, DIM)


def test_words_are_marked_in_texts_that_are_not_in_the_library(store: Database) -> None:
    texts = {7: "Hunting owls", 8: "nothing", 9: "an ówl"}
    for _ in range(2):
        assert full_text.marked(store, '"owl" OR "hunt"', texts, "<", ">") == {7: "<Hunting> <owls>"}


def test_passages_that_match_are_counted_up_to_a_limit(store: Database) -> None:
    assert [full_text.matching(store, '"title"', limit) for limit in (1, 2, 3, 4, 10**30)] == [1, 2, 3, 3, 3]


def test_a_condition_picks_passages_for_either_half(store: Database) -> None:
    for where, keys in (({"n": (">", 1)}, [3]), ({"n": 1}, [1, 2]), ({"n": 7}, [])):
        condition = to_sql(where)
        assert condition is not None
        assert passages.allow(store, condition).tolist() == keys
        assert sorted(key for key, _ in full_text.ranked(store, '"title"', 10, allowed=True)) == keys
    assert len(full_text.ranked(store, '"title"', 10, allowed=False)) == 3


def test_a_passage_is_given_other_codes_in_its_place(store: Database, path: Path) -> None:
    before = store.generation
    keys, matching = passages.keys(store).tolist(), words(store, '"owls" OR "water"')
    stale = passage_codes.stale(store, "s", 2**63 - 1, 10)
    assert [(one.key, one.text) for one in stale] == [
        (3, "cool the burn with water"),
        (2, "at night over the fields"),
        (1, "owls hunt at night"[:17]),
    ]
    assert passage_codes.stale(store, "s", 3, 1) == stale[1:2]
    assert stale_of(store, "s", "owl") == stale[:0:-1]
    assert passage_codes.stale(store, "xl", 2**63 - 1, 10) == []
    (other,) = codes(1, 9, "s")
    with store.writing():
        assert passage_codes.recode(store, stale[1], other)
    assert passage_codes.widths(store) == {"s": 1, "xl": 2}
    assert codes_of(store, "owl")[1] == other
    revised = passages.revised(store, DIM, before, 3)
    assert (revised.keys.tolist(), revised.bits[0].tobytes()) == ([2], other.bits)
    assert (
        passages.revised(store, DIM, store.generation, 3)[0].tolist()
        == passages.revised(store, DIM, before, 1)[0].tolist()
        == []
    )
    assert (passages.keys(store).tolist(), words(store, '"owls" OR "water"')) == (keys, matching)
    assert damage(store, DIM, full=True).sentences == ()


def test_a_passage_that_is_not_as_it_was_read_keeps_its_codes(store: Database) -> None:
    stale = passage_codes.stale(store, "s", 2**63 - 1, 10)
    (other,) = codes(1, 9, "s")
    before = codes_of(store, "owl")
    with store.writing():
        documents.remove(store, "burn")
        for one in (
            *stale[:1],
            stale[1]._replace(text="other"),
            stale[1]._replace(title="x"),
            stale[1]._replace(key=9),
        ):
            assert not passage_codes.recode(store, one, other)
        assert passage_codes.recode(store, stale[1], other)
        assert not passage_codes.recode(store, stale[1], other)  # is of this width by now
    assert codes_of(store, "owl") == [before[0], other]


def test_a_transaction_that_is_taken_back_leaves_no_width_behind(store: Database, path: Path) -> None:
    with pytest.raises(ZeroDivisionError), store.writing():
        documents.put(store, *coded("new", "text", width="s"))
        raise ZeroDivisionError
    assert rows(path, "widths") == 1
    with store.writing():
        documents.put(store, *coded("new", "text", width="s"))
    assert passage_codes.widths(store) == {"s": 1, "xl": 3}


def test_what_was_revised_is_looked_up_and_not_looked_for(store: Database) -> None:
    asked: list[str] = []
    store.trace(asked.append)
    passages.revised(store, DIM, 1, 3)
    store.trace(None)
    assert len(asked) == 2
    for sql in asked:
        (plan,) = store.rows(f"EXPLAIN QUERY PLAN {sql}")
        assert re.search(r"SEARCH passages USING (COVERING )?INDEX passages_revision \(revision>\?\)", plan[3])
