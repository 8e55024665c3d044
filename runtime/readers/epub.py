"""EPUB: the chapters of a book in their order."""

from __future__ import annotations

import posixpath
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ..document import Document, Skip
from .html import decoded_page, page_text
from .text import MAX_FILE_BYTES, Unreadable, document_of, joined
from .zipped import checked_zip, member, parsed

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_OPF = "{http://www.idpf.org/2007/opf}"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_ROOTFILE = "{urn:oasis:names:tc:opendocument:xmlns:container}rootfile"
_CIPHER = "{http://www.w3.org/2001/04/xmlenc#}CipherReference"
_IS_UTF_8 = 0x800  # a flag of a name in an archive
_LOCKED = "is protected against copying"


@dataclass(frozen=True)
class _Chapter:
    """A chapter as the book's package names it.

    Attributes:
        name: in the archive, or what stands for it where the package does not say; empty if `reason` says why.
        reason: why it cannot be read; empty if it can.
    """

    name: str
    reason: str = ""


def read_epub(path: Path) -> Iterator[Document | Skip]:
    """A book: one document, its title the book's; a chapter that cannot be read is named."""
    skips: list[Skip] = []
    with checked_zip(path) as archive:
        package = _package(archive)
        book = parsed(member(archive, _found(_names(archive), package) or package))
        title = next((element.text for element in book.iter(_TITLE) if element.text), None)
        chapters = list(_chapters(book, package, _encrypted(archive)))
        if chapters and all(chapter.reason == _LOCKED for chapter in chapters):
            raise Unreadable("is protected against copying; its text cannot be read")
        text = joined(_texts(archive, chapters, str(path), skips), "\n\n")
    if text.strip():
        yield document_of(path, text, title)
    elif not skips:
        raise Unreadable("holds no text")
    yield from skips


def _package(archive: zipfile.ZipFile) -> str:
    package = next((root.get("full-path") for root in parsed(member(archive, _CONTAINER)).iter(_ROOTFILE)), None)
    if package is None:
        raise Unreadable("is damaged (it names no package)")
    return str(package)


def _encrypted(archive: zipfile.ZipFile) -> set[str]:
    """What is encrypted in the archive, by names as they are compared; of most books, if any, the fonts alone."""
    if _ENCRYPTION not in archive.namelist():
        return set()
    references = parsed(member(archive, _ENCRYPTION)).iter(_CIPHER)
    return {_key(_name(reference.get("URI", ""), "")) for reference in references}


def _chapters(book: Any, package: str, encrypted: set[str]) -> Iterator[_Chapter]:
    """What the spine names, each once, but for the table of contents, which repeats the headings."""
    items = {item.get("id"): item for item in book.iter(f"{_OPF}item")}
    seen = set()
    for reference in book.iter(f"{_OPF}itemref"):
        id = reference.get("idref", "")
        item = items.get(id)
        if item is None or not item.get("href"):
            yield _Chapter(id, "is not in the book's list of files")
            continue
        name = _name(item.get("href"), package)
        if name not in seen and "nav" not in item.get("properties", "").split():
            seen.add(name)
            yield _Chapter(name, _LOCKED if _key(name) in encrypted else "")


def _texts(archive: zipfile.ZipFile, chapters: list[_Chapter], source: str, skips: list[Skip]) -> Iterator[str]:
    names = _names(archive)
    for chapter in chapters:
        where = f"{source}:{chapter.name}"
        try:
            if chapter.reason:
                raise Unreadable(chapter.reason)
            if (name := _found(names, chapter.name)) is None:
                raise Unreadable("is not in the book")
            if archive.getinfo(name).file_size > MAX_FILE_BYTES:
                raise Unreadable(f"has over {MAX_FILE_BYTES} bytes")
            if not (data := member(archive, name)).strip():
                continue
            page = decoded_page(data, where)
            skips += page.skips
            yield page_text(page.text)[1]
        except Unreadable as reason:
            skips.append(Skip(where, str(reason), within=True))
        except (ValueError, AssertionError, RecursionError) as error:  # of the parser
            skips.append(Skip(where, f"cannot be parsed ({type(error).__name__}: {error})", within=True))


def _name(href: str, package: str) -> str:
    """The name in the archive of what a file of it refers to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(package), unquote(href.partition("#")[0]))).lstrip("/")


def _names(archive: zipfile.ZipFile) -> dict[str, str]:
    """Members of the archive by their names and, where no other has it, by what else programs take for the name."""
    members = archive.infolist()
    return {_key(_spelled(one)): one.filename for one in members} | {one.filename: one.filename for one in members}


def _found(names: dict[str, str], name: str) -> str | None:
    return names.get(name) or names.get(_key(name))


def _key(name: str) -> str:
    """A name as it is compared, of programs that write into the archive what belongs into links, or the reverse."""
    return unicodedata.normalize("NFC", unquote(name.replace("\\", "/"))).lower()


def _spelled(one: zipfile.ZipInfo) -> str:
    """A member's name, which is UTF-8 also of most programs that do not say so."""
    try:
        return one.filename if one.flag_bits & _IS_UTF_8 else one.filename.encode("cp437").decode()
    except UnicodeError:
        return one.filename
