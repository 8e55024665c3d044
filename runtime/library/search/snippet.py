"""The part of a passage that answers, with the words of the query marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

SNIPPET_CHARS = 240
BOLD = ("**", "**")
# Two code points that Unicode keeps for a program's own use: no text has a reason to hold them.
MARKS = ("\ufdd0", "\ufdd1")

Range = tuple[int, int]

_MARK = re.compile("[\ufdd0\ufdd1]")


def marks_of(text: str, marked: str) -> tuple[Range, ...]:
    """Where the marked words stand in a text: `(start, stop)` each, in their order.

    Args:
        marked: the text with `MARKS` around words; where it is another text, nothing is marked.
    """
    if _MARK.sub("", marked) != text:
        return ()
    offsets = [match.start() - before for before, match in enumerate(_MARK.finditer(marked))]
    return tuple(zip(offsets[::2], offsets[1::2], strict=False))


def snippet_of(text: str, marks: Sequence[Range], chars: int = SNIPPET_CHARS, around: tuple[str, str] = BOLD) -> str:
    """About `chars` characters of a text, those with the most different marked words, on one line.

    Args:
        marks: of `marks_of`.
        around: what stands before and behind a marked word.
    """
    start, stop = _window(text, marks, chars)
    parts = [text[start : next((one for one, _ in marks if one >= start), stop)]] if marks else [text[start:stop]]
    inside = [mark for mark in marks if start <= mark[0] and mark[1] <= stop]
    for (begin, end), (following, _) in pairwise([*inside, (stop, stop)]):
        parts += [around[0], text[begin:end], around[1], text[end:following]]
    if not inside:
        parts = [text[start:stop]]
    line = " ".join("".join(parts).split())
    return ("… " if text[:start].strip() else "") + line + (" …" if text[stop:].strip() else "")


def _window(text: str, marks: Sequence[Range], chars: int) -> Range:
    """The range to show: whole words, as early as can be among those with as many different marked words."""
    if len(text) <= chars:
        return 0, len(text)
    best, most = 0, 0
    for first, (begin, _) in enumerate(marks):
        words = {text[one:end].lower() for one, end in marks[first:] if end <= begin + chars * 3 // 4}
        if len(words) > most:
            best, most = begin, len(words)
    # A quarter of the room goes to what stands before the first word.
    start = max(0, min(best - chars // 4, len(text) - chars))
    if start:
        start = _word_start(text, start, best if most else start + chars // 4)
    stop = min(len(text), start + chars)
    if stop < len(text):
        space = text.rfind(" ", start, stop)
        stop = space if space > start + chars // 2 else stop
    return start, stop


def _word_start(text: str, start: int, limit: int) -> int:
    """The first offset behind white space in a range, or its end."""
    space = re.compile(r"\s+").search(text, start, limit)
    return space.end() if space else limit
