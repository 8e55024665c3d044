"""The pages, slides and headings of passages, found in the document's text.

Readers leave form feeds between pages and slides, and headings as Markdown writes them.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

PAGE_BREAK = "\f"
HEADING_MARK = r"#{1,6}[ \t]"  # a pattern: what the line of a heading begins with, as Markdown writes it

_HEADING = re.compile(rf"^[ \t]*{HEADING_MARK}[ \t]*(\S.*)$", re.MULTILINE)
_TEXT = re.compile(r"\S")
_SLIDES = tuple(".pptx .ppsx .potx .pptm .ppsm .potm .ppt .pps .pot .odp .otp .fodp".split())
_MAX_HEADING = 80


def places_of(text: str, starts: Sequence[int], source: str) -> list[str]:
    """What a person would call the place of each passage, as `page 12, Dosage`; empty where nothing tells.

    Args:
        text: of the document.
        starts: where each passage begins in it.
        source: the file it came from, whose suffix tells slides from pages.
    """
    if PAGE_BREAK not in text and "#" not in text:
        return [""] * len(starts)
    kind = "slide" if source.lower().endswith(_SLIDES) else "page"
    breaks = [offset for offset, char in enumerate(text) if char == PAGE_BREAK] if PAGE_BREAK in text else []
    headings = list(_HEADING.finditer(text))
    heading_starts = [heading.start() for heading in headings]
    places = []
    for start in starts:
        first = _TEXT.search(text, start)
        begin = start if first is None else first.start()
        parts = [f"{kind} {bisect_left(breaks, begin) + 1}"] if breaks else []
        if above := bisect_right(heading_starts, begin):
            parts.append(_shortened(headings[above - 1][1]))
        places.append(", ".join(parts))
    return places


def heading_text(line: str) -> str:
    """A heading behind its mark, without the `#` that may close it behind a space: `# Notes on C#` keeps its own."""
    line = line.strip()
    bare = line.rstrip("#")
    return bare.rstrip() if not bare or bare[-1] in " \t" else line


def _shortened(heading: str) -> str:
    words = " ".join(heading_text(heading).split())
    return words if len(words) <= _MAX_HEADING else f"{words[: _MAX_HEADING - 1]}…"
