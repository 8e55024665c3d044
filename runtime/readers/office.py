"""Word, PowerPoint, Excel and OpenDocument files: their text, headings as Markdown writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from ..document import Document, Skip
from ..place import PAGE_BREAK
from .text import document_of, joined
from .zipped import checked_zip, member, parsed

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_SHEET = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}spreadsheet"
_PAGE = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}page"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_MAX_SPACES = 100


def read_docx(path: Path) -> Iterator[Document | Skip]:
    """A Word document: paragraphs, headings, and tables a line a row."""
    import docx

    checked_zip(path).close()
    word = docx.Document(str(path))
    lines = (line for part in word.iter_inner_content() for line in _word_lines(part))
    yield document_of(path, joined(lines, "\n"), word.core_properties.title)


def read_pptx(path: Path) -> Iterator[Document | Skip]:
    """A presentation: what stands on each slide and its notes, form feeds between slides."""
    import pptx

    checked_zip(path).close()
    slides = pptx.Presentation(str(path))
    text = joined(("\n".join(_slide_lines(slide)) for slide in slides.slides), PAGE_BREAK)
    yield document_of(path, text, slides.core_properties.title)


def read_xlsx(path: Path) -> Iterator[Document | Skip]:
    """A workbook: a heading for each sheet, a line for each row, as last calculated."""
    import openpyxl

    checked_zip(path).close()
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        title = book.properties.title
        text = joined((line for sheet in book.worksheets for line in _sheet_lines(sheet)), "\n")
    finally:
        book.close()
    yield document_of(path, text, title)


def read_odf(path: Path) -> Iterator[Document | Skip]:
    """An OpenDocument text, presentation or sheet."""
    with checked_zip(path) as archive:
        body = parsed(member(archive, "content.xml"))
        meta = parsed(member(archive, "meta.xml")) if "meta.xml" in archive.namelist() else None
    title = None if meta is None else next((element.text for element in meta.iter(_TITLE)), None)
    yield document_of(path, joined(_odf_lines(body, count()), "\n").replace("\n" + PAGE_BREAK, PAGE_BREAK), title)


def _word_lines(part: Any) -> Iterator[str]:
    if hasattr(part, "rows"):
        for row in part.rows:
            cells = dict.fromkeys(" ".join(cell.text.split()) for cell in row.cells)  # a merged cell comes twice
            yield " | ".join(cell for cell in cells if cell)
        return
    style = (part.style.name if part.style is not None else "") or ""
    text = part.text.strip()
    if text and (style == "Title" or style.startswith("Heading")):
        level = int(style[-1]) if style[-1] in "123456" else 1
        yield f"\n{'#' * level} {' '.join(text.split())}\n"
    else:
        yield text


def _slide_lines(slide: Any) -> Iterator[str]:
    title = slide.shapes.title
    if title is not None and title.has_text_frame and title.text_frame.text.strip():
        yield f"# {' '.join(title.text_frame.text.split())}\n"
    yield from _shape_lines(shape for shape in slide.shapes if title is None or shape.shape_id != title.shape_id)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        yield slide.notes_slide.notes_text_frame.text


def _shape_lines(shapes: Iterable[Any]) -> Iterator[str]:
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _shape_lines(shape.shapes)
        elif shape.has_text_frame:
            yield shape.text_frame.text.replace("\v", "\n")
        elif getattr(shape, "has_table", False):
            for row in shape.table.rows:
                yield " | ".join(text for cell in row.cells if (text := " ".join(cell.text.split())))


def _sheet_lines(sheet: Any) -> Iterator[str]:
    yield f"\n# {' '.join(sheet.title.split())}\n"
    for row in sheet.iter_rows(values_only=True):
        cells = [" ".join(str(cell).split()) for cell in row if cell is not None]
        if any(cells):
            yield " | ".join(cell for cell in cells if cell)


def _odf_lines(element: Any, pages: Iterator[int]) -> Iterator[str]:
    if element.tag == _PAGE and next(pages):
        yield PAGE_BREAK
    elif element.tag == _SHEET:
        for sheet in element.iter(f"{_TABLE}table"):
            yield f"\n# {sheet.get(f'{_TABLE}name', '')}\n"
            yield from _odf_rows(sheet)
        return
    elif element.tag == f"{_TABLE}table":
        yield from _odf_rows(element)
        return
    elif element.tag == f"{_TEXT}h":
        level = element.get(f"{_TEXT}outline-level", "1")
        yield f"\n{'#' * (int(level) if level in '123456' else 6)} {' '.join(_odf_text(element).split())}\n"
        return
    elif element.tag == f"{_TEXT}p":
        yield _odf_text(element).strip()
        return
    for child in element:
        yield from _odf_lines(child, pages)


def _odf_rows(table: Any) -> Iterator[str]:
    for row in table.iter(f"{_TABLE}table-row"):
        cells = (" ".join(map(_odf_text, cell.iter(f"{_TEXT}p"))) for cell in row.iter(f"{_TABLE}table-cell"))
        if line := " | ".join(text for cell in cells if (text := " ".join(cell.split()))):
            yield line


def _odf_text(element: Any) -> str:
    parts = [element.text or ""]
    for child in element:
        if child.tag == f"{_TEXT}s":
            count = child.get(f"{_TEXT}c", "1")
            parts.append(" " * min(int(count) if count.isdigit() else 1, _MAX_SPACES))
        elif child.tag in (f"{_TEXT}tab", f"{_TEXT}line-break"):
            parts.append("\t" if child.tag.endswith("tab") else "\n")
        elif child.tag != f"{_TEXT}note" and child.tag != f"{_TEXT}p":  # which come by themselves
            parts.append(_odf_text(child))
        parts.append(child.tail or "")
    return "".join(parts)
