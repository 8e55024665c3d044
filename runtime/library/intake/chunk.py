"""A document to overlapping passages by the model's own tokens, cut before headings or on sentence ends where it can.

No token is left out: every character that carries one lies in at least one passage. The passages of one
document are of about equal length, so that none is a leftover of a few words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from pathlib import PurePath

import numpy as np

from ...arrays import Mask
from ...document import Document
from ...encoding.tokens import Spans, Tokens
from ...place import HEADING_MARK, PAGE_BREAK

PASSAGE_TOKENS = 180
OVERLAP_TOKENS = 24
TITLE_TOKENS = 64

_HEADING_START = re.compile(rf"{PAGE_BREAK}|\n(?=[ \t]*{HEADING_MARK})")
_SENTENCE_START = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])|\n\s*\n|\n(?=\s*(?:#|[-*•]\s|\d+[.)]\s))")


@dataclass(frozen=True)
class Passage:
    """A part of a document.

    Attributes:
        start, stop: its range of characters in the document's text.
        text: what the encoder reads for it: the document's title, where that is more than the name of its file, then
            its own text.
    """

    start: int
    stop: int
    text: str


def passages_of(document: Document, tokens: Tokens) -> list[Passage]:
    """The passages of a document, in reading order; one empty passage for a document without text."""
    heading = heading_of(document.title, document.source, tokens)
    room = _room(tokens) - tokens.count(heading)
    return [
        Passage(start, stop, with_heading(heading, document.text[start:stop]))
        for start, stop in cut(document.text, tokens, room, OVERLAP_TOKENS)
    ]


def heading_of(title: str, source: str, tokens: Tokens) -> str:
    """A document's title as it stands before each of its passages.

    One longer than 64 tokens, or than half of what the encoder reads, is shortened; the full-text index reads all of
    it. A title that is the name of the file is left out, so that a file which only changed its name has the vectors
    that it had.
    """
    own = "" if title == PurePath(source).stem else title
    return tokens.truncated(own, min(TITLE_TOKENS, _room(tokens) // 2))


def with_heading(heading: str, text: str) -> str:
    """What the encoder reads for a passage of this text."""
    return f"{heading}\n{text}" if heading else text


def _room(tokens: Tokens) -> int:
    return min(tokens.room("document"), PASSAGE_TOKENS)


def cut(text: str, tokens: Tokens, room: int, overlap: int) -> list[tuple[int, int]]:
    """Cut a text into passages of at most `room` tokens that overlap by about `overlap` tokens.

    Returns:
        Character ranges `(start, stop)` in reading order; one empty range for a text without tokens.
    """
    spans = tokens.spans(text)
    if not len(spans.chars):
        return [(0, 0)]
    heading, sentence = _starts(_HEADING_START, text, spans), _starts(_SENTENCE_START, text, spans)
    return [
        (int(spans.chars[begin, 0]), int(spans.chars[stop - 1, 1]))
        for begin, stop in _ranges(heading, sentence, spans.starts_word, room, min(overlap, room // 4))
    ]


def _starts(border: re.Pattern[str], text: str, spans: Spans) -> Mask:
    """(n,) bool, true for the first token behind each border: of a sentence, paragraph, heading or list item."""
    starts = np.zeros(len(spans.chars), dtype=np.bool_)
    borders = np.fromiter((match.end() for match in border.finditer(text)), dtype=np.int64)
    first_token = np.searchsorted(spans.chars[:, 0], borders, side="left")
    starts[first_token[first_token < len(starts)]] = True
    return starts & spans.starts_word


def _ranges(heading: Mask, sentence: Mask, word: Mask, room: int, overlap: int) -> list[tuple[int, int]]:
    """Token ranges `(begin, stop)` that cover all tokens, each at most `room` long; nothing overlaps a heading."""
    total = len(sentence)
    ranges: list[tuple[int, int]] = []
    begin = 0
    while total - begin > room:
        left = total - begin
        parts = ceil((left - overlap) / (room - overlap))
        target = begin + ceil((left + (parts - 1) * overlap) / parts)
        stop = _nearest(heading, target, begin + room // 2, begin + room)
        if stop is not None:
            ranges.append((begin, stop))
            begin = stop
            continue
        stop = _nearest(sentence, target, begin + room // 2, begin + room)
        if stop is None:
            stop = _nearest(word, target, begin + 1, begin + room) or begin + room
        ranges.append((begin, stop))
        back = stop - overlap
        again = _nearest(sentence, back, back, stop)
        if again is None:
            again = _nearest(word, back, back, stop) or stop
        begin = max(again, begin + 1)
    ranges.append((begin, total))
    return ranges


def _nearest(marks: Mask, target: int, low: int, high: int) -> int | None:
    """The marked position in `[low, high]` that is nearest to `target`, the earlier of two as near."""
    low = max(low, 0)
    positions = np.flatnonzero(marks[low : high + 1]) + low
    if not len(positions):
        return None
    return int(positions[np.argmin(np.abs(positions - target))])
