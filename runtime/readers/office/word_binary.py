"""The structures of a binary Word file (MS-DOC): its text by character position, and properties of runs of it."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..text import MAX_TEXT, Unreadable
from .ole import stream
from .symbols import symbol

GONE = "\0"  # stands for a character that is not shown

_WORD97 = 0xA5EC
_ENCRYPTED, _TABLE_1 = 0x0100, 0x0200
_PAGE = 512
_COMPRESSED = 1 << 30
_DELETED, _VANISH, _SYMBOL = 0x0800, 0x083C, 0x6A09
_OUTLINE, _ROW_END, _INNER_ROW_END, _INNER_CELL, _IN_TABLE = 0x2640, 0x2417, 0x244C, 0x244B, 0x2416
_SIZES = (1, 1, 2, 4, 2, 2, 0, 3)  # of operands; 0: it says so itself
_WIDE = 0xD608
_TEXT_LENGTHS = 0x4C
# Where in the header the place and the size of a structure stand.
_CHARACTERS, _PARAGRAPHS, _FONTS, _PIECES = 0xFA, 0x102, 0x112, 0x1A2


@dataclass(frozen=True)
class Paragraph:
    """What a paragraph is: `level` of a heading or 0, whether it ends a cell or a row of a table within a table."""

    level: int = 0
    ends_row: bool = False
    ends_inner_row: bool = False
    ends_inner_cell: bool = False
    in_table: bool = False


class WordBinary:
    """A file's text and what is said of it.

    Attributes:
        text: of all parts one behind the other, one character for each of Word's positions; those that are hidden or
            deleted are `GONE`.
        lengths: of the parts: body, footnotes, headers, (none), comments, endnotes, text boxes, those of headers.
    """

    def __init__(self, file: Any) -> None:
        self._main = stream(file, "WordDocument")
        if len(self._main) < _PIECES + 8 or self._number(0, "<H") != _WORD97:
            raise Unreadable("is damaged or of Word 95 or older; save it as .docx")
        flags = self._number(0x0A, "<H")
        if flags & _ENCRYPTED:
            raise Unreadable("needs a password; save it without one")
        self._table = stream(file, "1Table" if flags & _TABLE_1 else "0Table")
        self.lengths = [max(self._number(_TEXT_LENGTHS + 4 * part, "<i"), 0) for part in range(8)]
        self._pieces = list(self._read_pieces())
        self._paragraphs = self._runs(_PARAGRAPHS, 13)
        self._paragraph_starts = [run[0] for run in self._paragraphs]
        self._piece_starts = [piece[0] for piece in self._pieces]
        self.text = self._read_text()

    def structure(self, at: int) -> bytes:
        """The structure whose place and size stand at an offset of the header; empty where there is none."""
        place, size = self._number(at, "<I"), self._number(at + 4, "<I")
        return self._table[place : place + size]

    def positions(self, at: int, size: int) -> tuple[list[int], list[bytes]]:
        """A list of character positions, and of what is said at each but the last, of a size."""
        data = self.structure(at)
        count = max(len(data) - 4, 0) // (4 + size)
        if not count:
            return [], []
        places = list(struct.unpack_from(f"<{count + 1}I", data))
        start = 4 * (count + 1)
        return places, [data[start + size * one : start + size * (one + 1)] for one in range(count)]

    def paragraph(self, position: int) -> Paragraph:
        """The properties of the paragraph that ends at a character position."""
        piece = self._pieces[bisect_right(self._piece_starts, position) - 1]
        place = piece[2] + (position - piece[0]) * piece[3]
        run = bisect_right(self._paragraph_starts, place) - 1
        if run < 0 or place >= self._paragraphs[run][1]:
            return Paragraph()
        data = self._paragraphs[run][2]
        if len(data) < 2:
            return Paragraph()
        (style,) = struct.unpack_from("<H", data)
        marks = dict(_properties(data[2:]))
        outline = marks.get(_OUTLINE, b"\x09")[0]
        level = outline + 1 if outline < 9 else style if 1 <= style <= 9 and _OUTLINE not in marks else 0
        is_on = {mark for mark in (_ROW_END, _INNER_ROW_END, _INNER_CELL, _IN_TABLE) if marks.get(mark, b"\0")[0]}
        return Paragraph(level, _ROW_END in is_on, _INNER_ROW_END in is_on, _INNER_CELL in is_on, _IN_TABLE in is_on)

    def _number(self, at: int, form: str) -> int:
        try:
            return int(struct.unpack_from(form, self._main, at)[0])
        except struct.error as error:
            raise Unreadable("is damaged (WordDocument)") from error

    def _read_pieces(self) -> Iterator[tuple[int, int, int, int]]:
        """The pieces of the text: from and to which position, where in the stream, bytes a character."""
        data, at = self.structure(_PIECES), 0
        while at + 5 <= len(data) and data[at] == 1:  # properties that pieces share
            at += 3 + struct.unpack_from("<H", data, at + 1)[0]
        if at + 5 > len(data) or data[at] != 2:
            raise Unreadable("is damaged (it does not say where its text is)")
        (size,) = struct.unpack_from("<I", data, at + 1)
        table = data[at + 5 : at + 5 + size]
        count = max(len(table) - 4, 0) // 12
        places = struct.unpack_from(f"<{count + 1}I", table) if count else ()
        for number in range(count):
            (place,) = struct.unpack_from("<I", table, 4 * (count + 1) + 8 * number + 2)
            start, end = places[number], places[number + 1]
            if end <= start or end > MAX_TEXT:
                raise Unreadable("is damaged or over the limit (its text has no order)")
            is_small = bool(place & _COMPRESSED)
            place &= _COMPRESSED - 1
            yield (start, end, place // 2, 1) if is_small else (start, end, place, 2)

    def _read_text(self) -> str:
        marks = self._hidden_and_symbols()
        starts = [mark[0] for mark in marks]
        parts = []
        for start, end, place, width in self._pieces:
            data = self._main[place : place + (end - start) * width]
            if width == 1:
                chars = list(data.decode("cp1252", "replace"))
            else:
                chars = list(map(chr, struct.unpack(f"<{len(data) // 2}H", data[: len(data) // 2 * 2])))
            chars += GONE * (end - start - len(chars))
            for run in range(max(bisect_right(starts, place) - 1, 0), len(marks)):
                first, last, sign = marks[run]
                if first >= place + (end - start) * width:
                    break
                for at in range(max((first - place) // width, 0), min((last - place) // width, end - start)):
                    chars[at] = sign
            parts.append("".join(chars))
        return "".join(parts)

    def _hidden_and_symbols(self) -> list[tuple[int, int, str]]:
        """Runs of the stream whose characters are not shown, or shown as another one."""
        fonts = self._font_names()
        found = []
        for first, last, data in self._runs(_CHARACTERS, 1):
            marks = dict(_properties(data))
            if any(marks.get(mark, b"\0")[0] & 0x7F == 1 for mark in (_DELETED, _VANISH)):
                found.append((first, last, GONE))
            elif _SYMBOL in marks:
                font, code = struct.unpack("<HH", marks[_SYMBOL])
                name = fonts[font] if font < len(fonts) else ""
                found.append((first, last, symbol(name, f"{code:x}") or GONE))
        return found

    def _font_names(self) -> list[str]:
        data, at, names = self.structure(_FONTS), 4, []
        while at < len(data):
            size = data[at] + 1
            name = data[at + 40 : at + size].decode("utf-16-le", "replace")
            names.append(name.partition("\0")[0])
            at += size
        return names

    def _runs(self, at: int, size: int) -> list[tuple[int, int, bytes]]:
        """Properties of runs, from pages of 512 bytes: from and to which place of the stream, and which."""
        runs = []
        for page in self.positions(at, 4)[1]:
            start = struct.unpack("<I", page)[0] % (1 << 22) * _PAGE
            data = self._main[start : start + _PAGE]
            if len(data) < _PAGE or 4 * (data[-1] + 1) + size * data[-1] > _PAGE - 1:
                continue
            count = data[-1]
            places = struct.unpack_from(f"<{count + 1}I", data)
            for number in range(count):
                offset = 2 * data[4 * (count + 1) + size * number]
                runs.append((places[number], places[number + 1], _exception(data, offset, size) if offset else b""))
        runs.sort(key=lambda run: run[:2])
        return runs


def _exception(page: bytes, offset: int, size: int) -> bytes:
    """Properties that stand in a page: of characters, or of a paragraph, which count their bytes otherwise."""
    length = page[offset]
    if size == 1:
        return page[offset + 1 : offset + 1 + length]
    if length:
        return page[offset + 1 : offset + 2 * length]
    return page[offset + 2 : offset + 2 + 2 * page[offset + 1]] if offset + 1 < len(page) else b""


def _properties(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Properties by their number, with their values, which are of at least one byte."""
    at = 0
    while at + 3 <= len(data):
        (number,) = struct.unpack_from("<H", data, at)
        at += 2
        size = _SIZES[number >> 13]
        if not size and number == _WIDE:
            size = struct.unpack_from("<H", data, at)[0] + 1 if at + 2 <= len(data) else len(data)
        elif not size:
            size = data[at] + 1
        value = data[at : at + size]
        at += size
        if len(value) == size:
            yield number, value
