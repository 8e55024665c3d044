"""What calamine does not read of old workbooks: those in one XML file, and the texts around the cells of binary ones.

Excel 2003 and many reporting programs write the first, mostly under the name `.xls`; the second are MS-XLS.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...document import Document, Skip
from ..text import document_of, joined, read_bytes
from ..zipped import parsed
from .ole import opened, stream
from .package import local, value

_BOOK = "Workbook"
_BEGIN, _END, _CONTINUED = 0x809, 0x0A, 0x3C
_OBJECT, _BOX, _NOTE, _SERIES, _LABEL = 0x5D, 0x1B6, 0x1C, 0x100D, 0x204
_CHART, _COMMENT = 0x20, 0x19  # kinds of sheets, of objects


def read_excel_xml(path: Path) -> Iterator[Document | Skip]:
    """A heading for each sheet, a line for each row, comments below theirs."""
    root = parsed(read_bytes(path))
    title = next((one.text for one in root.iter() if local(one) == "Title"), None)
    yield document_of(path, joined(_lines(root), "\n"), title)


def drawn_in(path: Path) -> Iterator[str]:
    """The texts of charts, text boxes and comments in a binary workbook, each once."""
    file = opened(path)
    try:
        data = stream(file, _BOOK) if file.exists(_BOOK) else b""
    finally:
        file.close()
    yield from dict.fromkeys(" ".join(text.split()) for text in _drawn(data) if text.strip())


def _lines(root: Any) -> Iterator[str]:
    for one in root.iter():
        if local(one) == "Worksheet":
            yield f"\n# {' '.join(value(one, 'Name').split())}\n"
        elif local(one) == "Row":
            if line := " | ".join(filter(None, (_shown(part) for part in one.iter() if local(part) == "Data"))):
                yield line
            for comment in (part for part in one.iter() if local(part) == "Comment"):
                author, text = value(comment, "Author"), " ".join(" ".join(comment.itertext()).split())
                yield f"Comment ({author}): {text}" if author else f"Comment: {text}"


def _shown(data: Any) -> str:
    if local(data.getparent()) != "Cell":
        return ""
    text = " ".join("".join(data.itertext()).split())
    if value(data, "Type") == "DateTime":
        return text.removesuffix(".000").removesuffix("T00:00:00").replace("T", " ")
    return {"1": "TRUE", "0": "FALSE"}.get(text, text) if value(data, "Type") == "Boolean" else text


def _drawn(data: bytes) -> Iterator[str]:
    sheets: list[int] = []
    comments: dict[int, str] = {}
    kind = number = wanted = 0
    box = ""
    for record, body in _records(data):
        if record == _CONTINUED and wanted:
            part = _string(body[1:], body[:1], wanted)
            box, wanted = box + part, wanted - len(part) if part else 0
        elif box or wanted:
            if kind == _COMMENT:
                comments[number] = box
            else:
                yield box
            box, wanted = "", 0
        if record == _BEGIN and len(body) >= 4:
            sheets.append(struct.unpack_from("<H", body, 2)[0])
        elif record == _END and sheets:
            sheets.pop()
        elif record == _OBJECT and len(body) >= 8:
            kind, number = struct.unpack_from("<HH", body, 4)
        elif record == _BOX and len(body) >= 12:
            (wanted,) = struct.unpack_from("<H", body, 10)
        elif record == _NOTE and len(body) >= 11:
            of, size = struct.unpack_from("<HH", body, 6)
            author = _string(body[11:], body[10:11], size).strip()
            if text := comments.pop(of, "").removeprefix(f"{author}:").strip():
                yield f"Comment ({author}): {text}" if author else f"Comment: {text}"
        elif record == _SERIES and len(body) >= 4:
            yield _string(body[4:], body[3:4], body[2])
        elif record == _LABEL and sheets[-1:] == [_CHART] and len(body) >= 9:
            yield _string(body[9:], body[8:9], struct.unpack_from("<H", body, 6)[0])
    yield from (f"Comment: {text}" for text in comments.values())


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        kind, size = struct.unpack_from("<HH", data, at)
        yield kind, data[at + 4 : at + 4 + size]
        at += 4 + size
    yield 0, b""


def _string(data: bytes, flags: bytes, count: int) -> str:
    """Up to so many characters, of one byte or two, as the flags say."""
    if flags[:1] and flags[0] & 1:
        return data[: 2 * count].decode("utf-16-le", "replace")
    return data[:count].decode("latin-1")
