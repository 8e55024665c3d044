from __future__ import annotations

import os
import re
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nestling import Document
from nestling.errors import LibraryError
from nestling.library import store as store_module
from nestling.library.store import UNPURGED, Coded, Store
from nestling.vectors.codes import to_bits, to_fine

DIM = 16
EVERYTHING = ("1", [])


def coded(id: str, text: str, ranges: list[tuple[int, int]] | None = None, seed: int = 0) -> Coded:
    ranges = ranges or [(0, len(text))]
    vectors = np.random.default_rng(seed).normal(size=(len(ranges), DIM)).astype(np.float32)
    return Coded(Document(id, text, f"title {id}", {"n": seed}), ranges, to_bits(vectors), to_fine(vectors, "int8"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.nest"


@pytest.fixture
def store(path: Path) -> Store:
    store = Store(path, create=True)
    with store.writing():
        store.put(coded("owl", "owls hunt at night over the fields", [(0, 17), (10, 34)], seed=1))
        store.put(coded("burn", "cool the burn with water", seed=2))
    return store


def rows(path: Path, table: str) -> int:
    with sqlite3.connect(path) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def words(store: Store, match: str) -> list[int]:
    return [key for key, _ in store.lexical(match, 10, EVERYTHING)]


def test_what_was_put_can_be_read(store: Store) -> None:
    assert store.document("owl") == Document("owl", "owls hunt at night over the fields", "title owl", {"n": 1})
    assert store.document("none") is None
    assert (store.count("documents"), store.count("passages")) == (2, 3)
    keys, bits = store.bits(DIM)
    first = coded("owl", "", [(0, 17), (10, 34)], seed=1)
    assert keys.tolist() == [1, 2, 3]
    assert (bits[:2] == first.bits).all()
    fine = store.fine(np.array([2, 1]), DIM)
    assert (fine.values == first.fine.values[::-1]).all()
    assert (fine.scales == first.fine.scales[::-1]).all()
    assert store.owners(keys) == {1: "owl", 2: "owl", 3: "burn"}


def test_passages_are_shown_with_their_own_text_and_place(store: Store) -> None:
    shown = store.passages(np.array([2, 3]))
    assert (shown[2].text[shown[2].start :], shown[2].number, shown[2].document.id) == (
        "at night over the fields",
        1,
        "owl",
    )
    assert (shown[3].text, shown[3].start, shown[3].number) == ("cool the burn with water", 0, 0)


def test_characters_beyond_the_basic_plane_keep_their_places(store: Store) -> None:
    with store.writing():
        store.put(coded("emoji", "😀😀 naïve 日本 end", [(3, 8), (9, 15)]))
    shown = store.passages(store.bits(DIM)[0][-2:])
    assert [row.text[row.start :] for row in shown.values()] == ["naïve", "日本 end"]


def test_words_find_stems_and_titles(store: Store) -> None:
    assert words(store, '"hunting"') == [1]
    assert sorted(words(store, '"title"')) == [1, 2, 3]
    assert words(store, '"fields" OR "burn"')[0] == 3


def test_a_replaced_document_leaves_nothing_behind(store: Store, path: Path) -> None:
    with store.writing():
        assert store.put(coded("owl", "bats use echoes", seed=3)) is True
        assert store.put(coded("new", "salmon leap", seed=4)) is False
    assert words(store, '"hunt" OR "night"') == []
    assert len(words(store, '"echo"')) == 1
    assert (store.count("documents"), store.count("passages"), rows(path, "fine")) == (3, 3, 3)
    assert store.problems(DIM) == []


def test_a_removed_document_leaves_nothing_behind(store: Store, path: Path) -> None:
    with store.writing():
        assert store.remove("owl") is True
        assert store.remove("owl") is False
    assert words(store, '"owls"') == []
    assert [rows(path, table) for table in ("documents", "passages", "fine")] == [1, 1, 1]
    assert store.problems(DIM) == []


def test_keys_are_not_used_again(store: Store) -> None:
    with store.writing():
        store.remove("burn")
        store.put(coded("burn", "cool the burn with water"))
    assert store.bits(DIM)[0].tolist() == [1, 2, 4]


def test_an_error_takes_the_whole_transaction_back(store: Store) -> None:
    generation = store.meta("generation")
    with pytest.raises(ZeroDivisionError), store.writing():
        store.remove("owl")
        store.put(coded("new", "text"))
        raise ZeroDivisionError
    assert store.document("owl") is not None
    assert store.document("new") is None
    assert store.meta("generation") == generation
    assert words(store, '"owls"') == [1, 2]


def test_every_transaction_has_a_generation_of_its_own(store: Store) -> None:
    before = store.meta("generation")
    with store.writing():
        store.set_file("/a", 1, 2)
    assert store.meta("generation") != before


def test_only_the_document_that_is_meant_is_described_anew(store: Store) -> None:
    owl = store.document("owl")
    assert owl is not None
    with store.writing():
        assert store.describe(replace(owl, metadata={"n": 9}))
        assert not store.describe(replace(owl, text="other", metadata={"n": 1}))
        assert not store.describe(replace(owl, title="other", metadata={"n": 1}))
        assert not store.describe(replace(owl, id="other", metadata={"n": 1}))
    assert store.document("owl") == replace(owl, metadata={"n": 9})


def test_files_are_remembered_and_forgotten(store: Store) -> None:
    with store.writing():
        store.set_file("/a", 1, 2)
        store.set_file("/b", 3, 4)
        store.set_file("/a", 5, 6)
        store.forget_file("/b")
    assert store.files() == {"/a": (5, 6)}


def test_many_keys_are_read_at_once(store: Store) -> None:
    with store.writing():
        for number in range(1500):
            store.put(coded(f"d{number}", "x"))
    keys, _ = store.bits(DIM)
    assert len(store.fine(keys, DIM).values) == len(store.owners(keys)) == 1503
    assert store.fine(np.zeros(0, np.int64), DIM).values.shape == (0, DIM)


def test_a_reader_sees_one_snapshot(store: Store, path: Path) -> None:
    other = Store(path, create=False)
    with other.reading():
        assert other.count("documents") == 2
        with store.writing():
            store.remove("owl")
        assert other.count("documents") == 2
    assert other.count("documents") == 1


def test_a_second_writer_waits_and_then_says_why(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_BUSY_MS", 50)
    other = Store(path, create=False)
    message = f"{path}: another process is writing to it; try again when it is done"
    with store.writing(), pytest.raises(LibraryError, match=f"^{re.escape(message)}$"), other.writing():
        pass
    with other.writing():
        other.remove("owl")
    assert store.document("owl") is None


def test_a_file_that_is_no_database_is_refused_and_kept(path: Path) -> None:
    path.write_bytes(b"my only copy of a letter, long enough to be read as a header" * 20)
    before = path.read_bytes()
    with pytest.raises(LibraryError) as caught:
        Store(path, create=True)
    assert str(caught.value) == f"{path}: is not a Nestling library; expected a file that nestling made"
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused_and_kept(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE bookmarks (url)")
    before = path.read_bytes()
    with pytest.raises(LibraryError) as caught:
        Store(path, create=True)
    assert str(caught.value) == f"{path}: is an SQLite file of another program; expected a Nestling library"
    assert path.read_bytes() == before


def test_a_newer_library_is_refused(store: Store, path: Path) -> None:
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 7")
    with pytest.raises(LibraryError, match=r"has format 7, this Nestling reads 1; update it$"):
        Store(path, create=False)


def test_a_missing_file_or_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"none\.nest: no library there; make one with: nestling add"):
        Store(tmp_path / "none.nest", create=False)
    with pytest.raises(LibraryError, match=r"the folder .* does not exist; make it first"):
        Store(tmp_path / "no" / "a.nest", create=True)
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_may_not_be_written_is_read(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.close()
    assert [file.name for file in path.parent.iterdir()] == ["a.nest"]
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # as on a medium that cannot be written
    reader = Store(path, create=False)
    assert words(reader, '"owls"') == [1, 2]
    assert reader.problems(DIM) == []
    message = f"{path}: cannot be written here; copy it to a folder that can"
    with pytest.raises(LibraryError, match=f"^{re.escape(message)}$"), reader.writing():
        pass
    reader.close()
    assert [file.name for file in path.parent.iterdir()] == ["a.nest"]


def test_problems_are_found(store: Store, path: Path) -> None:
    assert store.problems(DIM) == []
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM fine WHERE key = 2")
    assert Store(path, create=False).problems(DIM) == ["1 passages have no fine code"]


def test_text_that_left_the_full_text_index_is_found(store: Store, path: Path) -> None:
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE documents SET text = 'something else entirely' WHERE id = 'burn'")
    assert len(Store(path, create=False).problems(DIM)) == 1


def test_a_damaged_page_is_found(store: Store, path: Path) -> None:
    with store.writing():
        for number in range(200):
            store.put(coded(f"d{number}", f"text number {number} " * 20, seed=number))
    store.close()
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4096] = bytes(4096)
    path.write_bytes(data)
    try:
        assert Store(path, create=False).problems(DIM) != []
    except LibraryError as error:
        assert str(path) in str(error)


def test_a_new_file_says_what_it_is(store: Store, path: Path) -> None:
    with sqlite3.connect(path) as db:
        names = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
        assert db.execute("PRAGMA application_id").fetchone()[0] == int.from_bytes(b"NEST", "big")
        assert db.execute("PRAGMA user_version").fetchone()[0] == 1
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert {"meta", "documents", "passages", "fine", "files", "passage_text", "full_text"} <= names


def test_nothing_of_the_last_document_is_left_in_any_table(store: Store, path: Path) -> None:
    with store.writing():
        assert store.remove("owl")
        assert store.remove("burn")
    assert [rows(path, table) for table in ("documents", "passages", "fine", "full_text_docsize")] == [0, 0, 0, 0]
    assert [words(store, f'"{word}"') for word in ("owls", "hunt", "title", "water", "burn")] == [[]] * 5
    assert store.bits(DIM)[1].shape == (0, DIM // 8)
    assert store.source_counts() == {}
    assert store.problems(DIM) == []


def test_removed_words_are_not_left_in_the_file(store: Store, path: Path) -> None:
    # The file is opened with secure_delete, so that what was removed is gone; the full text must not keep it.
    with store.writing():
        store.put(coded("patient", "treated for zyxwvut"))
    assert words(store, '"zyxwvut"') == [4]
    with store.writing():
        store.remove("patient")
        assert store.meta(UNPURGED) is not None
        store.purge()
    assert store.meta(UNPURGED) is None
    store.close()
    assert b"zyxwvut" not in path.read_bytes()


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_any_end_of_a_transaction_but_its_own_takes_it_back(
    store: Store, path: Path, error: type[BaseException]
) -> None:
    with pytest.raises(error), store.writing():
        store.put(coded("owl", "bats use echoes"))
        store.set_file("/a", 1, 2)
        store.set_meta("x", "y")
        raise error
    assert store.document("owl").text == "owls hunt at night over the fields"  # type: ignore[union-attr]
    assert (store.files(), store.meta("x"), words(store, '"echoes"')) == ({}, None, [])
    assert [rows(path, table) for table in ("documents", "passages", "fine", "full_text_docsize")] == [2, 3, 3, 3]
    assert store.problems(DIM) == []
    with store.writing():
        assert store.remove("owl")


def test_a_failing_statement_takes_the_transaction_back_and_is_one_sentence(store: Store, path: Path) -> None:
    with pytest.raises(LibraryError, match=f"^{re.escape(str(path))}: SQLite says ") as caught, store.writing():
        store.put(coded("new", "text"))
        store.set_file(None, 1, 2)  # type: ignore[arg-type]
    assert str(caught.value).endswith(f"; see what is wrong with: nestling check {path}")
    assert store.document("new") is None


def test_another_connection_sees_nothing_of_an_open_transaction(store: Store, path: Path) -> None:
    other = Store(path, create=False)
    with store.writing():
        store.put(coded("new", "salmon leap"))
        assert other.document("new") is None
        assert words(other, '"salmon"') == []
    assert len(words(other, '"salmon"')) == 1


def test_a_second_writer_that_waits_long_enough_goes_on(store: Store, path: Path) -> None:
    other = Store(path, create=False)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with store.writing():
            store.put(coded("first", "text"))
            entered.set()
            leave.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    assert entered.wait(5)
    threading.Timer(0.2, leave.set).start()
    with other.writing():
        assert leave.is_set()
        other.put(coded("second", "text"))
    holder.join()
    assert store.count("documents") == 4


@pytest.mark.parametrize("name", ["a b.nest", "50%41.nest", "what?.nest", "a#b.nest", "日本.nest", "a&mode=ro"])
def test_any_file_name_is_that_file(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path / name, create=True)
    with store.writing():
        store.put(coded("owl", "owls"))
    store.close()
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert Store(tmp_path / name, create=False).count("documents") == 1


def test_a_folder_is_no_library_and_is_not_made_one(tmp_path: Path) -> None:
    (tmp_path / "folder.nest").mkdir()
    with pytest.raises(LibraryError, match=f"^{re.escape(str(tmp_path / 'folder.nest'))}: "):
        Store(tmp_path / "folder.nest", create=True)
    assert list((tmp_path / "folder.nest").iterdir()) == []


def test_a_library_on_a_medium_that_cannot_be_written_is_read_with_its_open_log(
    store: Store, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.writing():
        store.put(coded("late", "salmon leap"))
    assert Path(f"{path}-wal").stat().st_size > 0  # committed, not yet folded into the file
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    reader = Store(path, create=False)
    assert (reader.count("documents"), len(words(reader, '"salmon"'))) == (3, 1)


def test_an_orphan_is_a_problem(store: Store, path: Path) -> None:
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM documents WHERE id = 'burn'")
    assert "passages has a row without its documents" in Store(path, create=False).problems(DIM)


def test_a_damaged_file_is_a_known_error_and_no_traceback(store: Store, path: Path) -> None:
    store.close()
    data = path.read_bytes()
    path.write_bytes(data[:4096] + bytes(len(data) - 4096))
    with pytest.raises(LibraryError, match=f"^{re.escape(str(path))}: SQLite says .* nestling check"):
        Store(path, create=False).meta("space")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("UPDATE fine SET code = x'00' WHERE key = 1", "1 passages have codes of another size"),
        ("UPDATE passages SET bits = x'00' WHERE key = 2", "1 passages have codes of another size"),
        ("DELETE FROM fine WHERE key = 1", "1 passages have no fine code"),
        ("UPDATE passages SET bits = ~CAST(bits AS INTEGER)", "3 passages have codes of another size"),
        ("UPDATE passages SET bits = zeroblob(2)", "3 passages have codes that contradict each other"),
        ("UPDATE documents SET metadata = '{' WHERE id = 'owl'", "1 documents have metadata that is not JSON"),
    ],
)
def test_damage_inside_of_a_sound_sqlite_file_is_found(store: Store, path: Path, damage: str, problem: str) -> None:
    store.close()
    with sqlite3.connect(path) as db:
        db.execute(damage)
    assert problem in Store(path, create=False).problems(DIM)


def test_codes_that_are_damaged_are_a_known_error(store: Store, path: Path) -> None:
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE fine SET code = x'00' WHERE key = 1")
        db.execute("DELETE FROM fine WHERE key = 2")
    damaged = Store(path, create=False)
    for key in (1, 2):
        with (
            pytest.raises(LibraryError, match=r": is damaged; see what is wrong with: "),
            damaged.reading(),
        ):
            damaged.fine(np.array([key]), DIM)


def test_an_empty_file_is_no_library_and_stays_empty(tmp_path: Path) -> None:
    path = tmp_path / "zero.nest"
    path.touch()
    with pytest.raises(LibraryError, match=r"zero.nest: is empty, not a library; restore it from a copy or add its "):
        Store(path, create=False)
    assert path.read_bytes() == b""
