"""Files of real programs, and what was made to harm: read in a process of its own, to the words that a person sees."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nestling import Library
from nestling.document import Document, Skip
from nestling.encoding.encoder import Encoder
from nestling.readers import read_file, zipped
from nestling.readers.sandbox import Sandbox

pytest.importorskip("pypdfium2")

FILES = Path(__file__).parent / "files"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as reader:
        yield reader


def one(path: Path, sandbox: Sandbox) -> Document:
    (item,) = read_file(path, sandbox)
    assert isinstance(item, Document), item
    assert (item.id, item.source) == (str(path), str(path))
    return item


def reason(path: Path, sandbox: Sandbox) -> str:
    (item,) = read_file(path, sandbox)
    assert isinstance(item, Skip), item
    assert item.source == str(path)
    return item.reason


@pytest.mark.parametrize("name", ["guide.docx", "guide.odt", "guide.odp", "guide.pptx", "guide.epub", "guide.pdf"])
def test_a_file_gives_all_of_its_words_and_its_title(name: str, sandbox: Sandbox) -> None:
    document = one(FILES / name, sandbox)
    assert document.title == "Field guide for the clinic"
    words = " ".join(document.text.replace("|", " ").split())
    for said in (
        "Cool the burn under running water for twenty minutes. Do not use ice, butter or toothpaste.",
        "Leave blisters closed. Cover them with a clean, non-fluffy dressing.",
        "Amoxicillin 45 mg per kg a day",
        "Paracetamol 15 mg per kg",
        "Grüße aus Zürich — naïve café, 日本語",
    ):
        assert words.count(said) == 1, said


@pytest.mark.parametrize("name", ["guide.docx", "guide.odt", "guide.epub"])
def test_headings_stand_as_markdown_writes_them(name: str, sandbox: Sandbox) -> None:
    lines = one(FILES / name, sandbox).text.split("\n")
    assert {"# Burns", "## Blisters", "# Dosage", "# Référence"} <= set(lines)


@pytest.mark.parametrize("name", ["guide.odp", "guide.pptx"])
def test_slides_are_parted(name: str, sandbox: Sandbox) -> None:
    slides = one(FILES / name, sandbox).text.split("\f")
    assert len(slides) == 4
    assert ["Burns" in slide for slide in slides] == [False, True, False, False]


@pytest.mark.parametrize("name", ["doses.xlsx", "doses.ods"])
def test_a_sheet_is_a_heading_and_a_line_a_row(name: str, sandbox: Sandbox) -> None:
    document = one(FILES / name, sandbox)
    lines = [line for line in document.text.split("\n") if line]
    assert lines == ["# doses", "Drug | Dose | Unit", "Amoxicillin | 45 | mg/kg", "Paracetamol | 15 | mg/kg"]


def test_pages_are_parted(sandbox: Sandbox) -> None:
    pages = one(FILES / "long.pdf", sandbox).text.split("\f")
    assert len(pages) >= 60
    numbered = [page for page in pages if page.strip()]
    assert all(f"subject number {number}." in page for number, page in enumerate(numbered, start=1))


def test_text_that_runs_from_the_right_is_read(sandbox: Sandbox) -> None:
    found = one(FILES / "rtl.pdf", sandbox).text
    assert "الجرعة الموصى بها" in found  # of the last word PDFium turns a ligature round
    assert "לילדים" in found


def test_what_needs_a_password_says_so(sandbox: Sandbox) -> None:
    assert reason(FILES / "locked.pdf", sandbox) == "needs a password; save it without one"


def zipped_file(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("suffix", [".pdf", ".docx", ".pptx", ".xlsx", ".odt", ".epub"])
def test_what_is_none_of_its_kind_is_skipped_and_the_next_file_is_read(
    suffix: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    for number, data in enumerate([b"nothing of the sort", b"%PDF-1.7\n%%EOF", b"PK\x03\x04" + bytes(400)]):
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(data)
        assert reason(path, sandbox)
    assert one(FILES / "guide.docx", sandbox)


@pytest.mark.parametrize("name", ["guide.docx", "guide.odt", "guide.pptx", "guide.epub", "guide.pdf", "doses.xlsx"])
def test_half_a_file_is_skipped_or_read(name: str, tmp_path: Path, sandbox: Sandbox) -> None:
    data = (FILES / name).read_bytes()
    for share in (0.1, 0.5, 0.9):
        path = tmp_path / f"half-{share}{Path(name).suffix}"
        path.write_bytes(data[: int(len(data) * share)])
        (item,) = read_file(path, sandbox)
        assert isinstance(item, (Document, Skip))


def test_a_bomb_is_not_expanded(tmp_path: Path, sandbox: Sandbox) -> None:
    path = zipped_file(tmp_path / "bomb.docx", {f"word/{n}.xml": bytes(60 << 20) for n in range(10)})
    assert path.stat().st_size < 1 << 20
    begin = time.monotonic()
    assert reason(path, sandbox) == f"expands to {600 << 20} bytes in 10 parts, more than is read"
    assert time.monotonic() - begin < 5
    assert zipped.MAX_EXPANDED < 600 << 20


def test_entities_are_not_expanded_and_nothing_is_fetched(tmp_path: Path, sandbox: Sandbox) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    content = (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file://{secret}"><!ENTITY b "bbbb">]>'
        '<x xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><text:p>seen &a; &b;</text:p></x>'
    )
    document = one(zipped_file(tmp_path / "a.odt", {"content.xml": content.encode()}), sandbox)
    assert document.text.split() == ["seen", "&a;", "&b;"]


def test_a_file_that_takes_too_long_or_too_much_is_skipped(tmp_path: Path) -> None:
    with Sandbox(seconds=0.001) as hurried:
        assert reason(FILES / "guide.docx", hurried) == "takes over 0.001 s to read; split it or save it anew"
    rows = b"<table:table-row/>" * 12_000_000
    content = b'<x xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0">' + rows + b"</x>"
    path = zipped_file(tmp_path / "large.ods", {"content.xml": content})
    with Sandbox() as reader:
        assert reason(path, reader)
        assert one(FILES / "guide.docx", reader)


def test_an_email_has_its_subject_its_words_and_who_and_when(tmp_path: Path, sandbox: Sandbox) -> None:
    path = tmp_path / "a.eml"
    path.write_bytes(
        b"From: Ana <ana@example.org>\r\nTo: bo@example.org\r\nDate: Mon, 02 Mar 2026 10:00:00 +0100\r\n"
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        b"<h1>Stock</h1><p>Two boxes of gauze.</p>"
    )
    document = one(path, sandbox)
    whom = "From: Ana <ana@example.org>\nTo: bo@example.org"
    assert (document.title, document.text) == ("Grüße", f"{whom}\n\n# Stock\nTwo boxes of gauze.")
    assert document.metadata == {
        "from": "Ana <ana@example.org>",
        "to": "bo@example.org",
        "date": "2026-03-02T09:00:00Z",
    }


def test_a_mailbox_gives_a_document_for_each_message(tmp_path: Path, sandbox: Sandbox) -> None:
    path = tmp_path / "a.mbox"
    path.write_bytes(
        b"From a@b Mon Mar  2 10:00:00 2026\nMessage-ID: <1@b>\nSubject: one\n\nfirst\n\n"
        b"From a@b Mon Mar  2 10:00:00 2026\nSubject: two\n\nsecond\n\n"
    )
    found = list(read_file(path, sandbox))
    assert all(isinstance(item, Document) for item in found)
    assert [(item.title, item.text) for item in found if isinstance(item, Document)] == [
        ("one", "first"),
        ("two", "second"),
    ]
    assert isinstance(found[0], Document)
    assert found[0].id == f"{path}:<1@b>"


def test_a_hit_says_where_it_stands(tmp_path: Path, encoder: Encoder) -> None:
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        report = library.sync(FILES)
        assert [Path(skip.source).name for skip in report.skipped] == ["locked.pdf", "stock.xlsx"]
        places = {
            name: {hit.id: hit.place for hit in library.search(query, k=20)}[str(FILES / name)]
            for name, query in (("long.pdf", "subject number 37"), ("guide.pptx", "dose of amoxicillin"))
        }
    assert places["guide.pptx"].startswith("slide ")
    assert places["long.pdf"].startswith("page ")
