"""Formats of documents that cannot be read: their files are named in a report, with what to do, and not passed over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..document import Document, Skip
from .text import Unreadable

_ZIP, _OLE, _LOTUS, _ANY = b"PK", b"\xd0\xcf\x11\xe0", b"\0\0", b""
# What made them, and how they begin where other things have the same suffix.
_FORMATS = {
    ".pages": ("Apple Pages", _ZIP), ".numbers": ("Apple Numbers", _ZIP), ".key": ("Apple Keynote", _ZIP),
    ".wpd": ("WordPerfect", _ANY), ".wps": ("Microsoft Works", _ANY), ".wri": ("Windows Write", _ANY),
    ".one": ("OneNote", _ANY), ".pub": ("Publisher", _OLE), ".vsd": ("Visio", _OLE), ".vsdx": ("Visio", _ZIP),
    ".mpp": ("Microsoft Project", _OLE), ".mdb": ("Access", _ANY), ".accdb": ("Access", _ANY),
    ".sxw": ("OpenOffice 1", _ZIP), ".sxc": ("OpenOffice 1", _ZIP), ".sxi": ("OpenOffice 1", _ZIP),
    ".stw": ("OpenOffice 1", _ZIP), ".sdw": ("StarOffice", _OLE), ".sdc": ("StarOffice", _OLE),
    ".sdd": ("StarOffice", _OLE), ".et": ("WPS Office", _OLE), ".dps": ("WPS Office", _OLE),
    ".lwp": ("Lotus Word Pro", _ANY), ".wk1": ("Lotus 1-2-3", _LOTUS), ".wk3": ("Lotus 1-2-3", _LOTUS),
    ".wk4": ("Lotus 1-2-3", _LOTUS), ".123": ("Lotus 1-2-3", _LOTUS), ".qpw": ("Quattro Pro", _OLE),
    ".abw": ("AbiWord", _ANY), ".cwk": ("AppleWorks", _ANY), ".webarchive": ("Safari", b"bplist"),
    ".gdoc": ("Google Docs", b"{"), ".gsheet": ("Google Sheets", b"{"), ".gslides": ("Google Slides", b"{"),
    ".odm": ("LibreOffice Writer (master)", _ZIP), ".odb": ("LibreOffice Base", _ZIP),
    ".hwp": ("Hangul", _ANY), ".hwpx": ("Hangul", _ZIP),
    ".xps": ("XPS", _ZIP), ".oxps": ("XPS", _ZIP), ".djvu": ("DjVu", _ANY), ".ps": ("PostScript", _ANY),
    ".mobi": ("Kindle", _ANY), ".azw": ("Kindle", _ANY), ".azw3": ("Kindle", _ANY), ".fb2": ("FictionBook", _ANY),
    ".chm": ("Windows Help", _ANY), ".pst": ("Outlook", _ANY), ".ost": ("Outlook", _ANY),
}  # fmt: skip
_MAIL = (".pst", ".ost")
SUFFIXES = tuple(_FORMATS)

# Apple's programs may keep a document as a folder, in which this is its text.
_BUNDLES = (".pages", ".numbers", ".key")
_INDEXES = ("index.zip", "index.xml", "index.xml.gz", "index.apxl", "index.apxl.gz")


def bundle_of(path: Path) -> str:
    """The suffix of the document that is a folder and has its text in this file; empty where it is none."""
    suffix = path.parent.suffix.lower()
    return suffix if suffix in _BUNDLES and path.name.lower() in _INDEXES else ""


def read_named(path: Path) -> Iterator[Document | Skip]:
    """Nothing of a file of such a format but the reason; nothing at all of one that only has its suffix, as a key."""
    bundle = bundle_of(path)
    suffix = bundle or path.suffix.lower()
    program, start = _FORMATS[suffix]
    with path.open("rb") as stream:
        is_one = bool(bundle) or stream.read(len(start)) == start
    if is_one:
        advice = "export its messages as .eml or .mbox" if suffix in _MAIL else "save it as PDF or .docx"
        raise Unreadable(f"is a file of {program}, which is not read; {advice}")
    yield from ()
