"""How a table is laid out, told by its first rows: what stands between cells, and which row has the names."""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import islice

from .table_rows import SAMPLE_LINES

_DELIMITERS = ",;\t|"
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)*(?:\s*%)?")
_YEAR = re.compile(r"[12]\d{3}")
_DIGIT = re.compile(r"\d")
_MOST = 0.8  # of the rows below names
_WIDE = 3  # so many commas a line in most lines are no prose


def parsed(lines: list[str], delimiter: str) -> list[list[str]]:
    """The rows of a sample, but for blank ones and the last, which may be cut, where there are many."""
    rows = [row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if any(map(str.strip, row))]
    return rows[:-1] if len(lines) == SAMPLE_LINES else rows


def delimiter_of(sample: list[str]) -> str:
    """What parts the rows of a sample alike, and the first into most cells; not what a space follows, as in prose."""

    def score(delimiter: str) -> tuple[float, int, int]:
        rows = parsed(sample, delimiter)
        at = names_at(rows)
        width = len(rows[at]) if rows else 0
        alike = sum(len(row) == width for row in rows[at:]) / len(rows[at:]) if width > 1 else 0
        spaces = sum(line.count(f"{delimiter} ") for line in sample)
        if at and spaces == sum(line.count(delimiter) for line in sample):
            alike = 0
        return round(alike, 1), width if alike else 0, -spaces

    return max(_DELIMITERS, key=score)


def names_at(rows: list[list[str]]) -> int:
    """Which row has the names of the columns: the first that is as wide as those below it, where it reads as such.

    Those above it, as the account and the period of a bank statement, are narrower; mostly there are none.
    """
    widths = [_width(row) for row in rows]
    below = Counter[int]()
    usual = [0] * len(rows)
    for at in reversed(range(len(rows))):
        usual[at] = max(below, key=lambda width: width * below[width], default=0)
        below[widths[at]] += 1
    found = next((at for at, width in enumerate(widths[:-1]) if width >= usual[at]), 0)
    return found if found and _are_names(rows, found) else 0


def _are_names(rows: list[list[str]], at: int) -> bool:
    """Whether a row holds no number, and stands above numbers or dates, or between lines of one cell and a table."""
    width = _width(rows[at])
    names, below = [cell.strip() for cell in rows[at][:width]], rows[at + 1 :]
    if not all(names) or any(_NUMBER.fullmatch(name) and not _YEAR.fullmatch(name) for name in names):
        return False
    if width >= _WIDE and all(sum(map(bool, map(str.strip, row))) == 1 for row in rows[:at]):
        return sum(_width(row) == width for row in below) >= _MOST * len(below)
    columns = ([row[column] for row in below if column < len(row) and row[column].strip()] for column in range(width))
    return any(
        not _DIGIT.search(name) and cells and sum(map(bool, map(_DIGIT.search, cells))) >= _MOST * len(cells)
        for name, cells in zip(names, columns, strict=True)
    )


def _width(row: list[str]) -> int:
    """How many cells a row has, but for empty ones at its end."""
    return max((at for at, cell in enumerate(row, start=1) if cell.strip()), default=0)


def is_data(rows: list[list[str]]) -> bool:
    """Whether the first row is no list of names: a number stands in it that is no year, above numbers alone."""
    if not rows:
        return False
    columns = [[row[at].strip() for row in islice(rows, 1, None) if at < len(row)] for at in range(len(rows[0]))]
    numbers = [all(_NUMBER.fullmatch(cell) for cell in column if cell) for column in columns]
    names = [cell.strip() for cell, of_numbers in zip(rows[0], numbers, strict=True) if of_numbers and cell.strip()]
    return any(map(_NUMBER.fullmatch, names)) and all(
        _NUMBER.fullmatch(name) and not _YEAR.fullmatch(name) for name in names
    )
