"""Prose in other markup than Markdown, subtitles, notebooks and outlines."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from nestling.document import Document, Skip
from nestling.readers import can_read, read_here


def one(folder: Path, name: str, data: str | bytes) -> Document:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    (item,) = read_here(path)
    assert isinstance(item, Document), item
    return item


@pytest.mark.parametrize(
    ("name", "text", "title"),
    [
        ("a.tex", "% \\title{old}\n\\title[short]{Owls at\n night}\n\\begin{document}x", "Owls at night"),
        ("a.tex", "\\section{No title}", "a"),
        ("a.rst", ".. a comment\n\nOwls at night\n=============\n\nMore\n----\n", "Owls at night"),
        ("a.rst", "=====\nOwls\n=====\n\ntext", "Owls"),
        ("a.rst", "no heading\n\n* a\n* b", "a"),
        ("a.adoc", "// a comment\n= Owls at night\nAnn\n\n== More", "Owls at night"),
        ("a.asciidoc", "text\n\n== Owls", "Owls"),
        ("a.org", "#+AUTHOR: Ann\n#+title: Owls at night\n* More", "Owls at night"),
        ("a.org", "text\n** Owls\n* More", "Owls"),
        ("a.textile", "text\n\nh2(#id). Owls at night\n\np. x", "Owls at night"),
        ("a.LOG", "2024-05-01 12:00 ERROR no disk", "a"),
        ("a.bib", "@book{owl, title = {Owls}}", "a"),
    ],
)  # fmt: skip
def test_prose_is_read_as_it_is_written_and_named_by_its_heading(
    tmp_path: Path, name: str, text: str, title: str
) -> None:
    found = one(tmp_path, name, text)
    assert (found.text, found.title) == (text.strip("\n"), title)
    assert found.id == found.source == str(tmp_path / name)


@pytest.mark.parametrize("suffix", "tex rst adoc org textile".split())
@pytest.mark.parametrize("line", ["=", "= ", "=\n", "\\title{", "#+title:", "* ", "h1(", "a\n===x", "%"])
def test_the_time_for_a_title_grows_with_the_length(tmp_path: Path, suffix: str, line: str) -> None:
    begin = time.monotonic()
    one(tmp_path, f"a.{suffix}", "x" + line * 300_000)
    assert time.monotonic() - begin < 10  # of what takes a tenth of a second


def test_data_and_programs_are_not_read() -> None:
    assert not any(can_read(f"a{suffix}") for suffix in (".json", ".xml", ".yaml", ".toml", ".ini", ".py", ".c"))


SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Owls hunt</i>
at night.

2
00:00:03,000 --> 00:00:04,000
{\\an8}42
3
00:00:05,000 --> 00:00:06,000
AT&amp;T &lt;3 and 5 < 6
"""
VTT = """WEBVTT - About owls
X-TIMESTAMP-MAP=LOCAL:00:00:00.000

STYLE
::cue { color: red }

NOTE made by Ann

intro
00:01.000 --> 00:02.000 align:start
<v.loud Mary>Owls <00:01.500><c>hunt</c>

01:00:03.000 --> 01:00:04.000
Mary: Owls hunt
at night.
"""


def test_subtitles_are_what_is_said(tmp_path: Path) -> None:
    found = one(tmp_path, "a.srt", SRT.replace("\n", "\r\n"))
    assert (found.title, found.text) == ("a", "Owls hunt\nat night.\n42\nAT&T <3 and 5 < 6")
    found = one(tmp_path, "a.vtt", VTT)
    assert (found.title, found.text) == ("About owls", "NOTE made by Ann\nMary: Owls hunt\nat night.")
    assert one(tmp_path, "b.srt", SRT.replace("Owls", "Möwen").encode("cp1252")).text.startswith("Möwen hunt")


def test_subtitles_without_anything_said_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\n\n")
    assert list(read_here(tmp_path / "a.vtt")) == [Skip(str(tmp_path / "a.vtt"), "holds no text")]


def notebook(*cells: Any) -> str:
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_a_notebook_is_its_cells_and_the_text_that_came_of_them(tmp_path: Path) -> None:
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["3 owls\n", "seen"]},
        {"output_type": "execute_result", "data": {"text/plain": ["4.5"], "text/html": ["<b>4.5</b>"]}},
        {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo="}},
        {"output_type": "error", "ename": "ValueError", "evalue": "no owl", "traceback": ["\x1b[31mno"]},
    ]
    cells = [
        {"cell_type": "code", "source": ["# no heading\n", "count()"], "outputs": outputs},
        {"cell_type": "markdown", "source": ["text\n", "## About *owls*\n"]},
        {"cell_type": "raw", "source": "as it is"},
    ]
    found = one(tmp_path, "a.ipynb", notebook(*cells))
    assert found.title == "About *owls*"
    parts = [
        "# no heading\ncount()",
        "3 owls\nseen",
        "4.5",
        "ValueError: no owl",
        "text\n## About *owls*\n",
        "as it is",
    ]
    assert found.text == "\n\n".join(parts)


def test_a_notebook_of_the_format_before_is_read(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "input": "count()", "outputs": [{"output_type": "pyout", "text": "3 owls"}]}]
    assert one(tmp_path, "a.ipynb", json.dumps({"worksheets": [{"cells": cells}]})).text == "count()\n\n3 owls"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("no notebook", "is not JSON, which a notebook is"),
        ("[" * 200_000, "is not JSON, which a notebook is"),
        ('{"cells": [7, {"source": {"a": 1}}, {"outputs": 3}], "worksheets": 4}', "holds no text"),
        ("[]", "holds no text"),
    ],
)
def test_what_is_no_notebook_is_named(tmp_path: Path, data: str, reason: str) -> None:
    (tmp_path / "a.ipynb").write_text(data)
    assert list(read_here(tmp_path / "a.ipynb")) == [Skip(str(tmp_path / "a.ipynb"), reason)]


def test_an_outline_is_its_entries(tmp_path: Path) -> None:
    pytest.importorskip("lxml")
    outline = (
        '<?xml version="1.0" encoding="ISO-8859-1"?><opml version="2.0"><head><title>Birds</title></head><body>'
        '<outline text="Möwe" _note="by\nthe sea"><outline text="Owl" title="Owl" xmlUrl="https://a.org/feed"/></outline>'
        "<outline/></body></opml>"
    ).encode("latin-1")
    found = one(tmp_path, "a.opml", outline)
    assert (found.title, found.text) == ("Birds", "Möwe by the sea\nOwl https://a.org/feed")
