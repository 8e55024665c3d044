"""Markdown: headings, code, and what a note says of itself at its top."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest

from nestling.document import Document, Value
from nestling.place import places_of
from nestling.readers import read_here


def read(folder: Path, source: str) -> Document:
    path = folder / "note.md"
    path.write_text(source, encoding="utf-8")
    (item,) = read_here(path)
    assert isinstance(item, Document), item
    return item


def test_front_matter_is_title_metadata_and_text(tmp_path: Path) -> None:
    source = (
        "---\ntitle: \"Pruning: the wisteria\"\ntags: [garden, 'climbing, tall', 3]\naliases:\n  - glycine # old\n"
        '  - "Blauregen"\ndate: 2024-05-02\ncreated: 2024-05-02T10:00:00+02:00\n'
        "draft: false\n---\n# Another\n\nTwice.\n"
    )
    note = read(tmp_path, source)
    assert note.title == "Pruning: the wisteria"
    assert note.metadata == {
        "tags": ["garden", "climbing, tall", 3],
        "aliases": ["glycine", "Blauregen"],
        "date": "2024-05-02",
        "created": "2024-05-02T08:00:00Z",
        "draft": False,
    }
    assert note.text == (
        "tags: garden, climbing, tall, 3\naliases: glycine, Blauregen\ndate: 2024-05-02\n"
        "created: 2024-05-02T10:00:00+02:00\ndraft: false\nold\n\n# Another\n\nTwice."
    )


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("tags: a, b", ["a", "b"]),
        ("tags:\n- a\n- b", ["a", "b"]),
        ("tags: [\n  a,\n  'b, c',\n]", ["a", "b, c"]),
        ("key: 'it''s'", "it's"),
        ('key: "a\\tb \\u00e9"', "a\tb é"),
        ("key: no", "no"),
        ("key: 007", "007"),
        ("key: 12:30", "12:30"),
        ("key: 3 # three", 3),
        ("key: http://example.org/#part", "http://example.org/#part"),
        ("key: one\n  two", "one two"),
        ("key: >\n  one\n  two", "one two"),
        ("key: |\n  one\n  two", "one\ntwo"),
        ("key: 2024-05-02 10:00", "2024-05-02T10:00:00"),
        ("  key: one\n  ", "one"),
        ("\tkey: one\n", "one"),
        ("dc:title: one", "one"),
        ("Rating (1-5): 4", 4),
        ("2024: one", "one"),
        ("key: Notes on C #1", "Notes on C #1"),
        ("key: #one #two", "#one #two"),
        ("tags:\n- #one\n- two", ["#one", "two"]),
        ("tags: [#one, two #2]", ["#one", "two #2"]),
        ("key: [Draft] Report", "[Draft] Report"),
        ("key: @home", "@home"),
    ],
)
def test_values_are_read_as_people_write_them(tmp_path: Path, line: str, value: Value) -> None:
    assert list(read(tmp_path, f"---\n{line}\n---\ntext").metadata.values()) == [value]


@pytest.mark.parametrize(
    ("lines", "title", "values", "text"),
    [
        ("title: Notes on C #1", "Notes on C #1", {}, ""),
        ("title: Notes on C # one", "Notes on C", {}, "one"),
        ("title: 'C # one' # two", "C # one", {}, "two"),
        ("title: 1.10", "1.10", {}, ""),
        ("version: 1.10", "note", {"version": 1.1}, "version: 1.10"),
        ("versions: [1.10, 2.0]", "note", {"versions": [1.1, 2.0]}, "versions: 1.10, 2.0"),
        ("versions:\n- 1.10\n- '2.0'", "note", {"versions": [1.1, "2.0"]}, "versions: 1.10, 2.0"),
        ("draft: True", "note", {"draft": True}, "draft: True"),
        ("tags: [\n  a, # first, of two\n  # between\n  b\n] # last", "note", {"tags": ["a", "b"]},
         "tags: a, b\nfirst, of two\nbetween\nlast"),
        ("tags:\n- a # first\n  #within\n# - c\n- b\n#last\n", "note", {"tags": ["a", "b"]},
         "tags: a, b\nfirst\nwithin\n- c\nlast"),
        ("title: T\n#remark\n\nday: 3", "T", {"day": 3}, "remark\nday: 3"),
        ("text: one # first\n  two # second", "note", {"text": "one two"}, "text: one two\nfirst\nsecond"),
        ("text: | # kept\n  one # two", "note", {"text": "one # two"}, "text: one # two\nkept"),
        ("title: T\n\tauthor: Ann\ntags: a", "T", {"tags": "a"}, "author: Ann\ntags: a"),
        ("title: 'T'\n\tauthor: Ann", "T", {}, "author: Ann"),
        ("title: T\nurl:http://a.example", "T", {}, "url:http://a.example"),
        ("title: T\nauthor:\n  name: Ann\n  - odd", "T", {}, "author:\n  name: Ann\n  - odd"),
        ("title: T\nbase: &base\n  a: 1\n<<: *base", "T", {}, "base: &base\n  a: 1\n<<: *base"),
        ("title: T\nmap: {\n  a: 1\n}", "T", {}, "map: {\n  a: 1\n}"),
        ("title: T\n{{more}}", "T", {}, "{{more}}"),
        ("title: T\ntext: >\n  one\nand two\ntags: a", "T", {"text": "one", "tags": "a"},
         "text: one\nand two\ntags: a"),
        ("title: T\ntitle: U", "T", {}, "title: U"),
        ("title: T\nTitle: U", "T", {"Title": "U"}, "Title: U"),
    ],
)  # fmt: skip
def test_an_odd_line_takes_nothing_from_the_others(
    tmp_path: Path, lines: str, title: str, values: dict[str, Value], text: str
) -> None:
    note = read(tmp_path, f"---\n{lines}\n---\nbody")
    assert (note.title, note.metadata) == (title, values)
    words = note.text.removesuffix("body").split()
    assert sorted(words) == sorted(text.split())
    assert note.text.endswith("\n\nbody" if text else "body")


@pytest.mark.parametrize("source", ["---\ntags: [{}]\nday: 3\n---\nbody", "+++\ntags = [{}]\nday = 3\n+++\nbody"])
def test_a_list_that_is_too_long_is_text(tmp_path: Path, source: str) -> None:
    note = read(tmp_path, source.format(",".join("7" * 10_001)))
    assert note.metadata == {"day": 3}
    assert note.text.count("7") == 10_001
    assert note.text.endswith("\n\nbody")


def test_toml_is_text_as_it_is_written(tmp_path: Path) -> None:
    source = (
        '+++\ntitle = "C # 1" # first\nversion = 1.10\nsizes = [1.50, 2]\nat = 07:30:00\n# second\n'
        "text = '''\n# no remark'''\nmost = inf\n+++\nbody"
    )
    note = read(tmp_path, source)
    assert note.title == "C # 1"
    assert note.metadata == {
        "version": 1.1, "sizes": [1.5, 2], "at": "07:30:00", "text": "# no remark", "most": "Infinity"
    }  # fmt: skip
    assert note.text == (
        "version: 1.10\nsizes: 1.50, 2\nat: 07:30:00\ntext: # no remark\nmost: Infinity\nfirst\nsecond\n\nbody"
    )


def test_what_is_not_understood_stays_text(tmp_path: Path) -> None:
    note = read(
        tmp_path, "---\nauthor:\n  name: Mercer\nmap: {a: wanted}\n# a remark\nempty:\nkey: &anchor x\n---\nbody"
    )
    assert note.metadata == {}
    assert note.text == "author:\n  name: Mercer\nmap: {a: wanted}\na remark\nempty:\nkey: &anchor x\n\nbody"


@pytest.mark.parametrize(
    "source",
    [
        "---\nText between two rules.\n\n---\n\nkept",
        "---\n\n# A heading\n\n---\n\nkept",
        "---\n- an item\n---\nkept",
        "---\nDear Anna,\nthank you.\n---\nkept",
        "---\nNote: call the plumber\nabout the leak.\n---\nkept",
        "---\nIt began so.\nPlace: here\nDay: today\n---\nkept",
        '{"title": "of JSON"}\n\nkept',
        "---\ntitle: never closed\n\nkept",
        "+++\nno TOML\n+++\nkept",
    ],
)
def test_text_between_rules_is_text(tmp_path: Path, source: str) -> None:
    note = read(tmp_path, source)
    assert note.text == source
    assert note.metadata == {}


def test_front_matter_of_toml_is_read(tmp_path: Path) -> None:
    source = '+++\ntitle = "T"\ndate = 2024-05-02T10:00:00+02:00\n[taxonomies]\ntags = ["a", "b"]\n+++\nbody'
    note = read(tmp_path, source)
    assert (note.title, note.metadata) == ("T", {"date": "2024-05-02T08:00:00Z", "taxonomies.tags": ["a", "b"]})
    assert note.text == "date: 2024-05-02T10:00:00+02:00\ntaxonomies.tags: a, b\n\nbody"


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("# Notes on C#\n", "Notes on C#"),
        ("# Notes on C# #\n", "Notes on C#"),
        ("## Closed ##\n", "Closed"),
        ("#tag\n\n# Real\n", "Real"),
        ("Underlined\n==========\n", "Underlined"),
        ("Underlined\n---\n", "Underlined"),
        ("```sh\n# a comment\n```\n# Real\n", "Real"),
        ("````\n```\n# a comment\n````\n# Real\n", "Real"),
        ("- ~~~\n  # a comment\n  ~~~\n# Real\n", "Real"),
        ("```\n# never closed\n", "note"),
        ("a | b\n--- | ---\n", "note"),
        ("- item\n---\n", "note"),
    ],
)
def test_the_title_is_the_first_heading_outside_of_code(tmp_path: Path, source: str, title: str) -> None:
    assert read(tmp_path, source).title == title


def test_a_place_keeps_its_sharp(tmp_path: Path) -> None:
    text = read(tmp_path, "C# for all\n===\n\nfirst\n\n## F# too ##\n\nsecond").text
    assert places_of(text[: text.index("first") + 5], [text.index("first")], "a.md")[0] == "C# for all"
    assert places_of(text, [text.index("second")], "a.md")[0] == "F# too"


@pytest.mark.parametrize(
    "source",
    [
        "# " + "# \t" * 100_000,
        "---\na: " + "[" * 60_000 + "\n---",
        "---\na: " + '"\\' * 30_000 + "\n---",
        "---\na: [" + "# " * 30_000 + "\n---",
        "---\na" + " " * 60_000 + "\n---",
        "---\na: b" + " #" * 30_000 + "c\n---",
        "---\na:\n" + "- b: c # d\n" * 1_900 + "---",
        "a" + " " * 200_000 + "\n==",
    ],
)
def test_a_note_that_was_made_to_harm_takes_no_time(tmp_path: Path, source: str) -> None:
    begin = time.monotonic()
    read(tmp_path, source)
    assert time.monotonic() - begin < 5


def test_no_word_is_lost_whatever_stands_between_the_rules(tmp_path: Path) -> None:
    signs = [
        ": ",
        ":",
        "\n",
        "\n  ",
        "\n- ",
        "\n\t",
        "# ",
        " #",
        "[",
        "]",
        ",",
        '"',
        "'",
        "{",
        "}",
        "|",
        ">",
        "&a",
        "*a",
    ]
    rng = random.Random(7)
    for _ in range(2_000):
        words = [f"word{number}" for number in range(rng.randint(1, 12))]
        lines = "".join(f"{rng.choice(signs)} {word} {rng.choice(signs)}{rng.choice(signs)}" for word in words)
        note = read(tmp_path, f"---\nday: 3\ntitle: T\nkey{lines}\n---\nbody")
        assert not set(words) - set(re.findall(r"word\d+", f"{note.title}\n{note.text}")), lines
