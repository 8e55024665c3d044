"""EPUB: the chapters of a book in their order."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from ..document import Document, Skip
from .html import page_text
from .text import Unreadable, decode, document_of, joined
from .zipped import checked_zip, member, parsed

_CONTAINER = "META-INF/container.xml"
_OPF = "{http://www.idpf.org/2007/opf}"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_ROOTFILE = "{urn:oasis:names:tc:opendocument:xmlns:container}rootfile"


def read_epub(path: Path) -> Iterator[Document | Skip]:
    """A book: one document, its title the book's."""
    with checked_zip(path) as archive:
        if "META-INF/encryption.xml" in archive.namelist() and "META-INF/rights.xml" in archive.namelist():
            raise Unreadable("is protected against copying; its text cannot be read")
        package = next((root.get("full-path") for root in parsed(member(archive, _CONTAINER)).iter(_ROOTFILE)), None)
        if package is None:
            raise Unreadable("is damaged (it names no package)")
        book = parsed(member(archive, package))
        names = {item.get("id"): item.get("href") for item in book.iter(f"{_OPF}item")}
        title = next((element.text for element in book.iter(_TITLE)), None)
        hrefs = [href for item in book.iter(f"{_OPF}itemref") if (href := names.get(item.get("idref")))]
        paths = [posixpath.normpath(posixpath.join(posixpath.dirname(package), unquote(href))) for href in hrefs]
        text = joined((_chapter(member(archive, name)) for name in paths), "\n\n")
    yield document_of(path, text, title)


def _chapter(data: bytes) -> str:
    try:
        return page_text(decode(data))[1]
    except Unreadable:  # a cover is often a picture alone
        return ""
