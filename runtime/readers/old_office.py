"""PowerPoint and Excel files: their text, headings as Markdown writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..document import Document, Skip
from ..place import PAGE_BREAK
from .text import document_of, joined
from .zipped import checked_zip


def read_pptx(path: Path) -> Iterator[Document | Skip]:
    """A presentation: what stands on each slide and its notes, form feeds between slides."""
    import pptx

    checked_zip(path).close()
    slides = pptx.Presentation(str(path))
    text = joined(("\n".join(_slide_lines(slide)) for slide in slides.slides), PAGE_BREAK)
    yield document_of(path, text, slides.core_properties.title)


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
