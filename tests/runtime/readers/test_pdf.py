"""PDF: words that lines and pages break, and what people put on pages: form values, comments, files."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nestling import Document, Skip
from nestling.readers import read_here

pytest.importorskip("pypdfium2")

FILES = Path(__file__).parent / "files"
PLACE = "/Type /Annot /Rect [100 100 300 140]"


def written(path: Path, *pages: list[str], notes: tuple[str, ...] = (), encoding: str = "/WinAnsiEncoding") -> Path:
    """A PDF of pages of lines; the notes, as their dictionaries' entries, are on the first page."""
    objects = {
        3: f"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding {encoding} >>",
        4: "<< /Type /EmbeddedFile /Length 5 >>\nstream\nhello\nendstream",
    }
    numbers = [10 + 2 * number for number in range(len(pages))]
    for number, lines in zip(numbers, pages, strict=True):
        shown = "".join(f"({line}) Tj 0 -14 Td " for line in lines)
        content = f"BT /F1 12 Tf 72 720 Td {shown}ET"
        here = [] if number > numbers[0] else list(enumerate(notes, 100))
        objects |= {at: f"<< {PLACE} {note} >>" for at, note in here}
        objects[number + 1] = f"<< /Length {len(content)} >>\nstream\n{content}\nendstream"
        objects[number] = (
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> "
            f"/Contents {number + 1} 0 R /Annots [{' '.join(f'{at} 0 R' for at, _ in here)}] >>"
        )
    objects[1] = "<< /Type /Catalog /Pages 2 0 R >>"
    objects[2] = f"<< /Type /Pages /Kids [{' '.join(f'{one} 0 R' for one in numbers)}] /Count {len(numbers)} >>"
    data, table = b"%PDF-1.7\n", "xref\n0 1\n0000000000 65535 f \n"
    for number in sorted(objects):
        table += f"{number} 1\n{len(data):010d} 00000 n \n"
        data += f"{number} 0 obj\n{objects[number]}\nendobj\n".encode("latin-1")
    tail = f"{table}trailer << /Size {max(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(data)}\n%%EOF"
    path.write_bytes(data + tail.encode())
    return path


def text_of(path: Path) -> str:
    (document,) = read_here(path)
    assert isinstance(document, Document), document
    return document.text


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["the inter-", "national law"], "the international law"),
        (["the tele-  ", "communication"], "the telecommunication"),
        (["left INTER-", "NATIONAL, pre-", "clinical,"], "left INTERNATIONAL, preclinical,"),
        (["after COVID-", "19 and 5-", "10 mg"], "after COVID-19 and 5-10 mg"),
        (["by Smith-", "Jones, an e-", "mail, an X-", "ray"], "by Smith-Jones, an e-mail, an X-ray"),
        (["https://a.org/some-", "page is well-", "groomed"], "https://a.org/some-page is wellgroomed"),
        (["to ann@north-", "clinic.org"], "to ann@north-clinic.org"),
        (["- first", "- second"], "- first\n- second"),
    ],
)
def test_a_word_that_a_line_breaks_is_whole_and_keeps_a_hyphen_of_its_own(
    tmp_path: Path, lines: list[str], text: str
) -> None:
    assert text_of(written(tmp_path / "a.pdf", lines)) == text


@pytest.mark.parametrize(
    ("end", "start", "text"),
    [
        ("the tele-", "phone rings", "the telephone\frings"),
        ("after COVID-", "19 came", "after COVID-19\fcame"),
        ("of IL-", "6, which", "of IL-6,\fwhich"),
        ("some 5-", "10 mg a day", "some 5-10\fmg a day"),
        ("by Smith-", "Jones and others", "by Smith-Jones\fand others"),
        ("left INTER-", "NATIONAL, and", "left INTERNATIONAL,\fand"),
        ("an e-", "mail came", "an e-mail\fcame"),
        ("https://a.org/some-", "page is", "https://a.org/some-page\fis"),
        ("a tele-", "phone-based study", "a telephone-based\fstudy"),
        ("by Smith-", "Jones", "by Smith-\fJones"),  # as a page that has a heading alone
        ("the inter-", "Annual Report", "the inter-\fAnnual Report"),
        ("the inter-", "2 Methods", "the inter-\f2 Methods"),
        ("the list -", "first of all", "the list -\ffirst of all"),
    ],
)
def test_a_word_that_a_page_breaks_is_whole_on_the_first(tmp_path: Path, end: str, start: str, text: str) -> None:
    assert text_of(written(tmp_path / "a.pdf", [end], [start])) == text


def test_a_number_of_a_page_is_no_end_of_a_word(tmp_path: Path) -> None:
    assert text_of(written(tmp_path / "a.pdf", ["the inter-"], ["12", "national law"])).startswith("the inter-\f12\n")


def test_many_hyphens_at_ends_of_pages_cost_no_time_that_grows_with_the_square(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pdf", ["-a" * 30_000 + "-"], ["a" * 60_000], ["b-" * 30_000], ["c"])
    begin = time.monotonic()
    assert text_of(path).count("\f") == 3
    assert time.monotonic() - begin < 10  # of what takes a second


def test_a_word_of_any_script_is_whole_over_pages(tmp_path: Path) -> None:
    names = "<< /Type /Encoding /Differences [65 /afii10083 /afii10084 /afii10070] >>"  # A: с, B: т, C: е
    assert text_of(written(tmp_path / "a.pdf", ["AC-"], ["BC"], encoding=names)) == "сете\f"


def test_values_of_a_form_are_read_with_their_names_and_a_password_is_not() -> None:
    assert text_of(FILES / "admission.pdf").splitlines() == [
        "Admission",
        "Field (Name of the patient): Zora Quill",
        "Field (ward): Southern",
        "Field (allergies): Latex",
        "Field (consent): checked",
        "Field (diet): vegan",
        "Comment: Ask for the allergy card",
        "Text box: Bed by the window",
    ]


def test_a_title_that_says_that_there_is_none_is_none() -> None:
    (document,) = read_here(FILES / "admission.pdf")  # whose title is "untitled"
    assert isinstance(document, Document) and document.title == "admission"


def test_a_comment_has_its_author() -> None:
    lines = text_of(FILES / "noted.pdf").splitlines()
    assert lines[0] == "Admission form"
    assert lines[1].startswith("Comment (Bea") and lines[1].endswith("): Ask for the allergy card")


def test_comments_of_all_kinds_are_read_and_hidden_ones_are_not(tmp_path: Path) -> None:
    notes = (
        "/Subtype /Highlight /QuadPoints [100 100 200 100 100 120 200 120] /Contents (marked) /T (Bo)",
        "/Subtype /Text /Contents <FEFF0041015F006B0131006E>",
        "/Subtype /FreeText /DA (/Helv 12 Tf) /RC (<body><p>only <b>formatted</b></p></body>)",
        "/Subtype /Text /Contents (bell\x07rings)",
        "/Subtype /Text /F 2 /Contents (hidden)",
        "/Subtype /Popup /Contents (said elsewhere)",
    )
    assert text_of(written(tmp_path / "a.pdf", ["body"], notes=notes)).splitlines() == [
        "body",
        "Comment (Bo): marked",
        "Comment: Aşkın",
        "Text box: only formatted",
        "Comment: bell rings",
    ]


def test_a_file_that_is_pinned_to_a_page_is_named(tmp_path: Path) -> None:
    notes = ("/Subtype /FileAttachment /FS << /Type /Filespec /F (list.txt) /UF (list.txt) /EF << /F 4 0 R >> >>",)
    path = written(tmp_path / "a.pdf", ["body"], notes=notes)
    document, skip = read_here(path)
    assert isinstance(document, Document) and document.text == "body"
    assert skip == Skip(str(path), "'list.txt', which is attached to it, is not read", within=True)
