"""The command line as a person uses it: its help, its exit codes, and never a traceback."""

from __future__ import annotations

import shlex
import sqlite3
from pathlib import Path

import pytest

from nestling.cli import commands
from processes import Run, fails


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
        (
            ["add", "{tmp}/a.nest", "{tmp}/photo.jpg"],
            "photo.jpg: no reader for .jpg; known are .adoc .asciidoc .bib .csv",
        ),
        (["add", "{tmp}/a.nest", "{tmp}/bad.txt"], "bad.txt: is not UTF-8 text (byte 8); save it as UTF-8"),
        (
            ["search", "{tmp}/photo.jpg", "q"],
            "photo.jpg: is not a Nestling library; expected a file that nestling made",
        ),
        (["search", "{tmp}/other.db", "q"], "other.db: is an SQLite file of another program"),
        (["add", "{library}", "{tmp}", "--ignore", "[z-a]"], "expected patterns as in a .gitignore"),
        (["forget", "{library}", "~nobody-of-this-name/notes"], "~nobody-of-this-name/notes: leads nowhere"),
        (["search", "{tmp}/two\nlines.nest", "q"], "two lines.nest: no library there"),
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
    (tmp_path / "bad.txt").write_bytes(b"\x7fELF\x01\x01\x01\0\x80\0\xff\0\x90\x05")
    with sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("CREATE TABLE t (x)")
    result = nestling(*[argument.format(library=library, tmp=tmp_path) for argument in arguments])
    if arguments[0] == "add" and "skipped" in result.stderr:
        *said, last = result.stderr.splitlines()
        assert said[0].startswith("skipped ")
        result.stderr = last
    fails(result, message)
