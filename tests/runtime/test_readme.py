"""The README says what is so: its tables are those of the result files, its commands those of the parser."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from nestling.cli import commands

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_tables_are_printed_from_the_result_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    tables = importlib.import_module("bench.tables")
    assert README.count("<!-- table: ") == 26
    assert tables.filled(README) == README


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
    assert used <= known | {"--help", "-wal", "-shm"}


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_the_examples_run(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "Documents").mkdir()
    exec(compile(block, "README.md", "exec"), {})
