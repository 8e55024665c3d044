"""HTML: the text that a reader of the page sees, its title from <title>."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from ..document import Document, Skip, clean
from .text import decode, document_of, read_bytes

_HIDDEN = frozenset({"script", "style", "template", "noscript", "svg", "head", "nav"})
_BLOCKS = frozenset(
    "address article aside blockquote body br caption dd div dl dt fieldset figcaption figure footer form h1 h2 h3 "
    "h4 h5 h6 header hr html legend li main ol p pre section summary table td th tr ul".split()
)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
_HEAD_BYTES = 2048
_IN_HEAD = frozenset({"title", "meta", "link", "base", "script", "style", "template", "noscript"})
# Characters that encodings other than supersets of ASCII read in another way.
_ASCII = b"<+\\u0041>"


def read_html(path: Path) -> Iterator[Document | Skip]:
    """A page without its scripts, styles and navigation; blocks stand on lines of their own."""
    data = read_bytes(path)
    title, text = page_text(decode(data, _charset(data)))
    yield document_of(path, text, title)


def page_text(html: str) -> tuple[str, str]:
    """The title and the text of a page."""
    page = _Page()
    page.feed(html)
    page.close()
    return clean(" ".join("".join(page.title).split())), clean(page.text())


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self._parts: list[str] = []
        self._hidden: list[str] = []
        self._open = Counter[str]()
        self._in_title = False

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Pass over what only SGML knows, as `<![if IE]>`; the base class raises AssertionError for some of it."""
        end = self.rawdata.find(">", i)
        return end + 1 if end >= 0 else -1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._hidden == ["head"] and tag not in _IN_HEAD:  # </head> and <body> may be left out
            self._show()
        if tag == "title":
            self._in_title = not self.title
        elif tag == "body":
            self._show()
        elif tag in _HIDDEN:
            self._hidden.append(tag)
            self._open[tag] += 1
        if tag in _BLOCKS:
            self._parts.append(f"\n{'#' * int(tag[1])} " if tag in _HEADINGS else "\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif self._open[tag]:
            while (inner := self._hidden.pop()) != tag:
                self._open[inner] -= 1
            self._open[tag] -= 1
        if tag in _BLOCKS:
            self._parts.append("\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
            return
        if self._hidden == ["head"] and data.strip():
            self._show()
        if not self._hidden:
            self._parts.append(data)

    def _show(self) -> None:
        self._hidden.clear()
        self._open.clear()

    def text(self) -> str:
        lines = (" ".join(line.split()) for line in "".join(self._parts).split("\n"))
        return "\n".join(line for line in lines if line.strip("# "))


def _charset(data: bytes) -> str:
    """The declared encoding; UTF-8 where none is declared, or one in which the declaration could not be read."""
    declared = _CHARSET.search(data[:_HEAD_BYTES])
    if declared is None:
        return "utf-8"
    try:
        name = declared[1].decode("ascii")
        return name if _ASCII.decode(name) == _ASCII.decode("ascii") else "utf-8"
    except (LookupError, UnicodeError):
        return "utf-8"
