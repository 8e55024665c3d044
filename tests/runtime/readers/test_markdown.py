"""Markdown: headings, code, and what a note says of itself at its top."""

from __future__ import annotations

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
        "created: 2024-05-02T08:00:00Z\ndraft: false\n\n# Another\n\nTwice."
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
    ],
)
def test_values_are_read_as_people_write_them(tmp_path: Path, line: str, value: Value) -> None:
    assert list(read(tmp_path, f"---\n{line}\n---\ntext").metadata.values()) == [value]


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
    assert note.text == "date: 2024-05-02T08:00:00Z\ntaxonomies.tags: a, b\n\nbody"


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
        "a" + " " * 200_000 + "\n==",
    ],
)
def test_a_note_that_was_made_to_harm_takes_no_time(tmp_path: Path, source: str) -> None:
    begin = time.monotonic()
    read(tmp_path, source)
    assert time.monotonic() - begin < 5
