"""Mail, tables, books and pages as real programs write them; `files/README.md` says which."""

from __future__ import annotations

from pathlib import Path

import pytest

from nestling.document import Document
from nestling.readers import read_here

pytest.importorskip("lxml")

FILES = Path(__file__).parent / "files"


def documents(name: str) -> list[Document]:
    found = list(read_here(FILES / name))
    assert [item for item in found if not isinstance(item, Document)] == []
    return [item for item in found if isinstance(item, Document)]


def test_a_mailbox_of_mutt_is_two_messages_one_with_what_is_attached() -> None:
    counted, second = documents("sent.mbox")
    assert counted.title == "Zählung der Verbände – Juni"
    assert counted.metadata == {
        "from": "Petra Vogelsang <petra@example.org>",
        "to": "Omar Haddad <omar@example.net>",
        "cc": "Lin Wei <lin@example.com>",
        "date": "2026-11-29T06:02:57Z",
        "message_id": "awvAETQDMe-AOrsL@example.org",
    }
    said = [
        "From: Petra Vogelsang <petra@example.org>", "To: Omar Haddad <omar@example.net>", "Cc: Lin Wei <lin@exam",
        "the dressings for Grüße aus Köln are counted", "From now on we count on Fridays.", "Zählung März.txt",
        "Jars of honey for the burns ward, counted twice.", "guide.epub", "Cool the burn under running water",
        "Paracetamol | 15 mg per kg",
    ]  # fmt: skip
    places = [counted.text.find(one) for one in said]
    assert min(places) >= 0
    assert places == sorted(places)
    assert (second.title, second.text.split("\n")[-1]) == ("second", "Only text this time, plain.")


@pytest.mark.parametrize(
    ("name", "metadata"),
    [("stock-ansi.csv", {"encoding": "windows-1252"}), ("stock-unicode.csv", {}), ("stock.tsv", {})],
)
def test_a_table_of_libreoffice_is_the_same_rows_whatever_it_was_exported_as(
    name: str, metadata: dict[str, str]
) -> None:
    rows = documents(name)
    assert [row.text for row in rows] == [
        'Artikel: Verband 5" breit\nOrt: Köln\nPreis: 1,50\nNotiz: zwei\nZeilen; ein Semikolon',
        "Artikel: Kühlsalbe – groß\nOrt: Zürich\nPreis: 12,00",
    ]
    assert [row.metadata for row in rows] == [metadata, metadata]
    others = documents("stock.tsv")
    assert [row.id.rpartition(":")[2] for row in rows] == [row.id.rpartition(":")[2] for row in others]


def test_a_table_that_libreoffice_exported_as_a_page_has_a_line_a_row() -> None:
    (page,) = documents("stock.html")
    lines = page.text.split("\n")
    assert {"Artikel | Ort | Preis | Notiz", "Kühlsalbe – groß | Zürich | 12,00"} <= set(lines)
    assert {'Verband 5" breit', "Köln", "1,50", "Zeilen; ein Semikolon"} <= {
        part for line in lines for part in line.split(" | ")
    }


@pytest.mark.parametrize("name", ["notes.epub", "notes.html"])
def test_a_book_and_a_page_of_pandoc_give_each_word_once_in_their_order(name: str) -> None:
    (found,) = documents(name)
    assert found.title == "Notes on dressings"
    words = " ".join(found.text.split())
    said = [
        "Petra Vogelsang", "# Kinds", "Tulle stays moist.", "Gauze — “clean” gauze — does not.", "Wash", "honey",
        "Kind | Days", "Foam | 7", "## Codes in C# & R&D", 'print("<gauze>")', "Quoted from Zürich: naïve café.",
        "Change it after two days, says the footnote.",
    ]  # fmt: skip
    places = [words.find(one) for one in said]
    assert min(places) >= 0
    assert places == sorted(places)
    assert [one for one in said if words.count(one) != 1] == []
