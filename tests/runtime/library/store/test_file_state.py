from __future__ import annotations

from pathlib import Path

from nestling.document import Skip
from nestling.library.store import file_state
from nestling.library.store.database import Database
from nestling.library.store.file_state import FileState, MirroredFolder
from stored import opened

BROKEN = Skip("/a:2", "is not JSON")
CLOSED = Skip("/a", "cannot be read (Permission denied)", transient=True)


def test_files_are_remembered_and_forgotten(store: Database) -> None:
    with store.writing():
        file_state.set_file(store, "/a", FileState(1, 2))
        file_state.set_file(store, "/b", FileState(3, 4, b"digest"))
        file_state.set_file(store, "/a", FileState(5, 6, b"other", (BROKEN, CLOSED)))
        file_state.forget_file(store, "/b")
    assert file_state.files(store) == {"/a": FileState(5, 6, b"other", (BROKEN, CLOSED))}


def test_what_could_not_be_taken_in_is_told_in_the_order_of_the_files(store: Database) -> None:
    other = Skip("/0", "is empty")
    with store.writing():
        file_state.set_file(store, "/a", FileState(1, 2, skips=(BROKEN, CLOSED)))
        file_state.set_file(store, "/b", FileState(1, 2))
        file_state.set_file(store, "/0", FileState(1, 2, skips=(other,)))
    assert file_state.failures(store) == [other, BROKEN, CLOSED]


def test_folders_are_remembered_with_what_was_said_of_them(store: Database, path: Path) -> None:
    notes, papers = MirroredFolder("/notes", ("*.tmp", "!keep.tmp"), 1000), MirroredFolder("/papers")
    with store.writing():
        file_state.set_folders(store, [papers, notes])
        file_state.set_folders(store, [MirroredFolder("/old")])
        file_state.forget_folder(store, "/old")
    store.close()
    assert file_state.folders(Database(path, create=False)) == [notes, papers]


def test_a_file_without_a_digest_and_skips_is_read_so(store: Database, path: Path) -> None:
    with opened(path) as db:
        db.execute("INSERT INTO files (path, size, mtime_ns) VALUES ('/a', 5, 6)")
    assert file_state.files(store) == {"/a": FileState(5, 6, None, ())}
