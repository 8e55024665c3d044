"""HTML: the text that a reader of the page sees, its title from <title>."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html import escape
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

from ..document import Document, Skip, clean
from .text import Text, document_of, read_bytes, text_of

_HIDDEN = frozenset({"script", "style", "template", "noscript", "svg", "head", "nav"})
_BLOCKS = frozenset(
    "address article aside blockquote body br caption dd details div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hr html legend li main ol option p pre section summary table ul".split()
)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_CELLS = frozenset({"td", "th"})
_AS_WRITTEN = frozenset({"pre", "textarea", "listing"})  # where the ends of lines are those of the source
_READINGS = frozenset({"rt", "rp"})  # of characters, and the parentheses around them
_IN_HEAD = frozenset({"title", "meta", "link", "base", "script", "style", "template", "noscript"})
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml[^>]{0,200}encoding\s*=\s*[\"']\s*([\w.:-]+)", re.IGNORECASE)
_HEAD_BYTES = 4096
# Elements whose content is no markup: they end at their end tag and nowhere else.
_RAW = "script|style|title|textarea|iframe|noembed|noframes|xmp|plaintext"
_RAW_END = re.compile(rf"</({_RAW})(?=[\s/>])", re.IGNORECASE)
_RAW_START = re.compile(rf"<({_RAW})(?=[\s/>])[^<>]*>[^<]*", re.IGNORECASE)
# As browsers end a comment; one that ends as soon as it begins hides nothing.
_COMMENT = re.compile(r"<!--(?:-?>|.*?--!?>)", re.DOTALL)
_COMMENT_END = re.compile(r"-->|(?<!<!)--!>")
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_LONG_NUMBER = re.compile(r"&#(?:0*[1-9]\d{7,}|[xX]0*[1-9a-fA-F][0-9a-fA-F]{6,});?")
_SUBSET = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?<!DOCTYPE[^\[>]*\[[^\]]*\]\s*>", re.IGNORECASE)
# What stands before each row of a table and each of its cells, until they are put together; no text has them.
_ROW, _CELL = "\x1e", "\x1f"
_MARKS = str.maketrans(_ROW + _CELL, "  ")


def read_html(path: Path) -> Iterator[Document | Skip]:
    """A page without its scripts, styles and navigation; blocks stand on lines of their own, a table's row on one."""
    page = decoded_page(read_bytes(path), str(path))
    title, text = page_text(page.text)
    yield document_of(path, text, title, page.metadata)
    yield from page.skips


def decoded_page(data: bytes, source: str, *labels: str | None) -> Text:
    """A page's markup as text.

    Args:
        source: where it comes from, for a Skip.
        labels: the encodings that were told outside of it; those that it declares itself are tried after them.

    Raises:
        Unreadable: it is no text, or is empty.
    """
    head = data[:_HEAD_BYTES]
    declared = [found[1].decode("ascii") for pattern in (_XML, _CHARSET) if (found := pattern.search(head))]
    return text_of(data, source, *labels, *declared)


def page_text(html: str) -> tuple[str, str]:
    """The title and the text of a page."""
    page = _Page()
    page.feed(_closed(html))
    page.close()
    return clean(" ".join("".join(page.title).split())), clean(page.text())


def _closed(html: str) -> str:
    """Markup in which nothing hides the rest of the page: elements and comments that never end are not begun."""
    html = _LONG_NUMBER.sub("\ufffd", html.translate(_MARKS))
    if (subset := _SUBSET.match(html)) is not None:
        html = html[subset.end() :]
    sections = html.rfind("]]>") + 1
    html = _CDATA.sub(lambda section: escape(section[1], quote=False), html[: sections + 2]) + html[sections + 2 :]
    closed = max((end.start() for end in _COMMENT_END.finditer(html)), default=-1)
    if (start := html.find("<!--", closed + 1)) >= 0:
        html = html[:start] + html[start:].replace("<!--", " ")
    ends = {end[1].lower(): end.start() for end in _RAW_END.finditer(html)}

    def begun(start: re.Match[str]) -> str:
        tag = start[1].lower()
        if start.start() < ends.get(tag, -1):
            return start[0]
        return f"{start[0]}</title>" if tag == "title" else f"\n{start[0].partition('>')[2]}"

    html = _RAW_START.sub(begun, html)
    last = html.rfind(">") + 1  # behind it no tag is whole, and the parser would look for its end again and again
    return html[:last] + html[last:].replace("<", "&lt;")


class _Page(HTMLParser):
    """Collects what is seen.

    Attributes:
        title: what stands in the first <title>.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self._seen = StringIO(newline="\n")  # a list of its parts would be ten times as large
        # Hidden elements that are open, the outermost first, each with what it hides: seen after all if it never ends.
        self._hidden: list[tuple[str, list[str]]] = []
        self._open = Counter[str]()
        self._in_title = False
        self._readings: list[str] | None = None
        self._in = ""
        self._as_written = 0

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Pass over what only SGML knows, as `<![if IE]>`; the base class raises AssertionError for some of it."""
        end = self.rawdata.find(">", i)
        return end + 1 if end >= 0 else -1

    def parse_comment(self, i: int, report: bool = True) -> int:
        """Pass over a comment; the base class, by its version, ends it where no browser does."""
        comment = _COMMENT.match(self.rawdata, i)
        return comment.end() if comment is not None else -1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._in_head() and tag not in _IN_HEAD:  # </head> and <body> may be left out
            self._show()
        if tag == "ruby" or tag in _BLOCKS or tag in _CELLS:
            self._end_ruby()
        if tag == "title":
            self._in_title = not self.title and not self._open["svg"]
        elif tag == "body":
            self._show()
        elif tag in _HIDDEN:
            self._hidden.append((tag, []))
            self._open[tag] += 1
        elif tag == "img":
            self._put(f" {next((value for name, value in attrs if name == 'alt' and value), '')} ")
        elif tag == "ruby":
            self._readings = []
        if self._readings is not None and tag in _READINGS:
            self._in = tag
        self._as_written += tag in _AS_WRITTEN
        if tag in _BLOCKS:
            self._put(f"\n{'#' * int(tag[1])} " if tag in _HEADINGS else "\n")
        elif tag == "tr":
            self._put(_ROW)
        elif tag in _CELLS:
            self._put(_CELL)

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif self._open[tag]:
            while (inner := self._hidden.pop()[0]) != tag:
                self._open[inner] -= 1
            self._open[tag] -= 1
        elif tag == "ruby":
            self._end_ruby()
        if tag in _READINGS:
            self._in = ""
        self._as_written = max(0, self._as_written - (tag in _AS_WRITTEN))
        if tag in _BLOCKS:
            self._put("\n")
        if tag in ("tr", "table"):
            self._put(_ROW)

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
            return
        if self._in_head() and data.strip():
            self._show()
        if self._in and self._readings is not None:
            self._readings += [data] if self._in == "rt" else []
        else:
            self._put(data if self._as_written else data.replace("\n", " "))

    def close(self) -> None:
        super().close()
        self._end_ruby()
        self._show()

    def text(self) -> str:
        text = StringIO(newline="\n")
        for row in self._seen.getvalue().split(_ROW):
            text.write(_row(row))
        return text.getvalue().strip("\n")

    def _in_head(self) -> bool:
        return len(self._hidden) == 1 and self._hidden[0][0] == "head"

    def _put(self, text: str) -> None:
        if self._hidden:
            self._hidden[-1][1].append(text)
        else:
            self._seen.write(text)

    def _show(self) -> None:
        for _, parts in self._hidden:
            self._seen.writelines(parts)
        self._hidden.clear()
        self._open.clear()

    def _end_ruby(self) -> None:
        """Readings of characters stand behind the word, not within it."""
        reading = " ".join("".join(self._readings or []).split())
        self._readings, self._in = None, ""
        if reading:
            self._put(f"({reading})")


def _row(text: str) -> str:
    """A row of a table, or what stands between rows: cells of one line each are one line."""
    before, *cells = (_lines(part) for part in text.split(_CELL))
    if all(cell.count("\n") <= 1 for cell in cells):
        cells = [" | ".join(line for cell in cells if (line := cell.strip("\n")))]
    return before + "".join(f"{cell}\n" if cell and not cell.endswith("\n") else cell for cell in cells)


def _lines(text: str) -> str:
    lines = StringIO(newline="\n")
    for line in StringIO(text, newline="\n"):
        if (line := " ".join(line.split())).strip("# "):
            lines.write(f"{line}\n")
    return lines.getvalue()
