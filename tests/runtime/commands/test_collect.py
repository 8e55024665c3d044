"""Commands that change a library: what they did is counted, what was skipped is named."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

from nestling import Library, Report
from processes import Run, fails, started


def test_add_counts_what_it_did_and_names_what_it_skipped(nestling: Run, folder: Path, tmp_path: Path) -> None:
    result = nestling("add", tmp_path / "a.nest", folder)
    assert result.returncode == 0
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"skipped {folder}/notes.jsonl:2: is not JSON",
        f"skipped {folder}/notes.jsonl:3: has no text",
        "passed over 1 file of a kind that is not read: .jpg",
        "5 added, 0 changed, 0 unchanged, 0 removed, 2 skipped",
    ]


def test_adding_again_reads_only_what_changed(nestling: Run, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    for name in ("a", "b", "c"):
        (notes / f"{name}.txt").write_text(f"file {name}")
    nestling("add", tmp_path / "a.nest", notes, "--max-size", "999999999999999GB")  # more than the file can say
    (notes / "a.txt").write_text("file a, second edition")
    (notes / "b.txt").unlink()
    (notes / "d.txt").write_text("file d")
    result = nestling("add", tmp_path / "a.nest", notes, "--json")
    assert json.loads(result.stdout) == {
        "added": 1,
        "changed": 1,
        "unchanged": 1,
        "removed": 1,
        "skipped": [],
        "refined": 0,
        "copies": 0,
        "passed_over": {},
        "foreign": 0,
    }


def test_remove_takes_documents_away(nestling: Run, library: Path, tmp_path: Path) -> None:
    shutil.copy(library, tmp_path / "copy.nest")
    assert nestling("remove", tmp_path / "copy.nest", "c1", "j1").stderr == "2 removed\n"
    assert nestling("search", tmp_path / "copy.nest", "E24", "--mode", "lexical").stderr == "nothing found\n"
    fails(nestling("remove", tmp_path / "copy.nest", "c1"), "has no document 'c1'; nothing was removed")


def test_sync_goes_on_with_what_was_added(nestling: Run, tmp_path: Path) -> None:
    (tmp_path / "notes" / "old").mkdir(parents=True)
    (tmp_path / "notes" / "owl.txt").write_text("owls hunt at night")
    (tmp_path / "notes" / "old" / "bat.txt").write_text("bats use echoes")
    (tmp_path / "notes" / "large.txt").write_text("salmon leap " * 1000)
    options = ("--ignore", "old/", "--max-size", "1KB")
    added = nestling("add", tmp_path / "a.nest", tmp_path / "notes", *options)
    assert added.stderr == "1 added, 0 changed, 0 unchanged, 0 removed, 0 skipped\n"
    (tmp_path / "notes" / "crow.txt").write_text("crows remember faces")
    again = nestling("sync", tmp_path / "a.nest")
    assert again.stderr == "1 added, 0 changed, 1 unchanged, 0 removed, 0 skipped\n"
    assert nestling("forget", tmp_path / "a.nest", tmp_path / "notes").stderr == "2 removed\n"
    fails(nestling("forget", tmp_path / "a.nest", tmp_path / "notes"), "knows no file at or below")
    assert nestling("add", tmp_path / "a.nest", tmp_path / "notes", "--max-size", "large").returncode == 2


def test_ctrl_c_stops_at_once_and_keeps_what_is_done(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    for number in range(400):
        (tmp_path / "notes" / f"{number:03}.txt").write_text(f"Note {number}. " + "Owls hunt at night. " * 80)
    with started("add", tmp_path / "a.nest", tmp_path / "notes") as child:
        while not (tmp_path / "a.nest-wal").exists() or (tmp_path / "a.nest-wal").stat().st_size < 600_000:
            time.sleep(0.02)
            assert child.poll() is None
        begin = time.monotonic()
        child.send_signal(signal.SIGINT)
        said = child.communicate()[1]
        took = time.monotonic() - begin
    assert child.returncode == 130
    # On a slow machine there is a line of progress before.
    assert said.splitlines()[-1] == "stopped; what was done is kept, and the same command goes on from there"
    assert took < 3  # a second, on a machine that does nothing else
    with Library(tmp_path / "a.nest", create=False) as library:
        kept = len(library)
        assert library.problems(full=True) == []
        assert 0 < kept < 400
        assert library.sync() == Report(added=400 - kept, unchanged=kept)


def test_what_cannot_be_read_does_not_stop_the_rest(nestling: Run, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "bad.txt").write_bytes(b"\x7fELF\x01\x01\x01\0\x80\0\xff\0\x90\x05")
    (notes / "empty.md").write_text("\n\n")
    (notes / "good.txt").write_text("the good one")
    (notes / "gone.txt").symlink_to(tmp_path / "nowhere")
    twice = [json.dumps({"id": "same", "text": f"number {number}"}) for number in (1, 2)]
    (notes / "twice.jsonl").write_text("\n".join(twice))
    result = nestling("add", tmp_path / "a.nest", notes)
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        f"skipped {notes}/bad.txt: is not UTF-8 text (byte 8); save it as UTF-8",
        f"skipped {notes}/twice.jsonl: 1 of its parts have the id of another, first 'same'; each is taken in "
        "under an id of its own",
        "3 added, 0 changed, 0 unchanged, 0 removed, 2 skipped",
    ]


def test_files_that_no_reader_knows_are_told_in_one_line(nestling: Run, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    kinds = ["json", "json", "json", "py", "py", "xml", "yaml", "toml", "ini"]
    for number, kind in enumerate(kinds):
        (notes / f"{number}.{kind}").write_text("x = 1")
    (notes / "a.txt").write_text("the good one")
    said = "passed over 9 files of kinds that are not read: .json 3, .py 2, .xml 1, .yaml 1, .toml 1, others 1"
    first = nestling("add", tmp_path / "a.nest", notes)
    assert first.stderr.splitlines() == [said, "1 added, 0 changed, 0 unchanged, 0 removed, 0 skipped"]
    again = nestling("sync", tmp_path / "a.nest", "--json")
    assert again.stderr.splitlines() == [said, "0 added, 0 changed, 1 unchanged, 0 removed, 0 skipped"]
    assert json.loads(again.stdout)["passed_over"][".json"] == 3


def test_a_path_that_is_not_there_makes_no_library(nestling: Run, tmp_path: Path) -> None:
    fails(nestling("add", tmp_path / "new.nest", tmp_path / "none"), f"{tmp_path / 'none'}: no such file or folder")
    fails(nestling("add", tmp_path / "new.nest", "~nobody-of-this-name/notes"), "leads nowhere")
    assert list(tmp_path.iterdir()) == []


def test_documents_in_a_script_that_the_encoder_does_not_know_are_told(tmp_path: Path, nestling: Run) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "am.txt").write_text("ጉጉቶች በሌሊት ያድናሉ")
    (tmp_path / "docs" / "en.txt").write_text("Owls hunt at night.")
    done = nestling("add", tmp_path / "a.nest", tmp_path / "docs", "--json")
    assert json.loads(done.stdout)["foreign"] == 1
    assert (
        "1 documents are in a script that the encoder does not know: they are found by their words alone; for about 90 "
        "languages there is the bundle nestling-multi\n"
    ) in done.stderr
    assert json.loads(nestling("sync", tmp_path / "a.nest", "--json").stdout)["foreign"] == 0
