from __future__ import annotations

from pathlib import Path

from nestling.document import Skip
from nestling.library.store import file_state as tracked
from nestling.library.store.file_state import Folder, Tracked
from nestling.library.store.store import Store
from stored import opened

BROKEN = Skip("/a:2", "is not JSON")
CLOSED = Skip("/a", "cannot be read (Permission denied)", transient=True)


def test_files_are_remembered_and_forgotten(store: Store) -> None:
    with store.writing():
        tracked.set_file(store, "/a", Tracked(1, 2))
        tracked.set_file(store, "/b", Tracked(3, 4, b"digest"))
        tracked.set_file(store, "/a", Tracked(5, 6, b"other", (BROKEN, CLOSED)))
        tracked.forget_file(store, "/b")
    assert tracked.files(store) == {"/a": Tracked(5, 6, b"other", (BROKEN, CLOSED))}


def test_what_could_not_be_taken_in_is_told_in_the_order_of_the_files(store: Store) -> None:
    other = Skip("/0", "is empty")
    with store.writing():
        tracked.set_file(store, "/a", Tracked(1, 2, skips=(BROKEN, CLOSED)))
        tracked.set_file(store, "/b", Tracked(1, 2))
        tracked.set_file(store, "/0", Tracked(1, 2, skips=(other,)))
    assert tracked.failures(store) == [other, BROKEN, CLOSED]


def test_folders_are_remembered_with_what_was_said_of_them(store: Store, path: Path) -> None:
    notes, papers = Folder("/notes", ("*.tmp", "!keep.tmp"), 1000), Folder("/papers")
    with store.writing():
        tracked.set_folders(store, [papers, notes])
        tracked.set_folders(store, [Folder("/old")])
        tracked.forget_folder(store, "/old")
    store.close()
    assert tracked.folders(Store(path, create=False)) == [notes, papers]


def test_what_an_older_version_remembered_of_a_file_has_no_digest_and_no_skips(store: Store, path: Path) -> None:
    with opened(path) as db:
        db.execute("INSERT INTO files (path, size, mtime_ns) VALUES ('/a', 5, 6)")
    assert tracked.files(store) == {"/a": Tracked(5, 6, None, ())}
