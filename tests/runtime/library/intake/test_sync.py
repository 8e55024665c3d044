from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from nestling import Library, Report
from nestling.errors import NestlingError
from nestling.library.intake.sync import Progress
from nestling.library.store.texts import to_stored
from stored import bytes_of


def ids(library: Library, query: str, **options: Any) -> list[str]:
    return [hit.id for hit in library.search(query, **options)]


def test_a_folder_is_mirrored(tmp_path: Path, library: Library) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "a.txt").write_text("Salmon find their river by its smell.")
    (notes / "b.jsonl").write_text("\n".join(json.dumps({"id": f"line{n}", "text": f"line {n}"}) for n in range(3)))
    assert library.sync(notes) == Report(added=4)
    assert library.sync(notes) == Report(unchanged=4)
    (notes / "a.txt").write_text("Salmon leap over weirs, too.")
    (notes / "b.jsonl").write_text(json.dumps({"id": "line1", "text": "line 1"}))
    assert library.sync(notes) == Report(changed=1, unchanged=1, removed=2)
    (notes / "a.txt").unlink()
    assert library.sync(notes) == Report(unchanged=1, removed=1)
    assert {"owl", "burn", "fridge", "line1"} == set(ids(library, "anything", k=9))


def test_a_file_that_cannot_be_read_now_keeps_its_documents(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Salmon find their river.")
    library.sync(path)
    path.write_bytes(b"\xff\0\1 broken")
    report = library.sync(path)
    assert [skip.reason for skip in report.skipped] == ["is not UTF-8 text (byte 0); save it as UTF-8"]
    assert library.get(str(path)).text == "Salmon find their river."  # type: ignore[union-attr]
    assert library.sync(path).skipped == report.skipped  # it is said again


def test_an_id_of_two_files_stays_with_the_first(tmp_path: Path, library: Library) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"id": "same", "text": f"from {name}"}))
    report = library.sync(tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert (report.added, [skip.reason for skip in report.skipped]) == (
        1,
        [f"document 'same': its id belongs to a document of {tmp_path / 'a.jsonl'}"],
    )
    (tmp_path / "a.jsonl").unlink()
    assert library.sync(tmp_path / "b.jsonl") == Report(changed=1)
    assert library.get("same").text == "from b"  # type: ignore[union-attr]


def test_a_missing_path_changes_nothing(tmp_path: Path, library: Library) -> None:
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(NestlingError, match=r"no such file or folder$"):
        library.sync(tmp_path / "a.txt", tmp_path / "none")
    assert len(library) == 3


def test_broken_lines_are_named_and_taken_in_when_they_are_mended(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "one", "text": "salmon"}\nbroken\n\n{"id": "three"}\n{"id": "one", "text": "again"}\n')
    report = library.sync(path)
    assert (report.added, [(skip.source, skip.reason) for skip in report.skipped]) == (
        2,
        [
            (f"{path}:2", "is not JSON"),
            (f"{path}:4", "has no text"),
            (str(path), "1 of its parts have the id of another, first 'one'; each is taken in under an id of its own"),
        ],
    )
    path.write_text('{"id": "one", "text": "salmon"}\n{"id": "two", "text": "heron"}\n')
    assert library.sync(path) == Report(added=1, unchanged=1, removed=1)
    assert ids(library, "heron", mode="lexical") == ["two"]


def test_a_document_whose_line_broke_stays_and_is_named_each_time(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "k", "text": "salmon"}\n{"id": "l", "text": "heron"}\n')
    library.sync(path)
    path.write_text('{"id": "k", "text": "salmon"}\n{"id": "l", "text": heron}\n')
    for _ in range(2):
        report = library.sync(path)
        assert (report.removed, [skip.source for skip in report.skipped]) == (0, [f"{path}:2"])
    assert "l" in library


def test_a_document_that_moved_to_another_file_is_there_after_one_sync(tmp_path: Path, library: Library) -> None:
    one, two = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    one.write_text('{"id": "k", "text": "salmon"}\n')
    two.write_text('{"id": "x", "text": "heron"}\n{"id": "y", "text": "otter"}\n')
    library.sync(tmp_path)
    one.write_text('{"id": "k", "text": "salmon"}\n{"id": "x", "text": "heron"}\n')
    two.write_text('{"id": "y", "text": "otter"}\n')
    assert library.sync(tmp_path) == Report(added=1, unchanged=2, removed=1)
    assert library.get("x").source == str(one)  # type: ignore[union-attr]


def test_rows_that_went_are_removed_though_two_files_share_an_id(tmp_path: Path, library: Library) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "k", "text": "salmon"}\n')
    two = tmp_path / "b.jsonl"
    two.write_text('{"id": "k", "text": "trout"}\n{"id": "old", "text": "obsolete"}\n{"id": "n", "text": "otter"}\n')
    assert (library.sync(tmp_path).added, len(library)) == (3, 6)
    two.write_text('{"id": "k", "text": "trout"}\n{"id": "n", "text": "otter"}\n')
    assert library.sync(tmp_path).removed == 1
    assert "old" not in library


def test_a_file_of_broken_lines_alone_keeps_its_documents(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "one", "text": "salmon"}\n')
    library.sync(path)
    path.write_text("broken\nbroken\n")
    assert [skip.source for skip in library.sync(path).skipped] == [f"{path}:1", f"{path}:2"]
    assert "one" in library


def test_rows_behind_the_place_where_a_file_breaks_keep_their_documents(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text\nr1,salmon\nr2,heron\nr3,otter\n")
    assert library.sync(path) == Report(added=3)
    path.write_bytes("id,text\nr1,salmon\n".encode("utf-16") + b"r")  # cut within a character
    (skip,) = library.sync(path).skipped
    assert skip.reason.endswith("the rest of the file was not read")
    assert "r3" in library
    assert library.sync(path).skipped == (skip,)


def test_an_id_that_another_file_gave_free_is_taken_in_at_the_next_sync(tmp_path: Path, library: Library) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "a.jsonl").write_text('{"id": "same", "text": "from a"}')
    (notes / "b.jsonl").write_text('{"id": "same", "text": "from b"}\n{"id": "other", "text": "of b"}')
    assert library.sync(notes).added == 2
    (notes / "a.jsonl").unlink()
    library.sync(notes)
    assert "same" in library
    assert library.get("same").text == "from b"  # type: ignore[union-attr]


def test_a_file_of_another_name_encoding_does_not_stop_the_others(tmp_path: Path, library: Library) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    try:
        os.close(os.open(os.fsencode(notes) + b"/caf\xe9.txt", os.O_CREAT | os.O_WRONLY))
    except OSError:
        pytest.skip("this file system takes no such name")
    (Path(os.fsdecode(os.fsencode(notes) + b"/caf\xe9.txt"))).write_text("text")
    (notes / "heron.txt").write_text("The heron stands in the reeds.")
    report = library.sync(notes)
    assert (report.added, len(report.skipped)) == (1, 1)
    assert str(notes / "heron.txt") in library


def test_a_sync_that_was_broken_off_goes_on_where_it_was(tmp_path: Path, library: Library) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    for n in range(90):
        (notes / f"{n}.txt").write_text(f"note {n}")
    told: list[int] = []

    def stop(now: Progress) -> None:
        assert now.files == 90
        told.append(now.committed.added)
        if now.committed.added:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        library.sync(notes, progress=stop)
    safe = len(library) - 3
    assert 0 < told[-1] <= safe < 90
    assert library.sync(notes) == Report(added=90 - safe, unchanged=safe)
    assert library.problems(full=True) == []


def test_a_document_of_the_program_is_not_lost_to_a_file_that_goes(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "heron", "text": "from the file"}')
    library.sync(tmp_path)
    path.unlink()
    assert library.sync(tmp_path) == Report(removed=1)
    assert {"owl", "burn", "fridge"} == set(ids(library, "anything", k=9))


def test_progress_tells_of_each_file_and_ends_with_all(tmp_path: Path, library: Library) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(name * 100)
    told: list[Progress] = []
    library.sync(tmp_path, progress=told.append)
    assert [(now.path, now.files_done, now.files, now.bytes_done, now.bytes) for now in told] == [
        (str(tmp_path / "a.txt"), 0, 2, 0, 200),
        (str(tmp_path / "b.txt"), 1, 2, 100, 200),
        ("", 2, 2, 200, 200),
    ]
    assert (told[-1].passages, told[-1].committed) == (2, Report(added=2))


def test_documents_of_files_tell_their_path_and_time(tmp_path: Path, library: Library) -> None:
    (tmp_path / "a.txt").write_text("The heron.")
    (tmp_path / "b.jsonl").write_text('{"id": "b", "text": "The otter.", "metadata": {"path": "its own", "year": 3}}')
    for name in ("a.txt", "b.jsonl"):
        os.utime(tmp_path / name, (86_400, 86_400))
    library.sync(tmp_path)
    metadata = {"path": str(tmp_path / "a.txt"), "modified": "1970-01-02T00:00:00Z"}
    assert library.get(metadata["path"]).metadata == metadata  # type: ignore[union-attr]
    assert library.get("b").metadata == {**metadata, "path": "its own", "year": 3}  # type: ignore[union-attr]
    assert ids(library, "heron", where={"modified": ("<", date(1970, 1, 3))}) == [metadata["path"], "b"]


def test_what_is_remembered_is_synced_where_no_path_is_given(tmp_path: Path, library: Library) -> None:
    notes, papers = tmp_path / "notes", tmp_path / "papers"
    for folder in (notes, papers):
        folder.mkdir()
        (folder / "a.txt").write_text(f"The heron of {folder.name}.")
        (folder / "b.md").write_text(f"The otter of {folder.name}.")
        (folder / "large.txt").write_text(f"The stork of {folder.name}. " * 90)
    library.sync(notes, ignore=["*.md"], max_bytes=500)
    library.sync(papers)
    for folder in (notes, papers):
        (folder / "new.txt").write_text(f"The crane of {folder.name}.")
        (folder / "new.md").write_text(f"The swan of {folder.name}.")
        (folder / "larger.txt").write_text(f"The gull of {folder.name}. " * 99)
    assert library.sync() == Report(added=4, unchanged=4)
    assert [Path(path).name for path in library.info().folders] == ["notes", "papers"]
    assert str(notes / "new.md") not in library
    assert library.sync(notes, ignore=[]).added == 2
    assert library.sync(notes, ignore=["new.*"]).removed == 2
    assert library.sync(notes, max_bytes=10**6).added == 2


def test_a_folder_that_is_missing_is_named_and_keeps_its_documents(tmp_path: Path, library: Library) -> None:
    notes, away = tmp_path / "notes", tmp_path / "away"
    notes.mkdir()
    (notes / "a.txt").write_text("The heron.")
    library.sync(notes)
    notes.rename(away)
    report = library.sync()
    assert (report.removed, [skip.source for skip in report.skipped]) == (0, [str(notes)])
    assert str(notes / "a.txt") in library
    away.rename(notes)
    assert library.sync() == Report(unchanged=1)


def test_what_is_forgotten_is_gone_and_not_synced_again(tmp_path: Path, library: Library) -> None:
    for name in ("notes/a.txt", "notes/sub/b.txt", "notes2/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"zaphod{Path(name).stem} is a heron.")
    library.sync(tmp_path / "notes", tmp_path / "notes2")
    with pytest.raises(NestlingError, match=r"knows no file at or below .*none; see: nestling info "):
        library.forget(tmp_path / "none")
    assert library.forget(tmp_path / "notes" / "sub") == Report(removed=1)
    assert library.forget(tmp_path / "notes") == Report(removed=1)
    left = bytes_of(library.path)
    assert [word in left for word in (b"zaphoda", b"zaphodb", b"zaphodc")] == [False, False, True]
    assert library.info().folders == [str(tmp_path / "notes2")]
    assert library.sync() == Report(unchanged=1)


def test_nothing_is_left_in_the_file_of_files_that_changed_or_went(tmp_path: Path, library: Library) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    # A word as the full text has it, and what the text is deflated to.
    looked_for: dict[str, tuple[bytes, bytes]] = {}
    # Each begins as no other word does, of which the full text would keep the rest alone.
    for name, word in (("changed", "quagga"), ("gone", "vicuna"), ("kept", "xolotl")):
        text = f"{word} {' '.join(map(str, range(400)))}"
        (notes / f"{name}.txt").write_text(text)
        packed = to_stored(text)
        assert isinstance(packed, bytes)
        looked_for[name] = (word.encode(), packed[2:60])

    def left() -> dict[str, list[bool]]:
        there = bytes_of(library.path)
        return {name: [one in there for one in parts] for name, parts in looked_for.items()}

    library.sync(notes)
    assert left() == {name: [True, True] for name in looked_for}
    (notes / "changed.txt").write_text("Something else.")
    (notes / "gone.txt").unlink()
    assert library.sync() == Report(changed=1, unchanged=1, removed=1)
    assert left() == {"changed": [False, False], "gone": [False, False], "kept": [True, True]}
