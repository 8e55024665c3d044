"""What a sync does not read or encode again: files that moved, were touched, or failed before."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nestling import Library, Report
from nestling.library.intake.sync import Progress


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    notes = tmp_path / "notes"
    (notes / "sub").mkdir(parents=True)
    (notes / "heron.txt").write_text("The heron stands in the reeds. " * 60)
    (notes / "otter.md").write_text("# The otter\n" + "It dives for a fish. " * 60)
    lines = [{"id": f"line{n}", "text": f"Line {n} of a table.", "title": "Lines"} for n in range(5)]
    (notes / "lines.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return notes


@pytest.fixture
def mirror(tmp_path: Path, counting: Any, notes: Path) -> Iterator[Library]:
    """A library of the notes, whose encoder starts to count behind them."""
    with Library(tmp_path / "mirror.nest", encoder=counting) as library:
        assert library.sync(notes) == Report(added=7)
        counting.encoded.clear()
        yield library


def synced(library: Library) -> tuple[Report, int]:
    """What a sync reports, and how many passages it encoded."""
    told: list[Progress] = []
    report = library.sync(progress=told.append)
    return report, told[-1].passages


@pytest.mark.parametrize(
    ("old", "new"), [("heron.txt", "sub/heron.txt"), ("heron.txt", "stork.txt"), ("otter.md", "sub/mink.md")]
)
def test_a_file_that_moved_is_not_encoded_again(
    mirror: Library, notes: Path, counting: Any, old: str, new: str
) -> None:
    query = "a bird that stands in the reeds" if old == "heron.txt" else "an animal under water"
    before = mirror.search(query, k=1, mode="dense")[0]
    assert before.source == str(notes / old)
    (notes / old).rename(notes / new)
    assert synced(mirror) == (Report(added=1, unchanged=6, removed=1), 0)
    assert counting.encoded == []
    after = mirror.search(query, k=1, mode="dense")[0]
    assert (after.id, after.source, after.score) == (str(notes / new), str(notes / new), before.score)
    assert after.metadata["path"] == str(notes / new)
    assert str(notes / old) not in mirror
    assert mirror.problems(full=True) == []


@pytest.mark.parametrize("new", ["sub/lines.jsonl", "aaa.jsonl", "zzz.jsonl"])
def test_a_table_that_moved_is_not_encoded_again_and_is_there_after_one_sync(
    mirror: Library, notes: Path, counting: Any, new: str
) -> None:
    (notes / "lines.jsonl").rename(notes / new)
    report, encoded = synced(mirror)
    assert (encoded, counting.encoded, report.removed, report.skipped) == (0, [], 0, ())
    assert [mirror.get(f"line{n}").source for n in range(5)] == [str(notes / new)] * 5  # type: ignore[union-attr]
    assert len(mirror) == 7
    assert synced(mirror) == (Report(unchanged=7), 0)
    assert mirror.problems(full=True) == []


def test_a_folder_that_moved_is_not_encoded_again(mirror: Library, notes: Path) -> None:
    for name in ("heron.txt", "otter.md"):
        (notes / name).rename(notes / "sub" / name)
    (notes / "sub").rename(notes / "birds")
    assert synced(mirror) == (Report(added=2, unchanged=5, removed=2), 0)


def test_a_file_that_moved_and_one_in_its_place_are_told_apart(mirror: Library, notes: Path, counting: Any) -> None:
    (notes / "heron.txt").rename(notes / "sub" / "heron.txt")
    (notes / "heron.txt").write_text("Something else.")
    mirror.sync()
    assert mirror.get(str(notes / "heron.txt")).text == "Something else."  # type: ignore[union-attr]
    assert str(notes / "sub" / "heron.txt") in mirror


def test_a_file_that_was_touched_is_not_read_again(mirror: Library, notes: Path, counting: Any) -> None:
    for path in (notes / "heron.txt", notes / "lines.jsonl"):
        os.utime(path, (86_400, 86_400))
    assert synced(mirror) == (Report(unchanged=7), 0)
    for id in (str(notes / "heron.txt"), "line3"):
        assert mirror.get(id).metadata["modified"] == "1970-01-02T00:00:00Z"  # type: ignore[union-attr]
    told: list[Progress] = []
    mirror.sync(progress=told.append)
    assert told[-1].files == 0
    assert mirror.problems(full=True) == []


def test_a_line_that_changed_is_all_that_is_encoded(mirror: Library, notes: Path, counting: Any) -> None:
    path = notes / "lines.jsonl"
    path.write_text(path.read_text().replace("Line 3 of a table", "Line 3 of a chair"))
    assert synced(mirror) == (Report(changed=1, unchanged=6), 1)
    assert counting.encoded == ["Lines\nLine 3 of a chair."]


def test_the_name_of_a_file_does_not_stand_before_its_passages_and_a_title_does(
    tmp_path: Path, counting: Any, notes: Path
) -> None:
    with Library(tmp_path / "b.nest", encoder=counting) as library:
        library.sync(notes)
    assert all(text.startswith("The heron") for text in counting.encoded if "heron" in text)
    assert all(text.startswith("The otter\n") for text in counting.encoded if "dives" in text)
    assert "Lines\nLine 3 of a table." in counting.encoded


def test_a_file_that_failed_is_not_read_again_until_it_changes(mirror: Library, notes: Path) -> None:
    (notes / "broken.txt").write_bytes(b"\xff\0\1 broken")
    first = mirror.sync()
    assert [skip.source for skip in first.skipped] == [str(notes / "broken.txt")]
    assert mirror.failures() == list(first.skipped)
    told: list[Progress] = []
    assert mirror.sync(progress=told.append).skipped == first.skipped
    assert told[-1].files == 0
    (notes / "broken.txt").write_text("mended")
    assert mirror.sync() == Report(added=1, unchanged=7)
    assert mirror.failures() == []


def test_what_may_pass_by_itself_is_tried_again(mirror: Library, notes: Path) -> None:
    (notes / "other.jsonl").write_text('{"id": "line1", "text": "of another file"}')
    report = mirror.sync()
    assert [skip.transient for skip in report.skipped] == [True]
    told: list[Progress] = []
    assert mirror.sync(progress=told.append).skipped == report.skipped
    assert told[-1].files == 1
    (notes / "lines.jsonl").unlink()
    mirror.sync()
    assert mirror.sync().skipped == ()
    assert mirror.get("line1").text == "of another file"  # type: ignore[union-attr]


@pytest.mark.parametrize("change", ["link", "ignored"])
def test_a_file_that_is_no_longer_found_takes_its_documents_along(mirror: Library, notes: Path, change: str) -> None:
    if change == "link":
        (notes / "heron.txt").rename(notes.parent / "heron.txt")
        (notes / "heron.txt").symlink_to(notes.parent / "heron.txt")
    else:
        (notes / ".nestlingignore").write_text("heron.*\n")
    assert mirror.sync() == Report(unchanged=6, removed=1)
    assert str(notes / "heron.txt") not in mirror
