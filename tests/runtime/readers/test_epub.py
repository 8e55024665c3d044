"""EPUB: chapters in their order; one that cannot be read is named."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from nestling.document import Document, Skip
from nestling.readers import read_here

pytest.importorskip("lxml")

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OPS/book.opf"/></rootfiles></container>'
)
ENCRYPTED = (
    '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><e:EncryptedData '
    'xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:CipherData><e:CipherReference URI="OPS/{}"/></e:CipherData>'
    "</e:EncryptedData></encryption>"
)


def book(folder: Path, chapters: dict[str, bytes | None], encrypted: str = "", spine: str = "", href: str = "") -> Path:
    """A book of chapters; None for one that the archive has not.

    Args:
        href: how all of them are named, where not by their own names.
    """
    items = "".join(
        f'<item id="{name}" href="{href or name}" media-type="application/xhtml+xml"/>' for name in chapters
    )
    items = items.replace('href="nav.xhtml"', 'href="nav.xhtml" properties="nav"')
    references = spine or "".join(f'<itemref idref="{name}"/>' for name in chapters)
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>A book</dc:title></metadata><manifest>{items}</manifest><spine>{references}</spine></package>"
    )
    path = folder / "a.epub"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("OPS/book.opf", package)
        if encrypted:
            archive.writestr("META-INF/encryption.xml", ENCRYPTED.format(encrypted))
        for name, data in chapters.items():
            if data is not None:
                archive.writestr(f"OPS/{name}", data)
    return path


def test_chapters_are_read_in_the_order_of_the_spine_each_once_and_without_the_contents(tmp_path: Path) -> None:
    chapters: dict[str, bytes | None] = {
        "nav.xhtml": b"<nav>Contents</nav><h1>Contents</h1>",
        "b.xhtml": b"<p>second</p>",
        "a.xhtml": b"<p>first</p>",
        "cover.xhtml": b"<img src='x'/>",
    }
    spine = "".join(f'<itemref idref="{name}.xhtml"/>' for name in ("cover", "nav", "a", "b", "a"))
    path = book(tmp_path, chapters, spine=spine)
    (document,) = read_here(path)
    assert document == Document(str(path), "first\n\nsecond", "A book", {}, str(path))


def test_chapters_are_read_in_their_own_encodings(tmp_path: Path) -> None:
    declared = '<?xml version="1.0" encoding="{}"?><html><body><p>{}</p></body></html>'
    chapters: dict[str, bytes | None] = {
        "a.xhtml": declared.format("gb2312", "朱镕基").encode("gbk"),
        "b.xhtml": declared.format("utf-16", "Grüße").encode("utf-16"),
        "c.xhtml": declared.format("iso-8859-1", "“naïve”").encode("cp1252"),
    }
    (document,) = read_here(book(tmp_path, chapters))
    assert isinstance(document, Document)
    assert document.text == "朱镕基\n\nGrüße\n\n“naïve”"


@pytest.mark.parametrize(
    ("href", "member"),
    [
        ("a%20b.xhtml", "a b.xhtml"),
        ("a%20b.xhtml", "a%20b.xhtml"),
        ("a b.xhtml", "a%20b.xhtml"),
        ("%C3%A9.xhtml", "\u00e9.xhtml"),
        ("%C3%A9.xhtml", "%C3%A9.xhtml"),
        ("%C3%A9.xhtml", "%c3%a9.XHTML"),
        ("\u00e9.xhtml", "e\u0301.xhtml"),
        ("e%CC%81.xhtml", "\u00e9.xhtml"),
        ("100%.xhtml", "100%.xhtml"),
        ("text/a.xhtml", "text\\a.xhtml"),
        ("a.xhtml#start", "a.xhtml"),
    ],
)
def test_a_chapter_is_found_however_its_name_is_written(tmp_path: Path, href: str, member: str) -> None:
    path = book(tmp_path, {member: b"<p>kept</p>"}, href=href)
    (document,) = read_here(path)
    assert isinstance(document, Document)
    assert document.text == "kept"


def test_of_two_members_that_one_name_may_mean_the_one_that_it_says_is_read(tmp_path: Path) -> None:
    path = book(tmp_path, {"a%20b.xhtml": b"<p>literal</p>", "a b.xhtml": b"<p>decoded</p>"}, href="a%20b.xhtml")
    (document,) = read_here(path)
    assert isinstance(document, Document)
    assert document.text == "decoded"


def test_a_book_whose_names_are_parted_by_backslashes_is_read(tmp_path: Path) -> None:
    path, other = book(tmp_path, {"a.xhtml": b"<p>kept</p>"}), tmp_path / "b.epub"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            new.writestr(name if name.startswith("META") else name.replace("/", "\\"), old.read(name))
    (document,) = read_here(other)
    assert isinstance(document, Document)
    assert document.text == "kept"


def test_a_name_that_is_not_said_to_be_utf_8_is_found(tmp_path: Path) -> None:
    path = book(tmp_path, {"\u00e9.xhtml": b"<p>kept</p>"}, href="%C3%A9.xhtml")
    data = path.read_bytes()
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # headers of members, of which one has the flag
        for place in (one.start() for one in re.finditer(re.escape(start), data)):
            data = data[: place + flags + 1] + b"\0" + data[place + flags + 2 :]
    path.write_bytes(data)
    (document,) = read_here(path)
    assert isinstance(document, Document)
    assert document.text == "kept"


def test_a_chapter_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    chapters: dict[str, bytes | None] = {
        "a.xhtml": b"<p>kept</p>",
        "gone.xhtml": None,
        "binary.xhtml": bytes(range(128, 256)) + bytes(64),
        "locked.xhtml": b"\x9d\x17\x88",
    }
    spine = '<itemref idref="nowhere"/>' + "".join(f'<itemref idref="{name}"/>' for name in chapters)
    path = book(tmp_path, chapters, encrypted="locked.xhtml", spine=spine)
    document, *skips = read_here(path)
    assert isinstance(document, Document)
    assert document.text == "kept"
    assert skips == [
        Skip(f"{path}:nowhere", "is not in the book's list of files", within=True),
        Skip(f"{path}:OPS/gone.xhtml", "is not in the book", within=True),
        Skip(f"{path}:OPS/binary.xhtml", "is not UTF-8 text (byte 0); save it as UTF-8", within=True),
        Skip(f"{path}:OPS/locked.xhtml", "is protected against copying", within=True),
    ]


def test_a_book_whose_fonts_alone_are_scrambled_is_read(tmp_path: Path) -> None:
    (document,) = read_here(book(tmp_path, {"a.xhtml": b"<p>kept</p>"}, encrypted="fonts/a.otf"))
    assert isinstance(document, Document)


def test_a_book_of_which_all_is_encrypted_is_named(tmp_path: Path) -> None:
    path = book(tmp_path, {"a.xhtml": b"\x9d\x17\x88"}, encrypted="a.xhtml")
    assert list(read_here(path)) == [Skip(str(path), "is protected against copying; its text cannot be read")]
