"""Files of format 4, and full texts cut by an older rule, are brought up to date when they are opened."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bundles import FORMATS
from nestling import Document, Encoder, Library
from nestling.errors import LibraryError
from nestling.library.store import documents, migration
from nestling.library.store.database import Database
from nestling.library.store.words import VERSION
from processes import guarded_environment
from stored import coded, opened, rows, words


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A library that format 4 wrote."""
    return Path(shutil.copy(FORMATS / "v4" / "library.nest", tmp_path / "old.nest"))


def version(path: Path) -> int:
    with opened(path) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def test_what_an_old_file_holds_is_there_and_sound_afterwards(old: Path) -> None:
    with opened(old) as db:
        before = db.execute(
            "SELECT p.key, document, bits, width, code FROM passages AS p JOIN fine USING (key)"
        ).fetchall()
        texts = dict(db.execute("SELECT id, title FROM documents"))
    encoder = Encoder(FORMATS / "v4" / "bundle")
    with Library(old, encoder=encoder) as library:
        assert library.problems(full=True) == []
        assert {id: document.title for id in texts if (document := library.get(id))} == texts
        assert library.search("clean water", mode="lexical")[0].id == "hands"
        library.add([Document("new", "a crane")])
        assert library.remove(["new"]).removed == 1
        assert library.problems(full=True) == []
    assert version(old) == 5
    with opened(old) as db:
        after = db.execute(
            "SELECT p.key, document, bits, width, code FROM passages AS p JOIN fine USING (key)"
        ).fetchall()
        numbers = db.execute(
            "SELECT document, group_concat(number) FROM passages GROUP BY document ORDER BY 1"
        ).fetchall()
    assert after == before
    assert [found for _, found in numbers] == ["0", "0", ",".join(map(str, range(len(before) - 2)))]


def test_what_an_old_file_encoded_is_not_encoded_again(old: Path) -> None:
    with Library(old, encoder=Encoder(FORMATS / "v4" / "bundle")) as library:
        hands = library.get("hands")
        assert hands is not None
        library.add([Document("copy", hands.text, hands.title, {}, hands.source)])  # at another width, were it encoded
    with opened(old) as db:
        select = (
            "SELECT code, name FROM passages JOIN fine USING (key) JOIN widths ON widths.key = width"
            " WHERE document = (SELECT key FROM documents WHERE id = ?)"
        )
        copy, first = (db.execute(select, (id,)).fetchall() for id in ("copy", "hands"))
    assert copy == first
    assert {width for _, width in copy} == {"static"}


def test_keys_are_not_used_again(old: Path) -> None:
    with opened(old) as db:
        db.execute("UPDATE sqlite_sequence SET seq = 70")
    db = migration.opened(old, create=False)
    with db.writing():
        documents.put(db, *coded("new", "salmon leap"))
    assert db.rows("SELECT max(key) FROM passages") == [(71,)]
    db.close()


def test_a_file_that_cannot_be_written_says_what_to_do(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = old.read_bytes()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # as on a medium that cannot be written
    message = (
        f"{old}: has format 4, this Nestling reads 5; open it once where it can be written, which brings it up to date"
    )
    for opening in (Library, lambda path: migration.opened(path, create=False)):
        with pytest.raises(LibraryError, match=f"^{re.escape(message)}$"):
            opening(old)
    assert old.read_bytes() == before


def test_two_that_open_it_at_once_both_find_it_new(old: Path) -> None:
    code = (
        "from pathlib import Path; from nestling.library.store.migration import opened\n"
        f"opened(Path({str(old)!r}), False).close()"
    )
    others = [subprocess.Popen([sys.executable, "-c", code], env=guarded_environment()) for _ in range(3)]
    assert [other.wait(60) for other in others] == [0, 0, 0]
    assert version(old) == 5
    assert rows(old, "documents") == 3


@pytest.mark.parametrize("milliseconds", [20, 60, 120, 250, 400])
def test_a_kill_in_the_middle_leaves_the_old_file_or_the_new_one(tmp_path: Path, old: Path, milliseconds: int) -> None:
    with opened(old) as db:  # enough that it takes a while
        for number in range(2000):
            db.execute(
                "INSERT INTO documents SELECT NULL, 'more' || ?, title, text, metadata, source FROM documents"
                " WHERE id = 'owl'",
                (number,),
            )
        db.execute(
            "INSERT INTO passages (document, start, stop, bits, width) SELECT key, 0, 18, zeroblob(4), 1 FROM documents"
            " WHERE id LIKE 'more%'"
        )
        db.execute(
            "INSERT INTO fine (key, code) SELECT passages.key, zeroblob(36) FROM passages JOIN documents"
            " ON documents.key = document WHERE id LIKE 'more%'"
        )
    code = (
        "import sys; from pathlib import Path; from nestling.library.store.migration import opened\n"
        f"print('go', flush=True); opened(Path({str(old)!r}), False).close()"
    )
    with subprocess.Popen([sys.executable, "-c", code], env=guarded_environment(), stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        time.sleep(milliseconds / 1000)
        other.kill()
    assert version(old) in (4, 5)
    db = migration.opened(old, create=False)
    assert documents.count(db, "documents") == documents.count(db, "passages") - _hands(db) + 1 == 2003
    db.close()
    assert version(old) == 5


def _hands(db: Database) -> int:
    select = "SELECT count(*) FROM passages JOIN documents ON documents.key = document WHERE id = 'hands'"
    return int(db.rows(select)[0][0])


def test_a_full_text_of_another_rule_is_made_anew(store: Database, path: Path) -> None:
    with store.writing():
        store.execute("INSERT INTO full_text (full_text) VALUES ('delete-all')")
        store.set_meta("words", "0")
    store.close()
    db = migration.opened(path, create=False)
    assert words(db, '"owls"') == [1, 2]
    assert db.meta("words") == VERSION
    db.close()


def test_bringing_up_to_date_takes_time_in_proportion(tmp_path: Path) -> None:
    seconds = []
    for count in (1000, 8000):
        path = Path(shutil.copy(FORMATS / "v4" / "library.nest", tmp_path / f"{count}.nest"))
        with opened(path) as db:
            db.executemany(
                "INSERT INTO documents SELECT NULL, 'more' || ?, title, text, metadata, source FROM documents"
                " WHERE id = 'owl'",
                ((number,) for number in range(count)),
            )
            db.execute(
                "INSERT INTO passages (document, start, stop, bits, width) SELECT key, 0, 18, zeroblob(4), 1"
                " FROM documents WHERE id LIKE 'more%'"
            )
        begin = time.process_time()
        migration.opened(path, create=False).close()
        seconds.append(time.process_time() - begin)
    assert seconds[1] < 24 * seconds[0]  # eight times as much; without an index it was sixty times as long
