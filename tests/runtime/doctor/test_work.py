"""What Nestling does, done once on little."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nestling import Library
from nestling.doctor import work
from nestling.doctor.finding import Finding, tried
from nestling.library.store import words


def test_a_library_is_made_and_searched() -> None:
    (found,) = work.library(None)
    assert (found.part, found.state) == ("library", "fine")
    assert re.fullmatch(r"made, filled, searched and closed in \d+\.\d s", found.found)


def test_a_search_that_finds_something_else_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    search = Library.search

    def wrong(self: Library, query: str, **given: object) -> object:
        return search(self, query, **given)[::-1] if given.get("mode") == "dense" else search(self, query, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(Library, "search", wrong)
    (found,) = work.library(None)
    assert (found.state, found.found) == ("broken", "a search by meaning finds something else")


def test_sqlite_without_something_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.state for finding in work.sqlite()] == ["fine"]
    monkeypatch.setattr(words, "TOKENIZER", "no such tokenizer")
    monkeypatch.delitem(sys.modules, "nestling.library.store.sqlite")
    (found,) = work.sqlite()
    assert (found.state, found.found.split(" lacks ")[1]) == ("broken", "FTS5")
    monkeypatch.delitem(sys.modules, "nestling.library.store.sqlite")


def test_a_reader_without_its_parser_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pypdfium2.py").write_text("raise ModuleNotFoundError('no', name='pypdfium2')")
    (tmp_path / "icalendar.py").write_text("raise ImportError('too old')")
    monkeypatch.syspath_prepend(tmp_path)
    found = {finding.part: finding for finding in work.readers() if finding.state != "fine"}
    assert found == {
        ".pdf": Finding(".pdf", "missing", "needs pypdfium2", "get it with: pip install 'nestling[files]'"),
        ".ics": Finding(".ics", "broken", "its parser cannot be loaded (too old)", "install it anew"),
    }


def test_what_a_part_raises_is_found() -> None:
    def no_file() -> Iterator[Finding]:
        yield Finding("a", "fine", "here")
        raise FileNotFoundError(2, "No such file", "b.txt")

    def defect() -> Iterator[Finding]:
        yield from ()
        raise KeyError("c")

    assert list(tried("a", no_file, "try")) == [
        Finding("a", "fine", "here"),
        Finding("a", "broken", "b.txt: No such file", "see the lines of the folders"),
    ]
    assert list(tried("a", defect, "try")) == [Finding("a", "broken", "KeyError: 'c'", "try")]
