"""What is gone from files is gone from search, and what was removed by hand comes back where it is asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from nestling import Document, Encoder, Library, Report
from stored import opened


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "heron.txt").write_text("The heron stands in the reeds.")
    lines = [json.dumps({"id": f"line{n}", "text": f"Line {n} of the table."}) for n in range(3)]
    (tmp_path / "notes" / "lines.jsonl").write_text("\n".join(lines))
    return tmp_path / "notes"


def found(library: Library, query: str) -> list[str]:
    return [hit.id for hit in library.search(query, mode="lexical")]


def test_rows_that_left_a_table_are_gone(tmp_path: Path, encoder: Encoder, notes: Path) -> None:
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.sync(notes)
        (notes / "lines.jsonl").write_text(json.dumps({"id": "line1", "text": "Line 1 of the table."}))
        assert library.sync() == Report(unchanged=2, removed=2)
        assert found(library, "table") == ["line1"]
        assert library.problems(full=True) == []


def test_a_file_that_cannot_be_read_any_more_keeps_what_it_had(tmp_path: Path, encoder: Encoder, notes: Path) -> None:
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.sync(notes)
        (notes / "lines.jsonl").write_text('{"id": "line1", "text": "Line 1 of the ta')
        report = library.sync()
        assert (report.removed, len(report.skipped)) == (0, 1)
        assert sorted(found(library, "table")) == ["line0", "line1", "line2"]


def test_a_file_added_by_its_name_goes_where_it_is_deleted(tmp_path: Path, encoder: Encoder, notes: Path) -> None:
    alone = tmp_path / "alone" / "otter.txt"
    alone.parent.mkdir()
    alone.write_text("The otter dives.")
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.sync(notes / "heron.txt", alone)
        for path in (notes / "heron.txt", alone):  # one beside others, one that leaves an empty folder
            path.unlink()
        assert library.sync() == Report(removed=2)
        assert library.info().folders == []
        assert library.sync() == Report()


def test_a_file_whose_drive_is_away_keeps_its_documents(tmp_path: Path, encoder: Encoder, notes: Path) -> None:
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.sync(notes / "heron.txt")
        with opened(library.path) as db:
            db.execute("UPDATE folders SET device = device + 1")  # as a file on another drive
        shutil.move(notes, tmp_path / "away")
        for empty in (False, True):  # the folder is gone, or is the empty one that a drive was mounted on
            if empty:
                notes.mkdir()
            (skip,) = library.sync().skipped
            assert skip.reason == "is not there; its documents are kept until it is forgotten"
            assert found(library, "heron") == [str(notes / "heron.txt")]
        shutil.rmtree(notes)
        shutil.move(tmp_path / "away", notes)
        assert library.sync() == Report(unchanged=1)


@pytest.mark.parametrize("removed", [["line1"], ["line0", "line1", "line2"]])
def test_what_was_removed_by_its_id_is_back_where_its_file_is_named(
    tmp_path: Path, encoder: Encoder, notes: Path, removed: list[str]
) -> None:
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.sync(notes)
        library.remove(removed)
        for report in (library.sync(), library.sync(notes)):
            assert report == Report(unchanged=4 - len(removed))
        assert library.sync(notes / "lines.jsonl").added == len(removed)
        assert sorted(found(library, "table")) == ["line0", "line1", "line2"]
        assert library.sync() == Report(unchanged=4)


def test_the_empty_place_of_a_drive_keeps_the_documents_of_a_folder(
    tmp_path: Path, encoder: Encoder, notes: Path
) -> None:
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.sync(notes)
        shutil.move(notes, tmp_path / "away")
        notes.mkdir()
        with opened(library.path) as db:
            db.execute("UPDATE folders SET device = device + 1")  # as a folder on another drive
        (skip,) = library.sync().skipped
        assert skip.reason == "is not there; its documents are kept until it is forgotten"
        assert found(library, "heron") == [str(notes / "heron.txt")]
        with opened(library.path) as db:
            db.execute("UPDATE folders SET device = device - 1")
        assert library.sync() == Report(removed=4)


def test_a_file_that_was_emptied_has_nothing_in_the_library(tmp_path: Path, encoder: Encoder, notes: Path) -> None:
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.sync(notes)
        (notes / "lines.jsonl").write_text("\n")
        (notes / "heron.txt").write_bytes(b"")
        assert library.sync() == Report(removed=4)
        assert len(library) == 0
        assert library.problems(full=True) == []


def test_a_message_that_was_deleted_goes_where_another_has_an_attachment_that_is_not_read(
    tmp_path: Path, encoder: Encoder
) -> None:
    def message(number: int, *parts: str) -> str:
        head = f"From a@b.org Thu Jan  1 00:00:00 2026\nMessage-ID: <{number}@b.org>\nSubject: note {number}\n"
        kind = 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="x"\n\n'
        inside = "".join(f"--x\n{part}\n" for part in ("Content-Type: text/plain\n\nthe heron", *parts))
        return f"{head}{kind}{inside}--x--\n\n"

    attached = "Content-Type: a/b\nContent-Disposition: attachment; filename=a.thing\n\n0123456789"
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        (tmp_path / "box.mbox").write_text(message(1) + message(2, attached))
        report = library.sync(tmp_path / "box.mbox")
        assert (report.added, [skip.within for skip in report.skipped]) == (2, [True])
        (tmp_path / "box.mbox").write_text(message(2, attached))
        assert library.sync().removed == 1
        assert [hit.title for hit in library.search("heron", mode="lexical")] == ["note 2"]


def test_a_document_of_the_callers_own_is_left_whatever_becomes_of_its_file(
    tmp_path: Path, encoder: Encoder, notes: Path
) -> None:
    for name in ("heron.txt", "lines.jsonl"):
        shutil.copy(notes / name, notes / f"second {name}")
    own = [
        Document(f"own {name}", f"My own words on {name}.", source=str(notes / name))
        for name in ("heron.txt", "lines.jsonl")
    ]
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.add(own)
        assert library.sync(notes) == Report(added=4, copies=2)
        for name in ("heron.txt", "lines.jsonl"):
            (notes / name).unlink()
        assert library.sync() == Report(unchanged=4)
        library.forget(notes)
        assert [library.get(document.id) for document in own] == own
        assert len(library) == 2
