"""Rich text and binary Word files: text as it is shown, in any encoding, and nothing that is hidden or deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from nestling import Document
from nestling.document import Skip
from nestling.readers import read_here

pytest.importorskip("olefile")

FILES = Path(__file__).parent / "files"
BODY = [
    "# Doses",
    "Give freshly mixed saline twice a  day.",
    "Footnote: Nine grams a litre.",
    "Endnote: At eight and at eight.",
    "Comment (Bea): Check with pharmacy.",
    "5 | 5 | 7",
    "merged | nested",
    "Read 漢字 (かんじ).",
]
BOXES = ["Box:", "Inside the box", "On the shape"]
LIST = ["first item", "second item"]
MARGINS = ["Header: Northern clinic", "Footer: Printed copies expire"]


def text_of(path: Path, rtf: str) -> str:
    path.write_bytes(rtf.encode("latin-1"))
    (document,) = read_here(path)
    assert isinstance(document, Document), document
    return document.text


@pytest.mark.parametrize("name", ["ward.rtf", "ward.doc"])
def test_a_real_file_is_read_as_it_is_shown(name: str) -> None:
    (document,) = read_here(FILES / name)
    assert isinstance(document, Document)
    assert document.title == "Ward rules"
    lines = [line.strip() for line in document.text.split("\n") if line]
    assert sorted(lines) == sorted([*BODY, *BOXES, *LIST, *MARGINS])
    assert [line for line in lines if line in BODY] == BODY
    assert lines[-2:] == MARGINS


def test_a_file_of_pandoc_has_its_headings_and_table() -> None:
    (document,) = read_here(FILES / "guide.rtf")
    assert isinstance(document, Document)
    lines = document.text.split("\n")
    assert {"# Burns", "## Blisters", "# Référence", "Amoxicillin | 45 mg per kg a day"} <= set(lines)
    assert "Grüße aus Zürich — naïve café, 日本語, العربية." in lines


@pytest.mark.parametrize(
    ("rtf", "text"),
    [
        (r"{\rtf1\ansi\ansicpg1252 Gr\'fc\'dfe\par}", "Grüße"),
        (r"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2}", "Привет"),
        (r"{\rtf1\ansi{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset128 M;}}\f1\'93\'fa\'96\'7b\f0 caf\'e9}", "日本café"),
        (r"{\rtf1\ansi{\fonttbl{\f0\fcharset2 Symbol;}}5 {\f0 m}g}", "5 μg"),
        (r"{\rtf1\ansi\uc1 \u26085?\u26412\'3f!}", "日本!"),
        (r"{\rtf1\ansi\uc2 \u26085\'93\'fa!}", "日!"),
        (r"{\rtf1\ansi\uc0 \u-10179\u-8704 }", "😀"),
        (r"{\rtf1\ansi shown{\v hidden}{\deleted gone}\v0 on}", "shownon"),
        (r"{\rtf1\ansi a\~b\_c\-d\emdash e\'}", "a\u00a0b-cd—e"),
        (r"{\rtf1\ansi one\line two\tab x\par three}", "one\ntwo\tx\nthree"),
        (r"{\rtf1\ansi{\field{\*\fldinst HYPERLINK x}{\fldrslt link}} after}", "link after"),
        (r"{\rtf1\ansi{\pict\pngblip 89504e47}{\*\unknown x}{\info{\title T}{\author A}}seen}", "seen"),
        ("{\\rtf1\\ansi{\\pict\\bin4 }{}x}seen}", "seen"),
        (r"{\rtf1\ansi{\upr{ansi}{\*\ud unicode}}}", "unicode"),
        (r"{\rtf1\ansi\trowd\intbl 3\cell 3\cell\row\pard end}", "3 | 3\nend"),
        (r"{\rtf1\ansi\trowd\intbl one\par two\cell\row}", "one two"),
        (r"{\rtf1\ansi\pard\outlinelevel1 Part\par\pard text\par}", "## Part\n\ntext"),
        (r"{\rtf1\ansi text{\footnote\ftnalt note} goes on\par next}", "text goes on\nEndnote: note\nnext"),
        (r"{\rtf1\ansi{\header Top\par}{\footerf Low\par}body}", "body\n\nHeader: Top\n\nFooter: Low"),
        (r"{\rtf1\ansi{\shp{\*\shpinst{\sp{\sn x}{\sv 1}}{\shptxt boxed\par}}{\shprslt boxed}}text}", "text\nboxed"),
        (r"{\rtf1\ansi unclosed {\b bold", "unclosed bold"),
    ],
)  # fmt: skip
def test_rich_text_is_as_it_is_shown(tmp_path: Path, rtf: str, text: str) -> None:
    assert text_of(tmp_path / "a.rtf", rtf) == text


def test_groups_without_an_end_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.rtf"
    path.write_bytes(b"{\\rtf1 " + b"{" * 100_000)
    assert list(read_here(path)) == [Skip(str(path), "is damaged (its groups have no end)")]


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "a.doc"
    assert text_of(path, r"{\rtf1\ansi rich text}") == "rich text"
    path.write_text("<html><body><p>a page</p></body></html>")
    assert [item.text for item in read_here(path) if isinstance(item, Document)] == ["a page"]
    path = tmp_path / "b.rtf"
    path.write_bytes((FILES / "ward.doc").read_bytes())
    assert all(isinstance(item, Document) for item in read_here(path))


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.8, 0.97])
def test_part_of_a_binary_file_is_skipped_or_read(tmp_path: Path, share: float) -> None:
    data = (FILES / "ward.doc").read_bytes()
    path = tmp_path / "a.doc"
    path.write_bytes(data[: int(len(data) * share)])
    for item in read_here(path):
        assert isinstance(item, Document) or item.reason.startswith("is damaged")


def test_what_cannot_be_read_of_old_files_says_so(tmp_path: Path) -> None:
    locked = bytearray((FILES / "ward.doc").read_bytes())
    at = locked.index(b"\xec\xa5")
    locked[at + 11] |= 1
    path = tmp_path / "a.doc"
    path.write_bytes(locked)
    assert list(read_here(path)) == [Skip(str(path), "needs a password; save it without one")]
    locked[at : at + 2] = b"\xdc\xa5"
    path.write_bytes(locked)
    assert list(read_here(path)) == [Skip(str(path), "is damaged or of Word 95 or older; save it as .docx")]
