"""OpenDocument files: text, headings as Markdown writes them, notes and comments behind their paragraphs.

Texts, presentations, drawings and sheets, in a zip archive or as one XML file (OASIS OpenDocument 1.3).
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...document import Document, Skip
from ...place import PAGE_BREAK
from ..text import MAX_FILE_BYTES, Unreadable, document_of, joined, read_bytes
from ..zipped import checked_zip, member, parsed
from .sheets import without_values

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_FORM = "{urn:oasis:names:tc:opendocument:xmlns:form:1.0}"
_SLIDE = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
_DUBLIN = "{http://purl.org/dc/elements/1.1/}"
_HREF = "{http://www.w3.org/1999/xlink}href"

_HIDDEN = frozenset(
    [
        f"{_TEXT}tracked-changes",
        f"{_TEXT}note-citation",
        f"{_TEXT}ruby-text",
        f"{_TEXT}page-number",
        f"{_TABLE}covered-table-cell",
        "{urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0}title",
        "{urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0}desc",
    ]
)
_CHARS = {f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}
_NOTE = f"{_TEXT}note"
_COMMENTS = (f"{_OFFICE}annotation", "{http://openoffice.org/2009/office}annotation")  # the second in presentations
_MARGINS = {f"{_STYLE}header": "Header", f"{_STYLE}footer": "Footer"}
_MANIFEST = "META-INF/manifest.xml"
_MAX_SPACES = 100
_MAX_REPEATED = 100


def read_odf(path: Path) -> Iterator[Document | Skip]:
    """An OpenDocument text, presentation, drawing or sheet; form feeds between pages and slides."""
    with checked_zip(path) as archive:
        reading = _Reading(archive)
        if b"encryption-data" in reading.part(_MANIFEST, lambda data: data, b""):
            raise Unreadable("needs a password; save it without one")
        body = parsed(member(archive, "content.xml"))
        styles, meta = (reading.part(name, parsed, None) for name in ("styles.xml", "meta.xml"))
        yield from _document(path, reading, body, styles, meta)


def read_flat_odf(path: Path) -> Iterator[Document | Skip]:
    """The same in one XML file."""
    root = parsed(read_bytes(path, MAX_FILE_BYTES))
    yield from _document(path, _Reading(None), root.find(f"{_OFFICE}body"), root, root)


def _document(path: Path, reading: _Reading, body: Any, styles: Any, meta: Any) -> Iterator[Document | Skip]:
    if body is None:
        raise Unreadable("is damaged (it has no body)")
    lines = [*reading.blocks(body), *reading.margins(styles)]
    text = joined(lines, "\n").replace("\n" + PAGE_BREAK, PAGE_BREAK)
    title = None if meta is None else next((element.text for element in meta.iter(f"{_DUBLIN}title")), None)
    yield document_of(path, text, title)
    for what in dict.fromkeys(reading.unread):
        yield Skip(str(path), what, within=True)


class _Reading:
    """A file that is being read.

    Attributes:
        unread: what could not be read of it.
    """

    def __init__(self, archive: zipfile.ZipFile | None) -> None:
        self._archive = archive
        self._pages = 0
        self._is_sheet = False
        self.unread: list[str] = []

    def part(self, name: str, read: Callable[[bytes], Any], missing: Any) -> Any:
        """A part of the archive; what is given instead where there is none, or none that can be read."""
        if self._archive is None or name not in self._archive.namelist():
            return missing
        try:
            return read(member(self._archive, name))
        except Unreadable as reason:
            self.unread.append(f"its {name} cannot be read ({reason})")
            return missing

    def blocks(self, element: Any) -> Iterator[str]:
        """The lines of a part of a document, itself included."""
        tag = element.tag
        if tag in _HIDDEN or not isinstance(tag, str) or element.get(f"{_TEXT}display") == "none":
            return
        if tag == f"{_DRAW}page":
            if self._pages:
                yield PAGE_BREAK
            self._pages += 1
        if tag in (f"{_TEXT}p", f"{_TEXT}h"):
            yield from self._paragraph(element)
        elif tag == f"{_TABLE}table":
            if element.getparent() is not None and element.getparent().tag == f"{_OFFICE}spreadsheet":
                self._is_sheet = True  # whose margins have the name of the program's making
                yield f"\n# {' '.join(element.get(f'{_TABLE}name', '').split())}\n"
            yield from self._rows(element)
        elif tag in _COMMENTS:
            yield from self._comment(element)
        elif element.get(f"{_SLIDE}class") == "title":
            if text := self._flat(element):
                yield f"# {text}\n"
        elif tag == f"{_OFFICE}forms":
            yield from _fields(element)
        elif tag == f"{_SLIDE}notes":
            lines = [line for child in element for line in self.blocks(child) if line]
            yield from [f"Notes: {lines[0]}", *lines[1:]] if lines else []
        elif tag == f"{_DRAW}object":
            yield from self._object(element.get(_HREF, ""))
        else:
            for child in element:
                yield from self.blocks(child)

    def margins(self, styles: Any) -> Iterator[str]:
        """Headers and footers, each once."""
        texts = [
            f"{name}: {text}"
            for tag, name in _MARGINS.items()
            for element in (() if styles is None or self._is_sheet else styles.iter(tag))
            if (text := self._flat(element))
        ]
        for text in dict.fromkeys(texts):
            yield f"\n{text}"

    def _paragraph(self, element: Any) -> Iterator[str]:
        behind: list[Any] = []
        readings: list[str] = []
        text = self._inline(element, behind, readings).strip()
        if readings:
            text = f"{text} ({' '.join(readings)})"
        if element.tag == f"{_TEXT}h" and text:
            level = element.get(f"{_TEXT}outline-level", "1")
            marks = "#" * (int(level) if level in ("1", "2", "3", "4", "5", "6") else 6)
            yield f"\n{marks} {' '.join(text.split())}\n"
        else:
            yield text
        for one in behind:
            if one.tag == _NOTE:
                kind = "Endnote" if one.get(f"{_TEXT}note-class") == "endnote" else "Footnote"
                yield f"{kind}: {self._flat(one)}"
            else:
                yield from self.blocks(one)

    def _inline(self, element: Any, behind: list[Any], readings: list[str]) -> str:
        """The text of a paragraph or a part of one, and what stands behind it."""
        parts = [element.text or ""]
        for child in element:
            tag = child.tag
            if tag == f"{_TEXT}s":
                count = child.get(f"{_TEXT}c", "1")
                parts.append(" " * min(int(count) if count.isdecimal() else 1, _MAX_SPACES))
            elif tag in _CHARS:
                parts.append(_CHARS[tag])
            elif tag == f"{_TEXT}ruby-text":
                readings.append(" ".join("".join(child.itertext()).split()))
            elif (
                tag in (_NOTE, *_COMMENTS)
                or (isinstance(tag, str) and tag.startswith((_DRAW, _TABLE)))
                or tag == f"{_TEXT}p"
            ):
                behind.append(child)
            elif not isinstance(tag, str):
                parts.append(child.text if hasattr(child, "name") else "")  # an entity, which is not resolved
            elif tag not in _HIDDEN and child.get(f"{_TEXT}is-hidden") != "true":
                parts.append(self._inline(child, behind, readings))
            parts.append(child.tail or "")
        return "".join(parts)

    def _rows(self, table: Any) -> Iterator[str]:
        missing = 0
        for row in _within(table, f"{_TABLE}table-row"):
            cells: list[str] = []
            comments: list[Any] = []
            for cell in _within(row, f"{_TABLE}table-cell"):
                missing += f"{_TABLE}formula" in cell.attrib and f"{_OFFICE}value-type" not in cell.attrib
                comments += [child for child in cell if child.tag in _COMMENTS]
                if text := " ".join(" ".join(self._lines_of(cell, _COMMENTS)).split()):
                    repeated = cell.get(f"{_TABLE}number-columns-repeated", "1")
                    cells += [text] * min(int(repeated) if repeated.isdecimal() else 1, _MAX_REPEATED)
            repeated = row.get(f"{_TABLE}number-rows-repeated", "1")
            if cells:
                yield from [" | ".join(cells)] * min(int(repeated) if repeated.isdecimal() else 1, _MAX_REPEATED)

            for comment in comments:
                yield from self._comment(comment)
        if missing:
            self.unread.append(without_values(table.get(f"{_TABLE}name", ""), missing))

    def _comment(self, element: Any) -> Iterator[str]:
        author = next((one.text for one in element.iter(f"{_DUBLIN}creator")), None)
        if text := self._flat(element):
            yield f"Comment ({author}): {text}" if author else f"Comment: {text}"

    def _object(self, name: str) -> Iterator[str]:
        """The texts of a chart or another document that is part of this one."""
        root = self.part(f"{name.removeprefix('./')}/content.xml", parsed, None)
        if root is None:
            return
        texts = (" ".join("".join(one.itertext()).split()) for one in root.iter(f"{_TEXT}p"))
        yield from dict.fromkeys(filter(None, texts))

    def _flat(self, element: Any) -> str:
        return " ".join(" ".join(self._lines_of(element)).split())

    def _lines_of(self, element: Any, without: tuple[str, ...] = ()) -> Iterator[str]:
        for child in element:
            if child.tag not in without:
                yield from self.blocks(child)


def _fields(forms: Any) -> Iterator[str]:
    """What the controls of forms show: labels, and values that were typed or chosen."""
    for one in forms.iter():
        kind = one.tag.removeprefix(_FORM) if isinstance(one.tag, str) else ""
        label, name = one.get(f"{_FORM}label", ""), one.get(f"{_FORM}name", "")
        typed = one.get(f"{_FORM}current-value") or one.get(f"{_FORM}value", "")
        if kind in ("checkbox", "radio"):
            state = one.get(f"{_FORM}current-state") or one.get(f"{_FORM}state")
            is_on = state == "checked" or one.get(f"{_FORM}current-selected") == "true"
            yield f"Field ({label or name}): checked" if is_on else label
        elif kind == "listbox":
            chosen = (part for part in one if part.get(f"{_FORM}current-selected") == "true")
            if texts := ", ".join(part.get(f"{_FORM}label", "") for part in chosen):
                yield f"Field ({name}): {texts}"
        elif kind in ("fixed-text", "button", "frame"):
            yield label
        elif kind not in ("hidden", "password", "properties", "property") and typed:
            yield f"Field ({name}): {typed}"


def _within(element: Any, tag: str) -> Iterator[Any]:
    """Rows of a table or cells of a row, also those of a group, but not those of a table in a cell."""
    for child in element:
        if child.tag == tag:
            yield child
        elif child.tag != f"{_TABLE}table-cell":
            yield from _within(child, tag)
