"""HTML: the text that a reader of the page sees, its title from <title>."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from ..document import Document, Skip, clean
from .text import Unreadable, decode, read_bytes

_HIDDEN = frozenset({"script", "style", "template", "noscript", "svg", "head", "nav"})
_BLOCKS = frozenset(
    "address article aside blockquote body br caption dd div dl dt fieldset figcaption figure footer form h1 h2 h3 "
    "h4 h5 h6 header hr html legend li main ol p pre section summary table td th tr ul".split()
)
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
_HEAD_BYTES = 2048


def read_html(path: Path) -> Iterator[Document | Skip]:
    """A page without its scripts, styles and navigation; blocks stand on lines of their own."""
    try:
        data = read_bytes(path)
        page = _Page()
        page.feed(decode(data, _charset(data)))
        page.close()
    except Unreadable as reason:
        yield Skip(str(path), str(reason))
        return
    text = clean(page.text())
    if not text:
        yield Skip(str(path), "holds no text")
        return
    title = clean(" ".join("".join(page.title).split()))
    yield Document(id=str(path), text=text, title=title or path.stem, source=str(path))


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self._parts: list[str] = []
        self._hidden: list[str] = []
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = not self.title
        elif tag == "body":
            self._hidden.clear()
        elif tag in _HIDDEN:
            self._hidden.append(tag)
        if tag in _BLOCKS:
            self._parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif tag in self._hidden:
            while self._hidden.pop() != tag:
                pass
        if tag in _BLOCKS:
            self._parts.append("\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._hidden:
            self._parts.append(data)

    def text(self) -> str:
        lines = (" ".join(line.split()) for line in "".join(self._parts).split("\n"))
        return "\n".join(line for line in lines if line)


def _charset(data: bytes) -> str:
    declared = _CHARSET.search(data[:_HEAD_BYTES])
    if declared is None:
        return "utf-8"
    try:
        found = codecs.lookup(declared[1].decode("ascii"))
    except (LookupError, UnicodeDecodeError):
        return "utf-8"
    return found.name if found._is_text_encoding else "utf-8"
