"""Commands that ask."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

from nestling.bundle.manifest import DEFAULT
from processes import Run, fails


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
        "lexical_rank", "copies", "relevance", "fits",
    }  # fmt: skip


def test_search_keeps_to_a_filter(nestling: Run, library: Path) -> None:
    result = nestling("search", library, "water", "--where", "year>=2024", "--json")
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["c1"]


def test_nothing_found_is_said_and_is_no_error(nestling: Run, library: Path) -> None:
    result = nestling("search", library, "water", "--where", "year>3000")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "nothing found\n")


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


def test_a_library_of_another_bundle_names_both(nestling: Run, library: Path, tmp_path: Path) -> None:
    shutil.copy(library, tmp_path / "other.nest")
    with sqlite3.connect(tmp_path / "other.nest") as db:
        db.execute("UPDATE meta SET value = 'german-small' WHERE key = 'bundle'")
        db.execute("UPDATE meta SET value = 'abcdef0123456789' WHERE key = 'space'")
    fails(
        nestling("search", tmp_path / "other.nest", "q"),
        f"was made with bundle german-small (space abcdef01, dim 384), not {DEFAULT} (space ",
    )
