"""Files of LibreOffice in the formats of others: rich text, presentations, and a PDF of words broken at line ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from nestling import Document, Encoder, Library
from nestling.readers import read_here

pytest.importorskip("pypdfium2")

FILES = Path(__file__).parent / "files"
LINE = (
    "The international telecommunications treaty applies after COVID-19 and the model X-200 came into well-known use "
    "in many hospitals. "
)


def read(name: str) -> Document:
    (document,) = read_here(FILES / name)
    assert isinstance(document, Document), document
    return document


def test_words_that_a_pdf_breaks_at_the_ends_of_lines_are_whole(tmp_path: Path, encoder: Encoder) -> None:
    assert " ".join(read("hyphens.pdf").text.split()) == (LINE * 3).strip()
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.sync(FILES / "hyphens.pdf")
        for word in ("telecommunications", "hospitals", "COVID-19", "X-200", "well-known"):
            assert library.search(word, mode="lexical"), word


def test_rich_text_is_read_as_the_file_that_it_was_made_from() -> None:
    document = read("ward.rtf")
    assert document.title == "Ward rules"
    assert [line.strip() for line in document.text.splitlines() if line.strip()] == [
        "# Doses",
        "Give freshly mixed saline twice a  day.",
        "Footnote: Nine grams a litre.",
        "Endnote: At eight and at eight.",
        "Comment (Bea): Check with pharmacy.",
        "Box:",
        "Inside the box",
        "On the shape",
        "5 | 5 | 7",
        "merged | nested",
        "Read 漢字 (かんじ).",
        "first item",
        "second item",
        "Header: Northern clinic",
        "Footer: Printed copies expire",
    ]


@pytest.mark.parametrize("name", ["talk.pptx", "talk.odp"])
def test_groups_tables_and_slides_of_a_presentation(name: str) -> None:
    document = read(name)
    assert document.title == "Burns talk"
    first, second = document.text.split("\f")
    assert first.splitlines()[:4] == ["First aid", "In a group", "Beside it", "8 | 8"]
    assert first.splitlines()[-1].removeprefix("Notes: ") == "Say it slowly"
    assert second.strip() == "The second slide"
