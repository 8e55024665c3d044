"""The rows of a table as it was written, each with its line: cells between delimiters, some in quotes."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TextIO

from ..document import clean

MAX_RECORD = 16 * 1024 * 1024
# In characters: what may be read in vain, at once and for each one of the rows before, behind quotes that no other
# closes. Without it a table of such rows would be read to its end for each of them.
_IN_VAIN = 2 * MAX_RECORD
_IN_VAIN_A_CHARACTER = 16

SAMPLE_LINES = 100
_SAMPLE_CHARS = 1 << 16
_FORMULA = re.compile(r'="(.*)"', re.DOTALL)  # how a number is kept a text in Excel


class Lines:
    """The lines of a stream, of which some may be put back.

    Attributes:
        number: of the line that was taken last, from 1.
        lost: how many characters were not in the encoding.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._error: Exception | None = None
        self._replaces = stream.errors == "replace"
        self.number = 0
        self.lost = 0

    def next(self) -> str:
        """The next line; empty at the end.

        Raises:
            csv.Error: it is too long.
            UnicodeDecodeError: it belies the mark that the file began with.
        """
        if self._error is not None and not self._waiting:
            raise self._error
        line = self._waiting.popleft() if self._waiting else self._read()
        self.number += bool(line)
        return line

    def skip_blank(self) -> None:
        """Take the next lines that are blank."""
        while line := self.next():
            if line.strip():
                self.back([line])
                return

    def back(self, lines: Sequence[str]) -> None:
        """Put back what was taken last."""
        self._waiting.extendleft(reversed(lines))
        self.number -= len(lines)

    def peek(self) -> list[str]:
        """The next lines, of some length together, which stay to be taken; an error is left to who takes them."""
        taken: list[str] = []
        try:
            while len(taken) < SAMPLE_LINES and sum(map(len, taken)) < _SAMPLE_CHARS and (line := self.next()):
                taken.append(line)
        except (csv.Error, UnicodeError) as error:
            self._error = error
        self.back(taken)
        return taken

    def _read(self) -> str:
        line = self._stream.readline(MAX_RECORD)
        if len(line) == MAX_RECORD:
            self._error = csv.Error(f"a line is over {MAX_RECORD} characters")  # what is left of it is no line
            raise self._error
        if self._replaces:
            self.lost += line.count("\ufffd")
        return clean(line)


def records(lines: Lines, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table, each with the number of its first line.

    A quote that is none, as in `5" pipe`, is a character. One that opens a cell and is never closed would hide the
    rest of the file in that cell: where the rows behind it do not read as such, its line is taken by itself.

    Raises:
        csv.Error: a line is too long, or is not in the encoding that the file began with.
    """
    taken: list[str] = []
    size, in_vain = 0, _IN_VAIN

    def fed() -> Iterator[str]:
        nonlocal size
        while line := lines.next():
            size += len(line)
            taken.append(line)
            if size > MAX_RECORD or (size > in_vain and len(taken) > 1):
                raise csv.Error("a cell is never closed")
            yield line

    source = fed()
    rows = csv.reader(source, delimiter=delimiter, skipinitialspace=True, strict=True)
    while True:
        taken.clear()
        size = 0
        number = lines.number + 1
        try:
            row = next(rows, None)
        except csv.Error:
            if not taken:
                raise
            lines.back(taken[1:])
            in_vain -= size
            size = len(taken[0])
            (row,) = csv.reader([taken[0].rstrip("\n")], delimiter=delimiter, skipinitialspace=True)
            source = fed()
            rows = csv.reader(source, delimiter=delimiter, skipinitialspace=True, strict=True)
        if row is None:
            return
        in_vain += _IN_VAIN_A_CHARACTER * size
        yield number, [_FORMULA.sub(r"\1", cell) if cell.startswith('="') else cell for cell in row]
