"""Word files: all text that Word shows, headings as Markdown writes them, notes and comments behind their paragraphs.

The parts of the file are read as XML (ECMA-376, its strict form as well): libraries for Word files leave out text
boxes, content controls, notes or fields, and take what was deleted with changes tracked for text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...document import Document, Skip
from ..text import document_of, joined
from ..zipped import checked_zip
from .fields import INSTRUCTION, chosen_entry, without_instructions
from .package import DRAWN, Package, chosen, drawn, local, value
from .symbols import symbol

_MAIN = "word/document.xml"
_HIDDEN = frozenset(("del", "moveFrom", "delText", INSTRUCTION, "delInstrText", "pPr", "rPr", "sectPr", "tblPr", "rt"))
_CHARS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_TEXT = frozenset(("t", "sym", *_CHARS))
_NOTES = {"footnoteReference": "footnotes", "endnoteReference": "endnotes", "commentReference": "comments"}
_NAMES = {"footnotes": "Footnote", "endnotes": "Endnote", "comments": "Comment"}
_MARGINS = {"header": "Header", "footer": "Footer"}
_BRACKETS = {"begChr": "(", "sepChr": "|", "endChr": ")"}
_PARAGRAPHS = ("p", "oMathPara", "oMath")  # equations may stand by themselves
_LEVELS = 6


def read_docx(path: Path) -> Iterator[Document | Skip]:
    """A Word document: paragraphs, headings, tables a line a row; notes, comments, text boxes and charts behind the
    paragraph that they belong to, headers and footers at the end."""
    with checked_zip(path) as archive:
        package = Package(archive, _MAIN)
        text = joined(_Word(package).lines(), "\n")
        title = package.title()
    yield document_of(path, text, title)
    for what in dict.fromkeys(package.unread):
        yield Skip(str(path), what, within=True)


@dataclass
class _Behind:
    """What a paragraph refers to: ids of notes with their part, text boxes, drawn parts, readings of characters."""

    notes: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[Any] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)
    readings: list[str] = field(default_factory=list)


class _Word:
    """A Word file that is being read."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._parts: Mapping[str, tuple[str, str]] = {}  # that the part which is being read refers to
        self._levels = self._heading_levels()
        self._notes = {kind: self._notes_of(kind) for kind in _NAMES}

    def lines(self) -> Iterator[str]:
        """The lines of the document."""
        self._parts = self._package.related(self._package.main)
        yield from self._blocks(without_instructions(self._package.part(self._package.main), _TEXT))
        for notes in self._notes.values():  # that nothing refers to
            yield from notes.values()
        for kind, name in _MARGINS.items():
            texts = (self._flat(root) for root in self._roots(kind))
            for text in dict.fromkeys(filter(None, texts)):
                yield f"\n{name}: {text}"

    def _blocks(self, element: Any) -> Iterator[str]:
        for child in element:
            name = local(child)
            if name in _PARAGRAPHS:
                yield from self._paragraph(child)
            elif name == "tbl":
                yield from self._rows(child)
            elif name == "AlternateContent":
                yield from self._blocks(chosen(child))
            elif name == "altChunk":
                self._package.unread.append("a document that is embedded in it is not read")
            elif name == "subDoc":
                self._package.unread.append("a document that it is put together of is not read; add its file")
            elif name not in _HIDDEN:
                yield from self._blocks(child)

    def _paragraph(self, paragraph: Any) -> Iterator[str]:
        behind = _Behind()
        text = self._inline(paragraph, behind).strip()
        if behind.readings:
            text = f"{text} ({' '.join(behind.readings)})"
        level = self._level(paragraph)
        yield f"\n{'#' * level} {' '.join(text.split())}\n" if text and level else text
        for box in behind.boxes:
            yield from self._blocks(box)
        for part in behind.drawn:
            yield from self._drawn(part)
        for kind, id in behind.notes:
            if note := self._notes[kind].pop(id, ""):  # once, however often it is referred to
                yield note

    def _inline(self, element: Any, behind: _Behind) -> str:
        """The text of a paragraph or a part of one."""
        parts: list[str] = []
        for child in element:
            name = local(child)
            if name in _HIDDEN or (name == "r" and _is_hidden(child)):
                continue
            if name == "fldChar":
                parts.append(chosen_entry(child))
            elif name == "ruby":
                behind.readings += [text for one in child if local(one) == "rt" and (text := self._inline(one, behind))]
                parts += [self._inline(one, behind) for one in child if local(one) == "rubyBase"]
            elif name == "AlternateContent":
                parts.append(self._inline(chosen(child), behind))
            elif name == "d":  # what stands in brackets, which are round where nothing else is said
                signs = {local(one): value(one, "val") for mark in child if local(mark) == "dPr" for one in mark}
                inner = [self._inline(one, behind) for one in child if local(one) == "e"]
                begin, between, end = (signs.get(sign, usual) for sign, usual in _BRACKETS.items())
                parts.append(f"{begin}{between.join(inner)}{end}")
            elif name == "den":
                parts.append(f"/{self._inline(child, behind)}")
            elif name == "txbxContent":
                behind.boxes.append(child)
            elif name in _NOTES:
                behind.notes.append((_NOTES[name], value(child, "id")))
            elif name == "OLEObject":
                self._package.unread.append(f"what is embedded in it ({value(child, 'ProgID')}) is not read")
            elif name == "control":  # of ActiveX, whose value is in a form of its own
                self._package.unread.append(f"its control {value(child, 'name')!r} is not read")
            elif name in ("chart", "relIds"):
                behind.drawn.append(value(child, "id") or value(child, "dm"))
            elif name == "textpath":  # letters as a drawing, a watermark too
                parts.append(value(child, "string"))
            elif name == "t":
                parts.append(child.text or "")
            elif name == "sym":
                parts.append(symbol(value(child, "font"), value(child, "char")))
            elif name in _CHARS:
                parts.append(_CHARS[name])
            else:
                parts.append(self._inline(child, behind))
        return "".join(parts)

    def _rows(self, table: Any) -> Iterator[str]:
        for row in _within(table, "tr"):
            if any(local(mark) == "del" for mark in _properties(row)):
                continue
            cells = [" ".join(" ".join(self._blocks(cell)).split()) for cell in _within(row, "tc") if _is_first(cell)]
            if line := " | ".join(filter(None, cells)):
                yield line

    def _flat(self, element: Any) -> str:
        return " ".join(" ".join(self._blocks(element)).split())

    def _drawn(self, id: str) -> Iterator[str]:
        """The texts of a chart or a diagram."""
        kind, name = self._parts.get(id, ("", ""))
        root = self._package.read(name, "a drawing in it") if kind in DRAWN else None
        if root is not None:
            yield from drawn(root)

    def _roots(self, kind: str) -> Iterator[Any]:
        for name, root in self._package.roots(kind):
            self._parts = self._package.related(name)
            yield without_instructions(root, _TEXT)

    def _notes_of(self, kind: str) -> dict[str, str]:
        """Notes or comments by their id, with what they are before them."""
        notes = {}
        for root in self._roots(kind):
            for note in root:
                author = value(note, "author")
                what = f"{_NAMES[kind]} ({author})" if author else _NAMES[kind]
                if text := self._flat(note):
                    notes[value(note, "id")] = f"{what}: {text}"
        return notes

    def _heading_levels(self) -> dict[str, int]:
        """The level of a heading by the id of a style; those of text are not there."""
        styles = {}
        for _, root in self._package.roots("styles"):
            for style in root:
                values = {local(one): value(one, "val") for one in style.iter()}
                styles[value(style, "styleId")] = values
        levels: dict[str, int] = {}
        for id in styles:
            one, seen = id, set[str]()
            while one in styles and one not in seen:
                seen.add(one)
                name, outline = styles[one].get("name", "").lower(), styles[one].get("outlineLvl", "")
                if name == "title":
                    levels[id] = 1
                elif name.startswith("heading ") and name[8:].isdecimal():
                    levels[id] = min(int(name[8:]), _LEVELS)
                elif outline.isdecimal() and int(outline) < 9:
                    levels[id] = min(int(outline) + 1, _LEVELS)
                else:
                    one = styles[one].get("basedOn", "")
                    continue
                break
        return levels

    def _level(self, paragraph: Any) -> int:
        """The level of a heading; 0 for text."""
        values = {local(one): value(one, "val") for one in _properties(paragraph)}
        outline = values.get("outlineLvl", "")
        if outline.isdecimal():
            return min(int(outline) + 1, _LEVELS) if int(outline) < 9 else 0
        return self._levels.get(values.get("pStyle", ""), 0)


def _properties(element: Any) -> Iterator[Any]:
    for child in element:
        if local(child) in ("pPr", "rPr", "trPr", "tcPr"):
            yield from child


def _is_on(mark: Any) -> bool:
    return value(mark, "val") not in ("0", "false", "off")


def _is_hidden(run: Any) -> bool:
    return any(local(mark) == "vanish" and _is_on(mark) for mark in _properties(run))


def _is_first(cell: Any) -> bool:
    """Whether a cell stands for itself: it was not deleted, and is no further part of a merged one."""
    marks = {local(mark): mark for mark in _properties(cell)}
    merged = [marks[name] for name in ("vMerge", "hMerge") if name in marks]
    return "cellDel" not in marks and all(value(mark, "val") == "restart" for mark in merged)


def _within(element: Any, name: str) -> Iterator[Any]:
    """Rows of a table or cells of a row, also those that something is put around."""
    for child in element:
        if local(child) == name:
            yield child
        elif local(child) not in _HIDDEN and local(child) not in ("p", "tbl", "tr", "tc"):
            yield from _within(child, name)
