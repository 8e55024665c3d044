"""The command line as a person uses it: a process of its own, its output, its exit code, and never a traceback."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from bundles import tiny_bundle, turn_golden
from nestling import Index, Library, Report
from nestling.bundle.manifest import DEFAULT, default_bundle, read_bundle
from nestling.cli import commands
from processes import Run, started

GRAPH, FORMAT = read_bundle().variants[0].graph, f'"format": {read_bundle().format}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of each kind."""
    folder = tmp_path_factory.mktemp("notes")
    (folder / "owls.txt").write_text("Owls hunt at night. They hear a mouse under the snow.")
    (folder / "burns.md").write_text("# Burns\n\nCool the burn under running water for twenty minutes.")
    (folder / "page.html").write_text("<title>Router</title><p>Hold the reset button for ten seconds.</p>")
    (folder / "list.csv").write_text("id,text,year\nc1,The fridge shows E24 when the drain is blocked,2024\n")
    lines = [
        json.dumps({"id": "j1", "text": "Amoxicillin is dosed by weight.", "metadata": {"year": 2023}}),
        "this is not JSON",
        json.dumps({"id": "j2"}),
    ]
    (folder / "notes.jsonl").write_text("\n".join(lines))
    (folder / "photo.jpg").write_bytes(b"\xff\xd8")
    (folder / ".hidden.txt").write_text("a secret")
    return folder


@pytest.fixture(scope="module")
def library(folder: Path, nestling: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of that folder."""
    path = tmp_path_factory.mktemp("library") / "notes.nest"
    assert nestling("add", path, folder).returncode == 0
    return path


def fails(result: object, message: str) -> None:
    """Exit code 1, nothing on stdout, and one line on stderr that holds the message."""
    assert (result.returncode, result.stdout) == (1, "")  # type: ignore[attr-defined]
    lines = result.stderr.splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert message in lines[0]


def test_add_counts_what_it_did_and_names_what_it_skipped(nestling: Run, folder: Path, tmp_path: Path) -> None:
    result = nestling("add", tmp_path / "a.nest", folder)
    assert result.returncode == 0
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"skipped {folder}/notes.jsonl:2: is not JSON",
        f"skipped {folder}/notes.jsonl:3: has no text",
        "5 added, 0 changed, 0 unchanged, 0 removed, 2 skipped",
    ]


def test_adding_again_reads_only_what_changed(nestling: Run, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    for name in ("a", "b", "c"):
        (notes / f"{name}.txt").write_text(f"file {name}")
    nestling("add", tmp_path / "a.nest", notes)
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
    }


def test_search_finds_the_answer_in_other_words(nestling: Run, library: Path, folder: Path) -> None:
    result = nestling("search", library, "what does a bird of prey do after dark", "-k", "1")
    assert result.returncode == 0
    assert f"[{folder}/owls.txt]" in result.stdout
    assert "(meaning 1, words" in result.stdout


def test_search_finds_an_exact_code(nestling: Run, library: Path) -> None:
    hits = [json.loads(line) for line in nestling("search", library, "E24", "--json").stdout.splitlines()]
    assert hits[0]["id"] == "c1"
    assert hits[0]["lexical_rank"] == 1
    assert set(hits[0]) == {
        "id", "score", "title", "text", "source", "metadata", "passage", "place", "snippet", "marks", "dense_rank",
        "lexical_rank",
    }  # fmt: skip


def test_search_keeps_to_a_filter(nestling: Run, library: Path) -> None:
    result = nestling("search", library, "water", "--where", "year>=2024", "--json")
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["c1"]


def test_nothing_found_is_said_and_is_no_error(nestling: Run, library: Path) -> None:
    result = nestling("search", library, "water", "--where", "year>3000")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "nothing found\n")


def test_remove_takes_documents_away(nestling: Run, library: Path, tmp_path: Path) -> None:
    shutil.copy(library, tmp_path / "copy.nest")
    assert nestling("remove", tmp_path / "copy.nest", "c1", "j1").stderr == "2 removed\n"
    assert nestling("search", tmp_path / "copy.nest", "E24", "--mode", "lexical").stderr == "nothing found\n"
    fails(nestling("remove", tmp_path / "copy.nest", "c1"), "has no document 'c1'; nothing was removed")


def test_info_of_a_library_and_of_a_bundle(nestling: Run, library: Path, folder: Path) -> None:
    values = json.loads(nestling("info", library, "--json").stdout)
    assert (values["documents"], values["passages"], values["files"]) == (5, 5, 5)
    assert (values["failures"], values["folders"]) == (2, [str(folder)])
    assert values["bytes of bits"] == 5 * 48
    assert (values["bundle"], values["dim"]) == (DEFAULT, 384)
    described = json.loads(nestling("info", default_bundle(), "--json").stdout)
    assert described["variants"] == [variant.name for variant in read_bundle().variants]
    assert described["bytes of xl.int4"] <= 12_500_000 < described["bytes of xl.int8"] < described["bytes"]


def test_check_finds_a_sound_library_and_bundle_sound(nestling: Run, library: Path) -> None:
    assert nestling("check", library).stdout == f"{library}: sound\n"
    result = nestling("check", default_bundle())
    assert result.returncode == 0
    for line, variant in zip(result.stdout.splitlines(), read_bundle().variants, strict=True):
        assert line.startswith(f"{default_bundle()}: {variant.name}: sound; cosine ")
        # Where processors round otherwise, a nearest text out of a hundred may be another.
        assert re.search(r"(9[5-9]|100)% of nearest texts the same over 64 texts, \d+ tokens a second$", line)


def test_check_prints_what_it_measured_before_it_fails(nestling: Run, tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path)
    turn_golden(folder, 0.9, "xl.int4")
    result = nestling("check", folder)
    assert result.returncode == 1
    (line,) = result.stdout.splitlines()
    assert line.startswith(f"{folder}: xl.int8: sound; cosine ")
    (error,) = result.stderr.splitlines()
    assert error.startswith(f"error: {folder}: xl.int4 gives on this machine a vector with cosine 0.9")
    assert error.endswith(" to the one at the build, expected 0.985 or more; do not use it here and please report it")


def test_check_finds_damage(nestling: Run, library: Path, tmp_path: Path) -> None:
    shutil.copy(library, tmp_path / "broken.nest")
    with sqlite3.connect(tmp_path / "broken.nest") as db:
        db.execute("DELETE FROM fine WHERE key = 1")
    fails(nestling("check", tmp_path / "broken.nest"), "1 passages have no fine code; mend it with: nestling check")
    mended = nestling("check", tmp_path / "broken.nest", "--repair")
    assert (mended.returncode, mended.stdout) == (0, f"{tmp_path / 'broken.nest'}: sound\n")
    assert mended.stderr == f"{tmp_path / 'broken.nest'}: 1 passages have no fine code\n"
    assert nestling("check", tmp_path / "broken.nest", "--full").returncode == 0
    fails(nestling("check", default_bundle(), "--repair"), "is no library; --full and --repair are for libraries")


def test_a_copied_library_answers_as_the_first(nestling: Run, library: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(library, tmp_path / "elsewhere" / "copy.nest")
    ask = ("snow", "--json")
    copy = nestling("search", tmp_path / "elsewhere" / "copy.nest", *ask).stdout
    assert copy == nestling("search", library, *ask).stdout != ""


def test_the_demo_runs_and_shows_both_ranks(nestling: Run) -> None:
    result = nestling("demo")
    assert result.returncode == 0
    assert result.stdout.count("\n? ") >= 8
    assert "   meaning  words" in result.stdout
    assert " *       1      -  " in result.stdout  # found by meaning alone


def test_help_names_every_command(nestling: Run) -> None:
    text = nestling("--help").stdout
    for command in commands.commands:
        assert f"\n  {command} " in text
        said = nestling(command, "--help")
        assert said.returncode == 0
        assert command == "demo" or "\n  Examples:\n    " in said.stdout


def test_the_examples_of_the_help_are_read_by_the_parser() -> None:
    examples = [
        shlex.split(line)[1:]
        for command in commands.commands.values()
        for line in (command.epilog or "").splitlines()
        if line.strip().startswith("nestling ")
    ]
    assert len(examples) > 12
    for name, *arguments in examples:
        until = next((place for place, one in enumerate(arguments) if one in (">", "|")), None)
        commands.commands[name].make_context(name, arguments[:until])


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


def test_a_library_is_dumped_as_lines_and_as_parquet(nestling: Run, library: Path, tmp_path: Path) -> None:
    assert nestling("dump", library, tmp_path / "a.jsonl").stderr == f"5 passages written to {tmp_path / 'a.jsonl'}\n"
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert nestling("dump", library, tmp_path / "a.parquet").returncode == 0
    table = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "a.parquet").to_pylist()
    assert [row | {"metadata": json.loads(row["metadata"])} for row in table] == [
        {**row, "vector": np.float32(row["vector"]).tolist()} for row in rows
    ]
    assert {row["document"] for row in rows} >= {"c1", "j1"}
    assert np.allclose(np.linalg.norm([row["vector"] for row in rows], axis=1), 1, atol=0.01)
    fails(nestling("dump", library, tmp_path / "a.csv"), "ends with '.csv', expected .jsonl or .parquet")
    fails(nestling("dump", library, tmp_path / "no" / "a.jsonl"), "does not exist; make it first")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.jsonl", "a.parquet"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_given_its_completion(nestling: Run, shell: str) -> None:
    assert "_NESTLING_COMPLETE" in nestling("completion", shell).stdout


def test_wrong_usage_exits_2(nestling: Run, library: Path) -> None:
    assert nestling("search", library).returncode == 2
    assert nestling("search", library, "q", "--mode", "magic").returncode == 2
    assert nestling("fly").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "{library}", ""], "the query is empty; give a question or a few words"),
        (["search", "{library}", "   "], "the query is empty"),
        (["search", "{library}", "word " * 2_500], "the query has 2500 words, at most 2000 are searched; shorten it"),
        (["search", "{library}", "q", "-k", "0"], "k is 0, expected a whole number of 1 or more"),
        (["search", "{library}", "q", "-k", "-3"], "k is -3, expected a whole number of 1 or more"),
        (["search", "{library}", "q", "--where", "year~2000"], "cannot read the filter 'year~2000'"),
        (["search", "{tmp}/none.nest", "q"], "none.nest: no library there; make one with: nestling add"),
        (["search", "{tmp}/no/where.nest", "q"], "no library there"),
        (["add", "{tmp}/no/where.nest", "{library}"], "the folder"),
        (["add", "{tmp}/a.nest", "{tmp}/missing"], "missing: no such file or folder"),
        (["add", "{tmp}/a.nest", "{tmp}/photo.jpg"], "photo.jpg: no reader for .jpg; known are .csv .docx .eml"),
        (["add", "{tmp}/a.nest", "{tmp}/empty.txt"], "empty.txt: is empty"),
        (["add", "{tmp}/a.nest", "{tmp}/bad.txt"], "bad.txt: is not UTF-8 text (byte 3); save it as UTF-8"),
        (
            ["search", "{tmp}/photo.jpg", "q"],
            "photo.jpg: is not a Nestling library; expected a file that nestling made",
        ),
        (["search", "{tmp}/other.db", "q"], "other.db: is an SQLite file of another program"),
        (["info", "{tmp}/none.nest"], "no library there"),
        (["info", "{tmp}"], "manifest.json: cannot be read (No such file or directory); a bundle is a folder with"),
        (["check", "{tmp}/photo.jpg"], "is not a Nestling library"),
        (["search", "{library}", "q", "--bundle", "{tmp}"], "manifest.json: cannot be read"),
        (
            ["eval", "{tmp}"],
            "qrels/test.tsv: cannot be read (No such file or directory); expected a folder in BEIR lay",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_1(
    nestling: Run, library: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8" * 600)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "bad.txt").write_bytes(b"caf\xc3\xff")
    with sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("CREATE TABLE t (x)")
    result = nestling(*[argument.format(library=library, tmp=tmp_path) for argument in arguments])
    if arguments[0] == "add" and "skipped" in result.stderr:
        *said, last = result.stderr.splitlines()
        assert said[0].startswith("skipped ")
        result.stderr = last
    fails(result, message)


def test_what_cannot_be_read_does_not_stop_the_rest(nestling: Run, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "bad.txt").write_bytes(b"caf\xe9")
    (notes / "empty.md").write_text("\n\n")
    (notes / "good.txt").write_text("the good one")
    (notes / "gone.txt").symlink_to(tmp_path / "nowhere")
    twice = [json.dumps({"id": "same", "text": f"number {number}"}) for number in (1, 2)]
    (notes / "twice.jsonl").write_text("\n".join(twice))
    result = nestling("add", tmp_path / "a.nest", notes)
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        f"skipped {notes}/bad.txt: is not UTF-8 text (byte 3); save it as UTF-8",
        f"skipped {notes}/empty.md: is empty",
        f"skipped {notes}/twice.jsonl: document 'same': its id is in this file already",
        "2 added, 0 changed, 0 unchanged, 0 removed, 3 skipped",
    ]


def test_a_library_of_another_bundle_names_both(nestling: Run, library: Path, tmp_path: Path) -> None:
    shutil.copy(library, tmp_path / "other.nest")
    with sqlite3.connect(tmp_path / "other.nest") as db:
        db.execute("UPDATE meta SET value = 'german-small' WHERE key = 'bundle'")
        db.execute("UPDATE meta SET value = 'abcdef0123456789' WHERE key = 'space'")
    fails(
        nestling("search", tmp_path / "other.nest", "q"),
        f"was made with bundle german-small (space abcdef01, dim 384), not {DEFAULT} (space ",
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / GRAPH).unlink(), f"{GRAPH}: cannot be read (No such file or dir"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "tokenizer.json: has 2 bytes, expected"),
        (lambda folder: swap(folder / "manifest.json", f'"{GRAPH}"', '"../model.onnx"'), "leaves the bundle's"),
        (lambda folder: swap(folder / "manifest.json", FORMAT, '"format": 9'), "has format 9, this Nestling re"),
    ],
)
def test_a_damaged_bundle_is_named(nestling: Run, tmp_path: Path, damage: object, message: str) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(default_bundle(), bundle)
    damage(bundle)  # type: ignore[operator]
    fails(nestling("check", bundle), message)
    (tmp_path / "a.txt").write_text("a")
    fails(nestling("add", tmp_path / "a.nest", tmp_path / "a.txt", "--bundle", bundle), message)
    assert not (tmp_path / "a.nest").exists()


def swap(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_an_index_is_checked_and_described(nestling: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.index"
    index = Index(16)
    index.add(range(4), np.full((4, 16), 0.25, dtype=np.float32))
    index.save(path)
    assert nestling("check", path).stdout == f"{path}: sound\n"
    values = json.loads(nestling("info", path, "--json").stdout)
    assert (values["vectors"], values["dim"], values["fine"]) == (4, 16, "int8")
    data = bytearray(path.read_bytes())
    data[data.rindex(b"\x7f")] ^= 1
    path.write_bytes(data)
    fails(nestling("check", path), "fine of rows 0 to 3 differ from their hash; restore it from a copy or build it")


def test_a_path_that_is_not_there_makes_no_library(nestling: Run, tmp_path: Path) -> None:
    fails(nestling("add", tmp_path / "new.nest", tmp_path / "none"), f"{tmp_path / 'none'}: no such file or folder")
    fails(nestling("add", tmp_path / "new.nest", "~nobody-of-this-name/notes"), "leads nowhere")
    assert list(tmp_path.iterdir()) == []
