"""PDF, by PDFium: the text of its pages, form feeds between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..document import Document, Skip, clean
from ..place import PAGE_BREAK
from .text import Unreadable, joined, limited

MAX_PAGES = 10_000

# What PDFium gives for a hyphen at the end of a line.
_HYPHENS = ("\ufffe\n", "\x02\n")


def read_pdf(path: Path) -> Iterator[Document | Skip]:
    """A PDF; its title is the one that it was given, else the file's name."""
    import pypdfium2

    limited(path)
    try:
        pdf = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise Unreadable("needs a password; save it without one") from error
        raise Unreadable("is no sound PDF") from error
    try:
        if len(pdf) > MAX_PAGES:
            raise Unreadable(f"has {len(pdf)} pages, the limit is {MAX_PAGES}; split it")
        text = joined((_page(pdf, number) for number in range(len(pdf))), PAGE_BREAK)
        title = clean(pdf.get_metadata_value("Title")).strip()
    finally:
        pdf.close()
    if not text.strip():
        raise Unreadable("holds no text; where its pages are pictures, run it through text recognition first")
    yield Document(id=str(path), text=clean(text), title=title or path.stem, source=str(path))


def _page(pdf: Any, number: int) -> str:
    page = pdf[number]
    try:
        text = page.get_textpage()
        try:
            lines = str(text.get_text_bounded()).replace("\r\n", "\n").replace("\r", "\n").replace(PAGE_BREAK, "\n")
        finally:
            text.close()
    finally:
        page.close()
    for hyphen in _HYPHENS:
        lines = lines.replace(hyphen, "")
    return lines
