"""Rich text (RTF 1.9): text as it is shown, headings as Markdown writes them, notes and comments behind paragraphs.

A small walk of its own: the library for it keeps hidden and deleted text and loses notes, headers and text boxes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from mmap import ACCESS_READ, mmap
from pathlib import Path

from ...document import Document, Skip
from ..text import Unreadable, document_of, joined, limited
from .codepages import CHARSETS, SYMBOLS, codec
from .symbols import shown_of, symbol

START = b"{\\rtf"

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,40})(-?[0-9]{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|([^\\{}\r\n]+)|[\r\n]+"
)
# Groups of other things than text, beside those that say so themselves with \*.
_SILENT = frozenset(
    "pict objdata objclass objname themedata colorschememapping datastore stylesheet colortbl "
    "filetbl listtable listoverridetable revtbl rsidtbl generator pgptbl latentstyles xmlnstbl template "
    "shprslt nonshppict nonesttables bkmkstart bkmkend xe tc rxe formfield userprops docvar background "
    "ftnsep ftnsepc ftncn aftnsep aftnsepc aftncn pnseclvl private passwordhash wgrffmtfilter mmathPr mvfmf".split()
)
_LETTERS = "gtextUNICODE"  # the property of a shape that is letters
_ENDS = frozenset(("par", "sect", "page"))
_CHARS = {
    "tab": "\t", "line": "\n", "lbr": "\n", "emdash": "—", "endash": "–", "bullet": "•", "lquote": "‘", "rquote": "’",
    "ldblquote": "“", "rdblquote": "”", "emspace": "\u2003", "enspace": "\u2002", "qmspace": "\u2005", "zwj": "\u200d",
    "zwnj": "\u200c", "~": "\u00a0", "_": "-", "{": "{", "}": "}", "\\": "\\",
}  # fmt: skip
_MARGINS = {f"{name.lower()}{page}": name for name in ("Header", "Footer") for page in ("", "l", "r", "f")}
_FLOWS = {
    "fonttbl": "fonts", "title": "title", "atnauthor": "author", "footnote": "Footnote", "annotation": "Comment",
    "shptxt": "box", "dptxbxtext": "box", "sn": "name", "sv": "value", "fldinst": "field", **_MARGINS,
}  # fmt: skip
_SHOWN = frozenset("shpinst shppict do ud moMath moMathPara nesttableprops".split()) | _FLOWS.keys()
_PAGES = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
_PRIVATE = 0xF000  # where Unicode has the characters of symbol fonts
_LEVELS = 6
_MAX_DEPTH = 10_000


def read_rtf(path: Path) -> Iterator[Document | Skip]:
    """A rich text document: paragraphs, a line for each row of a table; headers and footers, each once, at the end."""
    limited(path)
    with path.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as data:
        if START not in data[:64]:
            raise Unreadable("is no rich text; give it the suffix of its format")
        reading = _Reading()
        text = joined(reading.lines(data), "\n")
    yield document_of(path, text, reading.title)
    if reading.embeds:
        yield Skip(str(path), "what is embedded in it is not read", within=True)


@dataclass
class _Flow:
    """A run of paragraphs: the body, a note, a header or a text box."""

    lines: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    cell: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    inner: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)

    def end(self, level: int) -> None:
        """End what is open."""
        self.end_paragraph(False, level)

    def end_paragraph(self, in_table: bool, level: int) -> None:
        """End a paragraph: a heading of a level, text where that is 0, or a part of a cell."""
        text = _joined(self.parts).strip()
        if not in_table:
            self.end_row()
        if in_table:
            self.cell.append(text)
        elif text and level:
            self.lines.append(f"\n{'#' * level} {' '.join(text.split())}\n")
        else:
            self.lines.append(text)
        self.parts.clear()
        if not in_table:
            self.lines += self.behind
            self.behind.clear()

    def end_cell(self, cells: list[str]) -> None:
        """End a cell of the table, or of one in its cell."""
        self.end_paragraph(True, 0)
        cells.append(" ".join(" ".join(self.cell).split()))
        self.cell.clear()

    def end_inner_row(self) -> None:
        self.cell.append(" | ".join(filter(None, self.inner)))
        self.inner.clear()

    def end_row(self) -> None:
        """End a row of the table, if one is open; programs forget to."""
        if self.inner:
            self.end_inner_row()
        self.cells += self.cell
        if line := " | ".join(filter(None, self.cells)):
            self.lines += [line, *self.behind]
            self.behind.clear()
        self.cells.clear()
        self.cell.clear()


@dataclass(frozen=True)
class _State:
    """What holds within a group.

    Attributes:
        flow: where its text goes; None where that is not shown.
        begins: what the group is itself, as `Footnote`; empty for a group of characters.
        unicode: where text goes that comes in two encodings, from its second form.
        skip: how many characters stand behind one of Unicode for programs that do not know it.
        level: of a heading; 0 for text.
    """

    flow: _Flow | None
    begins: str = ""
    unicode: _Flow | None = None
    font: int | None = None
    skip: int = 1
    level: int = 0
    is_hidden: bool = False
    in_table: bool = False
    in_info: bool = False


class _Reading:
    """A file that is being read.

    Attributes:
        title: what it was given, or empty.
        embeds: whether there is an object of another program in it.
    """

    def __init__(self) -> None:
        self.title = ""
        self.embeds = False
        self._author = ""
        self._name = ""  # of a shape's property
        self._page = "cp1252"
        self._fonts: dict[int, tuple[str, int]] = {}  # name and character set
        self._default: int | None = None
        self._margins: dict[str, None] = {}
        self._body = _Flow()
        self._bytes = bytearray()  # of text that is not decoded yet
        self._to_skip = 0
        self._stack: list[_State] = []
        self._state = _State(self._body)

    def lines(self, data: mmap) -> Iterator[str]:
        """The lines of the document."""
        at, is_star = 0, False
        while (token := _TOKEN.match(data, at)) is not None:
            at = token.end()
            word, number, code, char, brace, text = token.groups()
            if code or text:
                self._take(bytes([int(code, 16)]) if code else text)
            elif word == b"bin":
                at += max(int(number or 0), 0)
            elif word:
                self._word(word.decode(), None if number is None else int(number), is_star)
            elif brace == b"{":
                self._open()
            elif brace:
                self._close()
                if not self._stack:
                    break
            elif char and char != b"*":
                self._sign(char.decode("latin-1"))
            is_star = char == b"*"
        while self._stack:
            self._close()
        self._flush()
        self._body.end(self._state.level)
        yield from self._body.lines
        yield from (f"\n{margin}" for margin in self._margins)

    def _open(self) -> None:
        self._flush()
        self._to_skip = 0
        if len(self._stack) >= _MAX_DEPTH:
            raise Unreadable("is damaged (its groups have no end)")
        self._stack.append(self._state)
        self._state = replace(self._state, begins="")

    def _close(self) -> None:
        self._flush()
        self._to_skip = 0
        if not self._stack:
            return
        ended, self._state = self._state, self._stack.pop()
        flow, around = ended.flow, self._state.flow
        if not ended.begins or flow is None:
            return
        flow.end(ended.level)
        text = " ".join(" ".join(flow.lines).split())
        if ended.begins == "fonts":
            self._name_fonts(text)
        elif ended.begins == "title":
            self.title = text
        elif ended.begins == "author":
            self._author = text
        elif ended.begins == "name":
            self._name = text
        elif ended.begins == "field":
            self._put(shown_of(text))
        elif ended.begins in _MARGINS.values():
            self._margins.update({f"{ended.begins}: {text}": None} if text else {})
        elif around is not None and ended.begins == "box":
            around.behind += filter(None, flow.lines)
        elif around is not None and ended.begins == "value":
            around.behind += [text] if self._name == _LETTERS and text else []
        elif around is not None and text:
            by = f" ({self._author})" if ended.begins == "Comment" and self._author else ""
            around.behind.append(f"{ended.begins}{by}: {text}")

    def _word(self, word: str, number: int | None, is_star: bool) -> None:
        self._flush()
        self._to_skip = 0
        state = self._state
        if word == "u" and number is not None:
            code = number % 0x10000
            is_symbol = _PRIVATE <= code < _PRIVATE + 0x100
            self._put(symbol(self._font()[0], f"{code:x}") if is_symbol else chr(code))
            self._to_skip = state.skip
        elif word in _CHARS:
            self._put(_CHARS[word])
        elif word in _SILENT or (is_star and word not in _SHOWN) or (word[0] == "m" and word.endswith("Pr")):
            self.embeds |= word == "objdata"
            self._state = replace(state, flow=None)
        elif word == "upr":
            self._state = replace(state, flow=None, unicode=state.flow)
        elif word == "ud":
            self._state = replace(state, flow=state.unicode)
        elif word == "info":
            self._state = replace(state, flow=None, in_info=True)
        elif word in _FLOWS:
            if state.in_info if word == "title" else state.flow is not None:
                self._state = _State(_Flow(), _FLOWS[word], font=state.font, skip=state.skip)
        elif word == "ftnalt" and state.begins == "Footnote":
            self._state = replace(state, begins="Endnote")
        elif state.flow is not None:
            self._property(word, number)
            self._end(word)

    def _property(self, word: str, number: int | None) -> None:
        state = self._state
        if word == "f" and number is not None:
            self._state = replace(state, font=number)
            self._fonts.setdefault(number, ("", 1))
        elif word == "fcharset" and state.font is not None:
            self._fonts[state.font] = ("", number or 0)
        elif word == "plain":
            self._state = replace(state, font=self._default, is_hidden=False)
        elif word in ("v", "deleted"):
            self._state = replace(state, is_hidden=number != 0)
        elif word == "uc":
            self._state = replace(state, skip=max(number or 0, 0))
        elif word == "deff":
            self._default = number
            self._state = replace(state, font=number)
        elif word == "ansicpg" and number is not None:
            self._page = codec(number) or self._page
        elif word in _PAGES:
            self._page = _PAGES[word]
        elif word == "pard":
            self._state = replace(state, in_table=False, level=0)
        elif word == "intbl":
            self._state = replace(state, in_table=number != 0)
        elif word == "outlinelevel" and number is not None:
            self._state = replace(state, level=min(number + 1, _LEVELS) if 0 <= number < 9 else 0)

    def _end(self, word: str) -> None:
        """End a paragraph, a cell or a row."""
        flow = self._state.flow
        if flow is None:
            return
        if word in _ENDS:
            flow.end_paragraph(self._state.in_table, self._state.level)
        elif word == "row":
            flow.end_row()
        elif word == "nestrow":
            flow.end_inner_row()
        elif word in ("cell", "nestcell"):
            flow.end_cell(flow.cells if word == "cell" else flow.inner)

    def _sign(self, char: str) -> None:
        self._flush()
        self._to_skip = 0
        if char in "\r\n":
            self._end("par")
        elif char in _CHARS:
            self._put(_CHARS[char])

    def _take(self, data: bytes) -> None:
        count = min(self._to_skip, len(data))
        self._to_skip -= count
        if self._state.flow is not None:
            self._bytes += data[count:]

    def _put(self, text: str) -> None:
        if self._state.flow is not None and not self._state.is_hidden:
            self._state.flow.parts.append(text)

    def _flush(self) -> None:
        """Take in the bytes that came, in the encoding of their font."""
        if not self._bytes:
            return
        data, self._bytes = bytes(self._bytes), bytearray()
        name, charset = self._font()
        if charset == SYMBOLS:
            self._put("".join(symbol(name, f"{byte:x}") for byte in data))
        else:
            is_western = charset == 0 and any(other > SYMBOLS for _, other in self._fonts.values())
            page = "cp1252" if is_western else CHARSETS.get(charset, self._page)
            self._put(data.decode(page, "replace"))

    def _font(self) -> tuple[str, int]:
        return self._fonts.get(-1 if self._state.font is None else self._state.font, ("", 1))

    def _name_fonts(self, names: str) -> None:
        """Give the fonts their names, which stand in their table one behind the other."""
        for (number, (_, charset)), name in zip(list(self._fonts.items()), names.split(";"), strict=False):
            self._fonts[number] = (name.strip(), charset)


def _joined(parts: list[str]) -> str:
    """Text of which some characters came in two halves."""
    text = "".join(parts)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
