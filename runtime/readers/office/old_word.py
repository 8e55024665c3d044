"""Word files of before 2007 (.doc): text as it is shown, headings as Markdown writes them, notes behind paragraphs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from ...document import Document, Skip
from ..text import document_of, joined
from .ole import opened, title_of
from .symbols import shown_of
from .word_binary import GONE, WordBinary

_BODY, _FOOTNOTES, _HEADERS, _, _COMMENTS, _ENDNOTES, _BOXES, _HEADER_BOXES = range(8)
# Where the header of a file names the positions of notes: in the text, and of their own text.
_PLACES = {_FOOTNOTES: (0xAA, 2, 0xB2), _COMMENTS: (0xBA, 30, 0xC2), _ENDNOTES: (0x20A, 2, 0x212)}
_NAMES = {_FOOTNOTES: "Footnote", _COMMENTS: "Comment", _ENDNOTES: "Endnote"}
_STORIES, _AUTHORS = 0xF2, 0x1BA
_SEPARATORS, _SIDES = 6, (True, True, False, False, True, False)  # which stories of a section are headers
_CHARS = {"\x0b": "\n", "\x1e": "-", "\t": "\t"}
_ENDS = "\r\x07\x0c\x0e"
_BEGIN, _SEPARATE, _END = "\x13", "\x14", "\x15"
_LEVELS = 6


def read_doc(path: Path) -> Iterator[Document | Skip]:
    """A binary Word document; text boxes, headers and footers at the end."""
    file = opened(path)
    try:
        word = WordBinary(file)
        embeds = file.exists("ObjectPool") and any(one[0] == "ObjectPool" for one in file.listdir())
    finally:
        file.close()
    yield document_of(path, joined(_lines(word), "\n"), title_of(path))
    if embeds:
        yield Skip(str(path), "what is embedded in it is not read", within=True)


def _lines(word: WordBinary) -> Iterator[str]:
    starts = [0, *accumulate(word.lengths)]
    notes: dict[int, list[str]] = {}
    for part in _NAMES:
        for position, note in _notes(word, part, starts[part]):
            notes.setdefault(position, []).append(note)
    yield from _blocks(word, 0, starts[1], notes)
    for position in list(notes):  # that no character of the text refers to
        yield from notes.pop(position)
    yield from _blocks(word, starts[_BOXES], starts[_BOXES + 1], {})
    margins: dict[str, None] = {}
    places, _ = word.positions(_STORIES, 0)
    for number, (first, last) in enumerate(zip(places[_SEPARATORS:], places[_SEPARATORS + 1 :], strict=False)):
        name = "Header" if _SIDES[number % len(_SIDES)] else "Footer"
        if text := _flat(word, starts[_HEADERS] + first, starts[_HEADERS] + last):
            margins[f"{name}: {text}"] = None
    if text := _flat(word, starts[_HEADER_BOXES], starts[_HEADER_BOXES + 1]):
        margins[f"Header: {text}"] = None
    yield from (f"\n{margin}" for margin in margins)


def _notes(word: WordBinary, part: int, start: int) -> Iterator[tuple[int, str]]:
    """Notes or comments, each with the position in the body that refers to it."""
    at, size, texts = _PLACES[part]
    references, said = word.positions(at, size)
    places, _ = word.positions(texts, 0)
    authors = _authors(word) if part == _COMMENTS else []
    for number, (position, about) in enumerate(zip(references, said, strict=False)):
        if number + 1 >= len(places):
            return
        name = _NAMES[part]
        if part == _COMMENTS:
            owner = int.from_bytes(about[20:22], "little")
            name = f"{name} ({authors[owner]})" if owner < len(authors) else name
        if text := _flat(word, start + places[number], start + places[number + 1]):
            yield position, f"{name}: {text}"


def _authors(word: WordBinary) -> list[str]:
    data, at, names = word.structure(_AUTHORS), 0, []
    while at + 2 <= len(data):
        end = at + 2 + 2 * int.from_bytes(data[at : at + 2], "little")
        names.append(data[at + 2 : end].decode("utf-16-le", "replace"))
        at = end
    return names


def _flat(word: WordBinary, first: int, last: int) -> str:
    return " ".join(" ".join(_blocks(word, first, last, {})).split())


def _blocks(word: WordBinary, first: int, last: int, notes: dict[int, list[str]]) -> Iterator[str]:
    """The lines of a part of the text, notes behind the paragraph or the row that refers to them."""
    chars: list[str] = []
    cell: list[str] = []
    cells: list[str] = []
    inner: list[str] = []
    behind: list[str] = []
    fields: list[tuple[int, bool]] = []  # where in the paragraph each open one began, and whether its result has
    for position in range(first, min(last, len(word.text))):
        char = word.text[position]
        behind += notes.pop(position, [])
        if char == _BEGIN:
            fields.append((len(chars), False))
        elif char == _SEPARATE and fields:
            begin, _ = fields.pop()
            del chars[begin:]
            fields.append((begin, True))
        elif char == _END and fields:
            begin, has_result = fields.pop()
            if not has_result:
                chars[begin:] = [shown_of("".join(chars[begin:]))]
        elif char in _CHARS or char >= " ":
            chars.append(_CHARS.get(char, char))
        elif char in _ENDS:
            text = _whole(chars)
            kind = word.paragraph(position)
            if kind.ends_row or kind.ends_inner_row:
                row = cells if kind.ends_row else inner
                line = " | ".join(filter(None, row))
                row.clear()
                if kind.ends_inner_row:
                    cell.append(line)
                elif line:
                    yield from [line, *behind]
                    behind.clear()
            elif char == "\x07" or kind.ends_inner_cell:
                (cells if char == "\x07" else inner).append(" ".join(" ".join([*cell, text]).split()))
                cell.clear()
            elif kind.in_table:
                cell.append(text)
            else:
                level = min(kind.level, _LEVELS)
                yield f"\n{'#' * level} {' '.join(text.split())}\n" if level and text else text
                yield from behind
                behind.clear()
            chars.clear()
            fields = [(0, has_result) for _, has_result in fields]
    yield from filter(None, [" | ".join(filter(None, [*cells, *inner, *cell])), _whole(chars), *behind])


def _whole(chars: list[str]) -> str:
    """Text without what is not shown, of which some characters came in two halves."""
    text = "".join(chars).replace(GONE, "").strip()
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
