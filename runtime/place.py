"""The page, slide or heading of a passage, found in the document's text.

Readers leave form feeds between pages and slides, and headings as Markdown writes them.
"""

from __future__ import annotations

import re

PAGE_BREAK = "\f"
HEADING_MARK = r"#{1,6}[ \t]"  # a pattern: what the line of a heading begins with, as Markdown writes it

_HEADING = re.compile(rf"^[ \t]*{HEADING_MARK}[ \t]*(\S.*)$", re.MULTILINE)
_SLIDES = (".pptx", ".odp")
_MAX_HEADING = 80


def place_of(text: str, start: int, source: str) -> str:
    """What a person would call the place of a passage, as `page 12, Dosage`; empty where nothing tells.

    Args:
        text: of the document, up to the passage's end.
        start: where the passage begins in it.
        source: the file it came from, whose suffix tells slides from pages.
    """
    start += len(text[start:]) - len(text[start:].lstrip())
    parts = []
    if PAGE_BREAK in text:
        kind = "slide" if source.lower().endswith(_SLIDES) else "page"
        parts.append(f"{kind} {text.count(PAGE_BREAK, 0, start) + 1}")
    own = _HEADING.match(text, start)
    heading = own or next(reversed(list(_HEADING.finditer(text, 0, start))), None)
    if heading is not None:
        words = " ".join(heading_text(heading[1]).split())
        parts.append(words if len(words) <= _MAX_HEADING else f"{words[: _MAX_HEADING - 1]}…")
    return ", ".join(parts)


def heading_text(line: str) -> str:
    """A heading behind its mark, without the `#` that may close it behind a space: `# Notes on C#` keeps its own."""
    line = line.strip()
    bare = line.rstrip("#")
    return bare.rstrip() if not bare or bare[-1] in " \t" else line
