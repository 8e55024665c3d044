"""PowerPoint files of before 2007 (.ppt): the texts of each slide, its notes and comments (MS-PPT)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...document import Document, Skip
from ...place import PAGE_BREAK
from ..text import Unreadable, document_of, joined
from .ole import opened, stream, title_of

_ENCRYPTED = 0xF3D1C4DF
_DOCUMENT, _EDIT, _PERSIST = 1000, 4085, 6002
_LIST, _PERSISTED, _SLIDE = 4080, 1011, 1007
_HEADER, _UNICODE, _BYTES, _OUTLINE, _STRING = 3999, 4000, 4008, 3998, 4026
_MARGINS, _COMMENT, _EMBEDDED = 4057, 12000, 4044
_TAGS = 5003  # an atom with records in it
_TITLES, _NOTES = (0, 6), 2
_NUMBER = "*"  # stands where a slide's number or a date is
_MAX_DEPTH = 50


@dataclass(frozen=True)
class _Record:
    """A record of the file: its kind, its number among others of the kind, its bytes, and whether it holds others."""

    kind: int
    instance: int
    data: bytes
    holds: bool


def read_ppt(path: Path) -> Iterator[Document | Skip]:
    """A binary presentation: form feeds between slides, footers once at the end."""
    file = opened(path)
    try:
        user, data = stream(file, "Current User"), stream(file, "PowerPoint Document")
    finally:
        file.close()
    deck = _Deck(user, data)
    text = joined(deck.slides(), PAGE_BREAK) + "".join(f"\n\nFooter: {text}" for text in deck.footers())
    yield document_of(path, text, title_of(path))
    if deck.embeds():
        yield Skip(str(path), "what is embedded in it is not read", within=True)


class _Deck:
    """A presentation that is being read."""

    def __init__(self, user: bytes, data: bytes) -> None:
        if len(user) < 20:
            raise Unreadable("is damaged (Current User)")
        mark, edit = struct.unpack_from("<II", user, 12)
        if mark == _ENCRYPTED:
            raise Unreadable("needs a password; save it without one")
        self._data = data
        self._places: dict[int, int] = {}
        document = self._read_edits(edit)
        self._document = self._persisted(document)
        if self._document is None or self._document.kind != _DOCUMENT:
            raise Unreadable("is damaged (it holds no presentation)")

    def slides(self) -> Iterator[str]:
        """The text of each slide."""
        assert self._document is not None
        lists = {one.instance: one for one in _records(self._document.data) if one.kind == _LIST}
        notes = {slide: place for place, slide, _ in _listed(lists.get(2))}
        for place, _, outline in _listed(lists.get(0)):
            slide = self._persisted(place)
            texts = outline if slide is None else list(_texts(slide, outline))
            lines = [f"# {' '.join(text.split())}\n" for kind, text in texts if kind in _TITLES]
            lines += [text for kind, text in texts if kind not in _TITLES]
            if slide is not None:
                about = next((one.data for one in _records(slide.data) if one.kind == _SLIDE), b"")
                number = struct.unpack_from("<I", about, 16)[0] if len(about) >= 20 else 0
                note = self._persisted(notes[number]) if number in notes else None
                said = [] if note is None else [text for kind, text in _texts(note, []) if kind == _NOTES]
                lines += [f"Notes: {text}" for text in said]
                lines += _comments(slide)
            yield "\n".join(lines)

    def footers(self) -> list[str]:
        """What stands below all slides, each once."""
        assert self._document is not None
        margins = [one for one in _records(self._document.data) if one.kind == _MARGINS and one.instance == 3]
        strings = (part for one in margins for part in _records(one.data) if part.kind == _STRING)
        return list(dict.fromkeys(filter(None, (_wide(part.data) for part in strings if part.instance == 2))))

    def embeds(self) -> bool:
        """Whether there are objects of other programs in it."""
        assert self._document is not None
        return any(one.kind == _EMBEDDED for one in _all(self._document))

    def _read_edits(self, edit: int) -> int:
        """Note where each object was last saved; the number of the document among them."""
        document, seen = -1, set[int]()
        while edit and edit not in seen:
            seen.add(edit)
            record = self._at(edit)
            if record is None or record.kind != _EDIT or len(record.data) < 20:
                break
            edit, directory, number = struct.unpack_from("<III", record.data, 8)
            document = number if document < 0 else document
            self._read_directory(directory)
        return document

    def _read_directory(self, place: int) -> None:
        record = self._at(place)
        if record is None or record.kind != _PERSIST:
            return
        numbers = struct.unpack(f"<{len(record.data) // 4}I", record.data[: len(record.data) // 4 * 4])
        at = 0
        while at < len(numbers):
            first, count = numbers[at] & 0xFFFFF, numbers[at] >> 20
            for number, offset in enumerate(numbers[at + 1 : at + 1 + count], start=first):
                self._places.setdefault(number, offset)
            at += 1 + count

    def _persisted(self, number: int) -> _Record | None:
        return self._at(self._places[number]) if number in self._places else None

    def _at(self, place: int) -> _Record | None:
        return next(_records(self._data, place), None)


def _records(data: bytes, at: int = 0) -> Iterator[_Record]:
    while at + 8 <= len(data):
        version, kind, size = struct.unpack_from("<HHI", data, at)
        yield _Record(kind, version >> 4, data[at + 8 : at + 8 + size], version & 0xF == 0xF or kind == _TAGS)
        at += 8 + size


def _all(record: _Record, depth: int = 0) -> Iterator[_Record]:
    """The records within one, at whatever depth."""
    for one in _records(record.data):
        yield one
        if one.holds and depth < _MAX_DEPTH:
            yield from _all(one, depth + 1)


def _listed(found: _Record | None) -> Iterator[tuple[int, int, list[tuple[int, str]]]]:
    """What a list of slides says of each: the number of its object, its own number, its texts with their kinds."""
    entry: tuple[int, int, list[tuple[int, str]]] | None = None
    kind = -1
    for one in () if found is None else _records(found.data):
        if one.kind == _PERSISTED and len(one.data) >= 16:
            if entry is not None:
                yield entry
            place, _, _, number = struct.unpack_from("<IIII", one.data)
            entry = (place, number, [])
        elif one.kind == _HEADER:
            kind = int.from_bytes(one.data[:4], "little")
        elif one.kind in (_UNICODE, _BYTES) and entry is not None:
            entry[2].append((kind, _text(one)))
    if entry is not None:
        yield entry


def _texts(slide: _Record, outline: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The texts on a slide with their kinds, some of which stand in the list of slides."""
    kind, used = -1, set[int]()
    for one in _all(slide):
        if one.kind == _HEADER:
            kind = int.from_bytes(one.data[:4], "little")
        elif one.kind in (_UNICODE, _BYTES):
            if (text := _text(one)) and text != _NUMBER:
                yield kind, text
        elif one.kind == _OUTLINE:
            number = int.from_bytes(one.data[:4], "little")
            if number < len(outline) and number not in used and outline[number][1]:
                used.add(number)
                yield outline[number]


def _comments(slide: _Record) -> Iterator[str]:
    for one in _all(slide):
        if one.kind == _COMMENT:
            strings = {part.instance: _wide(part.data) for part in _records(one.data) if part.kind == _STRING}
            author, text = strings.get(0, ""), " ".join(strings.get(1, "").split())
            if text:
                yield f"Comment ({author}): {text}" if author else f"Comment: {text}"


def _text(record: _Record) -> str:
    text = _wide(record.data) if record.kind == _UNICODE else record.data.decode("latin-1")
    return text.replace("\r", "\n").replace("\v", "\n").strip()


def _wide(data: bytes) -> str:
    return data.decode("utf-16-le", "replace")
