"""PDF, by PDFium: the text of its pages, form feeds between them; below a page what people wrote on it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..document import Document, Skip, clean
from ..place import PAGE_BREAK
from .pdf_notes import attachments_of, attachments_on, notes_of, xfa_values
from .text import Unreadable, joined, limited

MAX_PAGES = 10_000

# PDFium has U+0002 or U+FFFE for a hyphen at a line's end, with or without the line's end behind it. Other hyphens are
# such only there, and a soft one wherever it stands.
_HYPHEN = re.compile(r"(\S{0,2})([\x02\ufffe\xad]|(?<=\S)[-\u2010](?=\n))\n?(?=(\S{0,2}))")
_AT_PAGE_END = re.compile(rf"(?<=[^\W_])[-\u2010]\n*{PAGE_BREAK}\n*([^\W_]\S{{0,60}})(?!\S)([ \n]?)(?=(.?))")
_ADDRESS = re.compile(r"(?:://|www\.|@)\S*$")
_MAX_ADDRESS = 200
_MAX_NAMED = 8
_NO_TITLE = "untitled"  # what programs write for none


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
        reading = _Reading(pdf)
        text = _AT_PAGE_END.sub(_unturned, joined(reading.pages(), PAGE_BREAK))
        title = clean(pdf.get_metadata_value("Title")).strip()
        title = "" if title.lower() == _NO_TITLE else title
        unread = [
            *reading.unread(),
            *(f"{name!r}, which is attached to it, is not read" for name in reading.attached),
        ]
    finally:
        pdf.close()
    if text.strip():
        yield Document(id=str(path), text=clean(text), title=title or path.stem, source=str(path))
    elif not unread:
        raise Unreadable("holds no text; where its pages are pictures, run it through text recognition first")
    for what in unread:
        yield Skip(str(path), what, within=True)


class _Reading:
    """A document that is being read.

    Attributes:
        attached: the names of files in it, each once.
    """

    def __init__(self, pdf: Any) -> None:
        from pypdfium2 import PdfiumError

        self._pdf = pdf
        self.attached = dict.fromkeys(attachments_of(pdf))
        self._said: set[str] = set()
        self._damaged: list[int] = []
        self._pictures: list[int] = []
        try:
            pdf.init_forms()
        except PdfiumError:  # its fields are read without their form
            pdf.formenv = None

    def pages(self) -> Iterator[str]:
        """The text of each page; the values of an XFA form behind the last."""
        from pypdfium2 import PdfiumError

        for number in range(len(self._pdf)):
            try:
                yield self._page(number)
            except PdfiumError:
                self._damaged.append(number + 1)
                yield ""
        values = "\n".join(dict.fromkeys(xfa_values(self._pdf)))
        if values and not any(value in self._said for value in values.split("\n")):
            yield values

    def unread(self) -> Iterator[str]:
        """What of the document could not be read."""
        if self._damaged:
            yield f"{_named(self._damaged)} cannot be read (damaged)"
        if self._pictures:
            are = "is a picture" if len(self._pictures) == 1 else "are pictures"
            yield f"{_named(self._pictures)} {are} without text; run it through text recognition"

    def _page(self, number: int) -> str:
        import pypdfium2.raw as raw

        page = self._pdf[number]
        try:
            textpage = page.get_textpage()
            try:
                text = str(textpage.get_text_bounded()).replace("\r\n", "\n").replace("\r", "\n")
            finally:
                textpage.close()
            if not text.strip() and any(page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE])):
                self._pictures.append(number + 1)
            notes = [note for note in notes_of(self._pdf, page) if note not in self._said]
            self.attached.update(dict.fromkeys(attachments_on(page)))
        finally:
            page.close()
        self._said.update(note for note in notes if note.startswith("Field"))  # a field may be on many pages
        return "\n".join(filter(None, [_HYPHEN.sub(_unbroken, text.replace(PAGE_BREAK, "\n")), *dict.fromkeys(notes)]))


def _unbroken(found: re.Match[str]) -> str:
    """A word that was broken at a hyphen: put together, or with the hyphen where it is the word's own.

    That is beside digits (COVID-19), behind a single letter (e-mail), before a capital (Smith-Jones), and in addresses.
    """
    before, mark, after = found.groups()
    if not before or not after or not (_is_word(before[-1]) and _is_word(after[0])):
        return found[0].replace(mark, "") if mark == "\xad" else re.sub("[\x02\ufffe]", "-", found[0])
    own = (
        before[-1].isdigit()
        or after[0].isdigit()
        or len(before) == 1
        or not _is_word(before[0])
        or (after[0].isupper() and not (before[-1].isupper() and after[-1].isupper()))
        or _ADDRESS.search(found.string, max(0, found.start() - _MAX_ADDRESS), found.end(1))
    )
    return f"{before}-" if own else before


def _unturned(found: re.Match[str]) -> str:
    """A word that was broken at a page's end, whole on its first page, as one that a line breaks is.

    What does not begin in small letters may be a heading or the page's number, but where the sentence goes on behind it
    on its line.
    """
    rest, between, after = found.groups()
    if not (rest[0].islower() or rest[-1] in ",;" or (between == " " and after.islower())):
        return found[0]
    begun = found.string[max(0, found.start() - _MAX_ADDRESS) : found.start()].split()[-1]
    return _HYPHEN.sub(_unbroken, f"{begun}-\n{rest}")[len(begun) :] + PAGE_BREAK


def _is_word(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN"


def _named(pages: list[int]) -> str:
    """Pages by their numbers, the first of many."""
    numbers = ", ".join(map(str, pages[:_MAX_NAMED]))
    more = f" and {len(pages) - _MAX_NAMED} more" if len(pages) > _MAX_NAMED else ""
    return f"page {numbers}" if len(pages) == 1 else f"pages {numbers}{more}"
