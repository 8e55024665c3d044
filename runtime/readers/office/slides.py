"""PowerPoint files: what stands on each slide, with tables, charts, diagrams, notes and comments (ECMA-376, 19).

Read as XML: the library for them refuses slide shows and templates, and reads no charts, diagrams or comments.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...document import Document, Skip
from ...place import PAGE_BREAK
from ..text import document_of, joined
from ..zipped import checked_zip
from .package import DRAWN, Package, chosen, drawn, local, reference, value

_MAIN = "ppt/presentation.xml"
_TITLES = ("title", "ctrTitle")
_NUMBERS = ("sldNum", "dt")
_ON = {"1", "true"}


def read_pptx(path: Path) -> Iterator[Document | Skip]:
    """A presentation: form feeds between slides, notes and comments at the end of theirs, footers once at the end."""
    with checked_zip(path) as archive:
        package = Package(archive, _MAIN)
        deck = _Deck(package)
        text = joined(deck.slides(), PAGE_BREAK) + "".join(f"\n\n{text}" for text in deck.margins)
        title = package.title()
    yield document_of(path, text, title)
    for what in dict.fromkeys(package.unread):
        yield Skip(str(path), what, within=True)


class _Deck:
    """A presentation that is being read.

    Attributes:
        margins: what stands on slides from their footers, layouts and masters, each once.
    """

    def __init__(self, package: Package) -> None:
        self._package = package
        self._backgrounds: set[str] = set()
        self.margins: dict[str, None] = {}
        self._authors = {
            value(one, "id"): value(one, "name")
            for kind in ("commentAuthors", "authors")
            for _, root in package.roots(kind)
            for one in root
        }

    def slides(self) -> Iterator[str]:
        """The text of each slide."""
        parts = self._package.related(self._package.main)
        for one in self._package.part(self._package.main).iter():
            if local(one) == "sldId":
                name = parts.get(reference(one), ("", ""))[1]
                yield "\n".join(filter(None, self._slide(name)))

    def _slide(self, name: str) -> Iterator[str]:
        root = self._package.read(name, f"its {name.rpartition('/')[2].removesuffix('.xml')}")
        if root is None:
            return
        parts = self._package.related(name)
        shapes = list(self._shapes(root))
        for shape in shapes:
            if _placeholder(shape) in _TITLES and (title := " ".join(" ".join(_paragraphs(shape)).split())):
                yield f"# {title}\n"
        for shape in shapes:
            yield from self._shape(shape, parts)
        for _, notes in self._package.roots("notesSlide", name):
            shapes = [one for one in self._shapes(notes) if _placeholder(one) not in _BY_THEMSELVES]
            texts = [text for one in shapes for text in _paragraphs(one)]
            if text := "\n".join(texts).strip():
                yield f"Notes: {text}"
        for _, comments in self._package.roots("comments", name):
            yield from self._comments(comments)
        self._background(name)

    def _shapes(self, element: Any) -> Iterator[Any]:
        """The shapes below an element, those of groups too."""
        for child in element:
            name = local(child)
            if name in ("sp", "graphicFrame"):
                yield child
            elif name == "AlternateContent":
                yield from self._shapes(chosen(child))
            else:
                yield from self._shapes(child)

    def _shape(self, shape: Any, parts: Any) -> Iterator[str]:
        kind = _placeholder(shape)
        if kind in _TITLES or kind in _NUMBERS:
            return
        if kind in ("ftr", "hdr"):
            if text := " ".join(" ".join(_paragraphs(shape)).split()):
                self.margins[f"Footer: {text}"] = None
            return
        if local(shape) == "sp":
            yield from _paragraphs(shape)
            return
        for one in shape.iter():
            name = local(one)
            if name == "tbl":
                yield from _rows(one)
            elif name in ("chart", "relIds"):
                found, part = parts.get(value(one, "dm") or reference(one), ("", ""))
                root = self._package.read(part, "a drawing in it") if found in DRAWN else None
                yield from () if root is None else drawn(root)
            elif name == "oleObj":
                self._package.unread.append(f"what is embedded in it ({value(one, 'progId')}) is not read")

    def _comments(self, root: Any) -> Iterator[str]:
        for one in root.iter():
            if local(one) in ("cm", "reply"):
                texts = [part for part in one if local(part) in ("text", "txBody")]
                text = " ".join(" ".join(part.text or " ".join(_paragraphs(part)) for part in texts).split())
                author = self._authors.get(value(one, "authorId"), "")
                if text:
                    yield f"Comment ({author}): {text}" if author else f"Comment: {text}"

    def _background(self, name: str) -> None:
        """Note the texts of a slide's layout and master that are no placeholders: they stand on the slide."""
        for kind in ("slideLayout", "slideMaster"):
            for found, part in self._package.related(name).values():
                if found != kind or part in self._backgrounds:
                    continue
                self._backgrounds.add(part)
                root = self._package.read(part, "a layout of it")
                for shape in () if root is None else self._shapes(root):
                    if _placeholder(shape) is None and (text := " ".join(" ".join(_paragraphs(shape)).split())):
                        self.margins[f"Layout: {text}"] = None
                self._background(part)


# What a page of notes has by itself: its picture of the slide, numbers, dates and margins.
_BY_THEMSELVES = ("sldImg", "sldNum", "dt", "hdr", "ftr")


def _placeholder(shape: Any) -> str | None:
    """What a shape is the place for: `body` where nothing else is said; None for a shape of its own."""
    properties = next((one for one in shape if local(one).startswith("nv")), ())
    return next((value(one, "type") or "body" for part in properties for one in part if local(one) == "ph"), None)


def _paragraphs(element: Any) -> Iterator[str]:
    """The paragraphs below an element."""
    for one in element.iter():
        if local(one) == "p" and (text := _inline(one).strip()):
            yield text


def _inline(paragraph: Any) -> str:
    parts: list[str] = []
    for child in paragraph:
        name = local(child)
        if name == "t":
            parts.append((child.text or "").replace("\v", "\n"))
        elif name == "br":
            parts.append("\n")
        elif name == "AlternateContent":
            parts.append(_inline(chosen(child)))
        elif not (name == "fld" and value(child, "type") == "slidenum"):
            parts.append(_inline(child))
    return "".join(parts)


def _rows(table: Any) -> Iterator[str]:
    for row in (one for one in table if local(one) == "tr"):
        cells = (one for one in row if local(one) == "tc" and not {value(one, "hMerge"), value(one, "vMerge")} & _ON)
        texts = (" ".join(" ".join(_paragraphs(cell)).split()) for cell in cells)
        if line := " | ".join(filter(None, texts)):
            yield line
