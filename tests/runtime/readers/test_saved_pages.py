"""Pages that were saved as one file: by browsers, by Word, by Confluence, which calls them documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from letters import HEADERS, attached, mixed, read, text

PAGE = (
    "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\nContent-Location: {}\n\n"
    "<html><head><title>Pl=C3=A4ne</title><style>p {{color: red}}</style></head>=\n<body><p>Count the gr=C3=BCn ones"
)
PARTS = [
    "Content-Type: text/css\nContent-Location: a.css\n\np {color: red}",
    "Content-Type: text/javascript\nContent-Location: a.js\n\nvar a = 1;",
    "Content-Type: application/javascript\nContent-Location: b.js\n\nvar b = 1;",
    "Content-Type: text/xml\nContent-Location: filelist.xml\n\n<xml>main</xml>",
    "Content-Type: application/x-mso\nContent-Location: editdata.mso\nContent-Transfer-Encoding: base64\n\nAAAA",
    "Content-Type: image/png\nContent-Location: a.png\nContent-Transfer-Encoding: base64\n\nAAAA",
    "Content-Type: font/woff2\nContent-Location: a.woff2\nContent-Transfer-Encoding: base64\n\nAAAA",
    "Content-Type: text/html\nContent-Location: frame.html\n\n<title>Frame</title><p>in a frame",
]
SAVED = mixed(PAGE.format("https://example.org/plan"), *PARTS, kind="related")
BLINK = f"From: <Saved by Blink>\nSubject: =?utf-8?Q?The=20page?=\nMIME-Version: 1.0\n{SAVED}"
WORD = f"MIME-Version: 1.0\n{SAVED}".replace("\n\n", "\n\nThis document is a Single File Web Page.\n\n", 1)
CONFLUENCE = (
    "Date: Tue, 2 Jan 2024 10:00:00 +0100 (CET)\nMessage-ID: <1@wiki>\nSubject: Exported From Confluence\n"
    f"MIME-Version: 1.0\n{SAVED}"
)
ALONE = "Content-Type: text/html\n\n<title>Pläne</title><p>Count the grün ones<p>in a frame"


@pytest.mark.parametrize("name", ["a.mht", "a.mhtml", "a.doc", "a.xls", "a.rtf", "a.docx", "a.ppt", "a.DOC"])
@pytest.mark.parametrize("saved", [BLINK, WORD, CONFLUENCE, ALONE], ids=["browser", "word", "confluence", "alone"])
def test_of_a_saved_page_the_text_is_read_and_the_title_whatever_it_is_called(
    tmp_path: Path, name: str, saved: str
) -> None:
    for source in (saved, saved.replace("\n", "\r\n"), f"\ufeff{saved}"):
        document, skips = read(tmp_path, source, name)
        assert document.title == "Pläne"
        assert (
            document.text.removeprefix("From: Saved by Blink\n\n").split() == "Count the grün ones in a frame".split()
        )
        assert skips == []


def test_without_a_title_of_its_own_a_saved_page_has_that_of_its_message_or_its_file(tmp_path: Path) -> None:
    bare = "MIME-Version: 1.0\nContent-Type: text/html\n\n<p>words"
    assert read(tmp_path, f"Subject: told\n{bare}", "a.mht")[0].title == "told"
    assert read(tmp_path, bare, "a.doc")[0].title == "a"


def test_a_page_within_mail_has_the_title_of_the_mail(tmp_path: Path) -> None:
    document, _ = read(tmp_path, HEADERS + SAVED)
    assert document.title == "s"
    assert "var a" not in document.text


def test_a_style_or_a_script_that_is_sent_for_itself_is_text(tmp_path: Path) -> None:
    style = attached("a.css", b"p {color: red}", "text/css")
    beside = "Content-Type: text/javascript; name=a.js\nContent-Disposition: inline\n\nvar a = 1;"
    for kind in ("mixed", "related"):
        body = mixed("Content-Type: text/plain\n\nsee", style, kind=kind)
        assert text(tmp_path, HEADERS + body) == "see\n\n[a.css]\np {color: red}"
    assert text(tmp_path, HEADERS + mixed("Content-Type: text/plain\n\nsee", beside)) == "see\n\n[a.js]\nvar a = 1;"


def test_what_only_begins_like_a_message_is_no_page(tmp_path: Path) -> None:
    for source in ("Note: gauze\nCount: 5", "Content of the box:\n5"):
        assert read(tmp_path, source, "a.doc")[0].text == source
