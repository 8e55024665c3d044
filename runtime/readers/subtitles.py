"""Subtitles, SubRip and WebVTT: what is said, a line for each line; no times, no marks of looks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

from ..document import Document, Skip
from .text import document_of, read_text_file

_TIMES = re.compile(r"\s{0,9}(?:\d{1,9}:)?\d{1,9}:\d{1,9}[.,]\d{1,9}\s{0,9}-->")
_NUMBER = re.compile(r"\s{0,9}\d{1,9}\s{0,9}")
_SPEAKER = re.compile(r"<v(?:\.[^<> ]{0,80})? ([^<>]{1,200})>")
_MARK = re.compile(r"</?[a-zA-Z][^<>]{0,200}>|<\d[\d:.]{0,20}>|\{\\[^{}]{0,200}\}")
_HEAD = "WEBVTT"
_UNSAID = (_HEAD, "STYLE", "REGION")  # what the first lines of blocks begin with that hold none of what is said


def read_subtitles(path: Path) -> Iterator[Document | Skip]:
    """A file of subtitles: one document, its title the one in its head, else the file's name."""
    read = read_text_file(path)
    lines = read.text.split("\n")
    title = lines[0].removeprefix(_HEAD).strip(" \t-") if lines[0].startswith(_HEAD) else None
    yield document_of(path, "\n".join(_said(lines)), title, read.metadata)
    yield from read.skips


def _said(lines: list[str]) -> Iterator[str]:
    """What is said; a line that is repeated, as in captions that roll, once."""
    before, begins, is_unsaid = "", True, False
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if not line.strip():
            begins, is_unsaid = True, False
            continue
        if _TIMES.match(line):
            begins, is_unsaid = False, False
            continue
        is_name = (begins or _NUMBER.fullmatch(line)) and _TIMES.match(following)  # of what comes
        is_unsaid = is_unsaid or (begins and line.split()[0] in _UNSAID)
        begins = False
        if is_name or is_unsaid:
            continue
        said = unescape(_MARK.sub("", _SPEAKER.sub(r"\1: ", line))).strip()
        if said and said != before:
            yield said
        before = said or before
