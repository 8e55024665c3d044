"""The README files say what is so: their tables are those of the result files, the commands those of the parser."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from nestling.cli import commands

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What prints the tables."""
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    return importlib.import_module("bench.tables")


def test_tables_are_printed_from_the_result_files(tables: Any) -> None:
    texts = {path: path.read_text() for path in tables.readmes()}
    assert {path: tables.filled(text) for path, text in texts.items()} == texts


def test_every_table_is_in_a_readme_and_every_result_file_in_a_table(tables: Any) -> None:
    texts = [path.read_text() for path in tables.readmes()]
    marked = {name for text in texts for name in re.findall(r"<!-- table: (\w+) -->", text)}
    awaited = {name for text in texts for name in re.findall(r"a mark for the table `(\w+)` belongs here", text)}
    assert marked | awaited == set(tables.TABLES)
    assert len(marked) >= 15
    assert not any("Not measured yet" in text for text in texts)
    sources = {source for name in marked for source in tables.sources(name)}
    assert {path.stem for path in tables.RESULTS.glob("*.json")} <= {*sources, "peers_by_query"}


def test_every_result_file_says_where_it_comes_from(tables: Any) -> None:
    for path in tables.RESULTS.glob("*.json"):
        if path.stem != "peers_by_query":
            assert {"command", "commit", "machine"} <= tables.read(path).keys(), path


def test_links_between_files_lead_somewhere(tables: Any) -> None:
    linked = {
        (path.parent / link).resolve()
        for path in tables.readmes()
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())
    }
    assert len(linked) > 5
    assert {path for path in linked if not path.exists()} == set()


def test_the_readme_is_read_in_five_minutes() -> None:
    assert README.count("\n") <= 250


def test_every_command_is_in_the_readme_and_none_else() -> None:
    named = set(re.findall(r"^\| `nestling (\w+)", README, re.MULTILINE))
    assert named == set(commands.commands)


def test_every_option_in_the_readme_is_one() -> None:
    known = {
        option for command in commands.commands.values() for parameter in command.params for option in parameter.opts
    }
    section = README.split("## Command line")[1].split("## API")[0]
    used = set(re.findall(r"(?<![\w-])(--?[a-z]+(?:-[a-z]+)*)\b", section))
    assert used
    assert used <= known | {"--help"}


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_the_examples_run(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "Documents").mkdir()
    exec(compile(block, "README.md", "exec"), {})
