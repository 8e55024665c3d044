"""Which file a store opens, and what it says of the others."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from nestling import Document, Library
from nestling.errors import BusyError, LibraryError
from nestling.library.store import documents
from nestling.library.store.audit import damage
from nestling.library.store.database import Database
from stored import DIM, coded, opened, words


def test_a_file_that_is_no_database_is_refused_and_kept(path: Path) -> None:
    path.write_bytes(b"my only copy of a letter, long enough to be read as a header" * 20)
    before = path.read_bytes()
    with pytest.raises(LibraryError) as caught:
        Database(path, create=True)
    assert str(caught.value) == f"{path}: is not a Nestling library; expected a file that nestling made"
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused_and_kept(path: Path) -> None:
    with opened(path) as db:
        db.execute("CREATE TABLE bookmarks (url)")
    before = path.read_bytes()
    with pytest.raises(LibraryError) as caught:
        Database(path, create=True)
    assert str(caught.value) == f"{path}: is an SQLite file of another program; expected a Nestling library"
    assert path.read_bytes() == before


def test_a_newer_library_is_refused(store: Database, path: Path) -> None:
    store.close()
    with opened(path) as db:
        db.execute("PRAGMA user_version = 7")
    with pytest.raises(LibraryError, match=r"has format 7, this Nestling reads 5; update it$"):
        Database(path, create=False)


def test_a_missing_file_or_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"none\.nest: no library there; make one with: nestling add"):
        Database(tmp_path / "none.nest", create=False)
    with pytest.raises(LibraryError, match=r"the folder .* does not exist; make it first"):
        Database(tmp_path / "no" / "a.nest", create=True)
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_may_not_be_written_is_read(
    store: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    assert [file.name for file in path.parent.iterdir()] == ["a.nest"]
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # as on a medium that cannot be written
    reader = Database(path, create=False)
    assert words(reader, '"owls"') == [1, 2]
    assert damage(reader, DIM, full=True).sentences == ()
    message = f"{path}: cannot be written here; copy it to a folder that can"
    with pytest.raises(LibraryError, match=f"^{re.escape(message)}$"), reader.writing():
        pass
    reader.close()
    assert [file.name for file in path.parent.iterdir()] == ["a.nest"]


def test_a_new_file_says_what_it_is(store: Database, path: Path) -> None:
    with opened(path) as db:
        names = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
        assert db.execute("PRAGMA application_id").fetchone()[0] == int.from_bytes(b"NEST", "big")
        assert db.execute("PRAGMA user_version").fetchone()[0] == 5
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert {
        "meta",
        "documents",
        "passages",
        "fine",
        "files",
        "widths",
        "folders",
        "metadata",
        "passage_text",
        "full_text",
    } <= names


@pytest.mark.parametrize("name", ["a b.nest", "50%41.nest", "what?.nest", "a#b.nest", "日本.nest", "a&mode=ro"])
def test_any_file_name_is_that_file(tmp_path: Path, name: str) -> None:
    store = Database(tmp_path / name, create=True)
    with store.writing():
        documents.put(store, *coded("owl", "owls"))
    store.close()
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert documents.count(Database(tmp_path / name, create=False), "documents") == 1


def test_a_folder_is_no_library_and_is_not_made_one(tmp_path: Path) -> None:
    (tmp_path / "folder.nest").mkdir()
    with pytest.raises(LibraryError, match=f"^{re.escape(str(tmp_path / 'folder.nest'))}: "):
        Database(tmp_path / "folder.nest", create=True)
    assert list((tmp_path / "folder.nest").iterdir()) == []


def test_a_library_on_a_medium_that_cannot_be_written_is_read_with_its_open_log(
    store: Database, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.writing():
        documents.put(store, *coded("late", "salmon leap"))
    assert Path(f"{path}-wal").stat().st_size > 0  # committed, not yet folded into the file
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    reader = Database(path, create=False)
    assert (documents.count(reader, "documents"), len(words(reader, '"salmon"'))) == (3, 1)


def test_a_damaged_file_is_a_known_error_and_no_traceback(store: Database, path: Path) -> None:
    store.close()
    data = path.read_bytes()
    path.write_bytes(data[:4096] + bytes(len(data) - 4096))
    with pytest.raises(LibraryError, match=f"^{re.escape(str(path))}: SQLite says .* nestling check"):
        Database(path, create=False).meta("space")


def test_an_empty_file_is_no_library_and_stays_empty(tmp_path: Path) -> None:
    path = tmp_path / "zero.nest"
    path.touch()
    with pytest.raises(LibraryError, match=r"zero.nest: is empty, not a library; restore it from a copy or add its "):
        Database(path, create=False)
    assert path.read_bytes() == b""


@pytest.fixture
def unlogged(store: Database, path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a library that is not in WAL mode, as one that is being made is for a moment; it is held."""
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as db:
        assert db.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
        db.execute("BEGIN IMMEDIATE")
        yield db


def test_a_file_that_somebody_else_is_making_is_waited_for(unlogged: sqlite3.Connection, path: Path) -> None:
    leave = threading.Timer(0.3, unlogged.execute, ("COMMIT",))
    leave.start()
    opened_then = Database(path, create=True)
    leave.join()
    assert opened_then.rows("PRAGMA journal_mode") == [("wal",)]
    assert documents.count(opened_then, "documents") == 2
    opened_then.close()


def test_a_file_that_somebody_else_keeps_is_an_error(unlogged: sqlite3.Connection, path: Path) -> None:
    with pytest.raises(BusyError, match=r" is writing to it; try again when it is done$"):
        Database(path, create=True, busy_ms=50)


@pytest.mark.parametrize("error", [KeyError("a"), ValueError("b"), IndexError("c"), TypeError("d"), OSError("e")])
def test_an_error_of_the_caller_is_no_damage(store: Database, error: Exception) -> None:
    def fails(number: int) -> None:
        raise error

    with pytest.raises(type(error)) as caught, store.reading():
        store.callers(fails)(3)
    assert caught.value is error
    with store.reading():  # and its transaction is over
        assert store.rows("SELECT count(*) FROM documents") == [(2,)]


def test_an_error_of_progress_is_the_callers(tmp_path: Path) -> None:
    def fails(done: int, of: int) -> None:
        raise ValueError("the window is closed")

    with Library(tmp_path / "a.nest", document_width="static") as library:
        library.add([Document("a", "owls")])
        with pytest.raises(ValueError, match=r"^the window is closed$"):
            library.dump(tmp_path / "a.jsonl", progress=fails)


@pytest.mark.parametrize(
    ("said", "free", "message"),
    [
        (
            "disk I/O error",
            1 << 30,
            ": its drive failed to read or write (disk I/O error); see whether it is connected",
        ),
        ("disk I/O error", 0, ": no space left (disk I/O error); what was committed before is safe"),
        ("database or disk is full", 1 << 30, ": no space left (database or disk is full); what was committed before"),
    ],
)
def test_a_failing_drive_is_told_from_a_full_one(
    store: Database, path: Path, monkeypatch: pytest.MonkeyPatch, said: str, free: int, message: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    with pytest.raises(LibraryError) as caught, store.reading():
        raise sqlite3.OperationalError(said)
    assert str(caught.value).startswith(f"{path}{message}")


def test_closing_does_not_wait_for_a_writer(store: Database, path: Path) -> None:
    with store.writing():
        store.set_meta("a", "b")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begin = time.monotonic()
    store.close()
    assert time.monotonic() - begin < 2
    other.execute("ROLLBACK")
    other.close()
