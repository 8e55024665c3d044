"""Files that are zip archives of XML: opened with limits on what they may expand to, parsed without entities."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

from .text import Unreadable, limited

MAX_EXPANDED = 512 * 1024 * 1024
MAX_MEMBERS = 20_000
MAX_MEMBER = 256 * 1024 * 1024


def checked_zip(path: Path) -> zipfile.ZipFile:
    """An archive whose members, as they are declared, stay within the limits; zipfile reads no more than is declared.

    Raises:
        Unreadable: it is none, is empty, over the limit or encrypted, or would expand to too much.
    """
    limited(path)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        with path.open("rb") as stream:
            encrypted = stream.read(8) == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        if encrypted:
            raise Unreadable("is encrypted or of an old format; save it without a password in today's") from error
        raise Unreadable("is damaged or of another format (no zip archive)") from error
    members = archive.infolist()
    expanded, largest = sum(one.file_size for one in members), max((one.file_size for one in members), default=0)
    if len(members) > MAX_MEMBERS or expanded > MAX_EXPANDED or largest > MAX_MEMBER:
        archive.close()
        raise Unreadable(f"expands to {expanded} bytes in {len(members)} parts, more than is read")
    if any(one.flag_bits & 1 for one in members):
        archive.close()
        raise Unreadable("is encrypted; save it without a password")
    return archive


def member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member's bytes; raises Unreadable where there is none or it is damaged."""
    try:
        return archive.read(name)
    except (KeyError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise Unreadable(f"is damaged ({name})") from error


def parsed(data: bytes) -> Any:
    """The root of an XML document; entities are not resolved, nothing is fetched."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable("is damaged (its XML cannot be parsed)") from error
