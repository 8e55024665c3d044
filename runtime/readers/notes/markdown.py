"""Markdown: one document a file, as it is written; its front matter is title and metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ...document import Document, Skip, clean
from ...place import heading_text
from ..text import read_text_file
from .front_matter import front_matter

_FENCE = re.compile(r" {0,3}(?:(?:[-*+>]|\d{1,9}[.)])[ \t]{1,3})?(`{3,}(?=[^`]*$)|~{3,})")
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?$")
_UNDERLINE = re.compile(r" {0,3}(=|-)\1+[ \t]*$")
# What begins a block that no underline makes a heading of: a list, a quote, a table, code, another rule.
_NO_PARAGRAPH = re.compile(r"[ \t]*$| {4}|\t| {0,3}(?:[>|<]|[-*+][ \t]|\d{1,9}[.)][ \t]|([-*_=])[ \t]*\1[ \t]*\1)")
_TITLE = "title"


def read_markdown(path: Path) -> Iterator[Document | Skip]:
    """A Markdown file; its title is that of its front matter, else the first heading outside of code, else its name.

    What front matter says is metadata, lists included, and stands in the text as it is written, so that words find it.
    """
    read = read_text_file(path)
    said, body = front_matter(read.text)
    body, heading = _with_headings(body.split("\n"))
    named = next((key for key in said.values if key.lower() == _TITLE), None)
    values = {key: value for key, value in said.values.items() if key != named}
    title = said.written.get(named or "", "") or heading or path.stem
    told = [*(f"{key}: {said.written[key]}" for key in values), *said.rest]
    text = "\n\n".join(part for part in ("\n".join(told), body.strip()) if part)
    yield Document(str(path), clean(text), clean(title), {**read.metadata, **values}, str(path))
    yield from read.skips


def _with_headings(lines: list[str]) -> tuple[str, str]:
    """The text in which a heading that is underlined is one with `#`, the one way that passages know, and the first.

    What stands in code is none, nor is the last line of a paragraph above a rule. Code that is not closed ends with the
    text.
    """
    text: list[str] = []
    title, fence = "", ""
    for line in lines:
        if fence:
            if (bare := line.strip()).startswith(fence) and not bare.strip(fence[0]):
                fence = ""
        elif (begun := _FENCE.match(line)) is not None:
            fence = begun[1]
        elif text and (under := _UNDERLINE.match(line)) is not None and not _NO_PARAGRAPH.match(text[-1]):
            if _HEADING.match(text[-1]) is None and (len(text) == 1 or not text[-2].strip()):
                title = title or heading_text(text[-1])
                text[-1] = f"{'#' if under[1] == '=' else '##'} {text[-1].strip()}"
                continue
        elif (heading := _HEADING.match(line)) is not None:
            title = title or heading_text(heading[2] or "")
        text.append(line)
    return "\n".join(text), title
