"""Office files by what they are: names lie, as where a program calls a page of HTML `.xls`, or rich text `.doc`."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ...document import Document, Skip
from ..html import read_html
from ..plain import read_text
from ..text import Unreadable
from .docx import read_docx
from .odf import read_flat_odf, read_odf
from .old_sheets import read_excel_xml
from .old_slides import read_ppt
from .old_word import read_doc
from .ole import OLE, opened
from .rtf import START, read_rtf
from .sheets import read_workbook
from .slides import read_pptx

Reader = Callable[[Path], Iterator[Document | Skip]]

_FOLDERS: dict[str, Reader] = {"word/": read_docx, "xl/": read_workbook, "ppt/": read_pptx, "content.xml": read_odf}
_STREAMS: dict[str, Reader] = {
    "WordDocument": read_doc,
    "Workbook": read_workbook,
    "Book": read_workbook,
    "PowerPoint Document": read_ppt,
}
_SUFFIXES: dict[str, Reader] = {
    **dict.fromkeys((".docx", ".docm", ".dotx", ".dotm"), read_docx),
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xltx", ".xltm", ".xls", ".xlt"), read_workbook),
    **dict.fromkeys((".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm"), read_pptx),
    **dict.fromkeys((".odt", ".ott", ".ods", ".ots", ".odp", ".otp", ".odg", ".otg"), read_odf),
    **dict.fromkeys((".fodt", ".fods", ".fodp", ".fodg"), read_flat_odf),
    **dict.fromkeys((".doc", ".dot"), read_doc),
    **dict.fromkeys((".ppt", ".pps", ".pot"), read_ppt),
    ".rtf": read_rtf,
}
SUFFIXES = tuple(_SUFFIXES)

_OLD = (".doc", ".dot", ".xls", ".xlt", ".rtf")  # whose names other formats were given
_HEAD = 4096
# A page with its pictures in one file, as a message: headers, one of which says so.
_HEADERS = re.compile(rb"(?:\xef\xbb\xbf)?((?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*)+)")
_SAYS_SO = re.compile(rb"^(?:mime-version|content-type):", re.IGNORECASE | re.MULTILINE)


def read_office(path: Path, read_mht: Reader) -> Iterator[Document | Skip]:
    """A file of an office program, by its content; by its name where that does not tell.

    Args:
        read_mht: reads a page that was saved as a message.
    """
    return _reader(path, read_mht)(path)


def _reader(path: Path, read_mht: Reader) -> Reader:
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    named = _SUFFIXES[path.suffix.lower()]
    if head.startswith(OLE):
        return _of_streams(path, named)
    if head.startswith(b"PK"):
        return _of_members(path, named)
    if (headers := _HEADERS.match(head)) is not None and _SAYS_SO.search(headers[1]):
        return read_mht
    if START in head[:64]:
        return read_rtf
    if path.suffix.lower() in _OLD and head:
        return _of_text(head, named)
    return named


def _of_streams(path: Path, named: Reader) -> Reader:
    file = opened(path)
    try:
        if file.exists("EncryptedPackage"):
            raise Unreadable("needs a password; save it without one")
        return next((reader for name, reader in _STREAMS.items() if file.exists(name)), named)
    finally:
        file.close()


def _of_members(path: Path, named: Reader) -> Reader:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.replace("\\", "/").lower() for name in archive.namelist()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return named  # which says what is wrong
    return next((reader for start, reader in _FOLDERS.items() if any(name.startswith(start) for name in names)), named)


def _of_text(head: bytes, named: Reader) -> Reader:
    """The reader of a file of text that has the name of another format."""
    start = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1", "replace").lower()
    if "urn:schemas-microsoft-com:office:spreadsheet" in start and "<html" not in start:
        return read_excel_xml
    if any(tag in start for tag in ("<html", "<!doctype html", "<table", "<body")):
        return read_html
    return named if "\0" in start else read_text
