"""Binary workbooks of today (MS-XLSB) in the form in which calamine reads all of their cells.

It leaves out cells in the short form, which SheetJS writes: they stand behind the cell before and do not say in which
column; and errors, which become text here.
"""

from __future__ import annotations

import posixpath
import struct
import zipfile
from io import BytesIO
from typing import IO

from ..text import Unreadable
from .package import Package

_ROW, _ERROR, _TEXT, _FORMULA_ERROR = 0, 3, 6, 11
_LONG, _SHORT = range(1, 12), range(12, 19)  # cells; those of the short form are as the first seven of the long one
_SHORT_BY = 11
_ERRORS = {0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!", 42: "#N/A"}
_NO_CELLS = b"\x81\x01\0\x94\x01\x10" + bytes(16) + b"\x91\x01\0\x92\x01\0\x82\x01\0"  # a sheet
_COLUMNS = 1 << 14
_PLACED, _STYLED = 4, 8  # the bytes of a row's number or a cell's column, and with those of its style


def spelled_out(package: Package, stream: IO[bytes], most: int) -> IO[bytes]:
    """A workbook as calamine reads all of it; itself where it does so already, or a part is damaged, which it names.

    Args:
        most: the cells that a sheet may spread over; one that spreads further, or is damaged, is noted, and has none.
    """
    sheets = {name for kind, name in package.related(package.main).values() if kind == "worksheet"}
    made, is_changed = BytesIO(), False
    try:
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name in package.names():
                if name.endswith((".bin", ".rels")):
                    data = package.data(name)
                    cells = None
                    if name in sheets:
                        try:
                            cells = _long(data, most)
                        except Unreadable as reason:
                            package.unread.append(f"{posixpath.basename(name)} {reason}")
                            cells = _NO_CELLS
                    is_changed |= cells is not None
                    archive.writestr(name, data if cells is None else cells)
    except Unreadable:
        return stream
    made.seek(0)
    return made if is_changed else stream


def _long(data: bytes, most: int) -> bytes | None:
    """The records of a sheet with all cells in their long form; None where they are so.

    Raises:
        Unreadable: it spreads over more cells than these, or its records are shorter than calamine believes they are.
    """
    made = bytearray()
    at = kept = 0  # up to where records were read, and taken over
    row = column = -1
    rows = columns = 0
    while at < len(data):
        start = at
        kind, at = _number(data, at, 2)
        size, at = _number(data, at, 4)
        body = data[at : at + size] if kind < _SHORT.stop else b""
        at += size
        if kind in _SHORT:
            kind, body = kind - _SHORT_BY, struct.pack("<I", (column + 1) % _COLUMNS) + body
        if (kind == _ROW and len(body) < _PLACED) or (kind in _LONG and len(body) < _STYLED):
            raise Unreadable("is damaged")
        if kind == _ROW:
            row, column = int.from_bytes(body[:_PLACED], "little"), -1
        if kind not in _LONG:
            continue
        column = int.from_bytes(body[:_PLACED], "little")
        rows, columns = max(rows, row + 1), max(columns, column + 1)
        if kind in (_ERROR, _FORMULA_ERROR):
            text = _ERRORS.get(int.from_bytes(body[_STYLED : _STYLED + 1], "little"), "#ERROR!")
            kind, body = _TEXT, body[:_STYLED] + struct.pack("<I", len(text)) + text.encode("utf-16-le")
        elif len(body) == size:
            continue
        made += data[kept:start] + bytes([kind]) + _written(len(body)) + body
        kept = at
    if rows * columns > most:
        raise Unreadable(f"spreads over {rows} rows and {columns} columns; split it")
    return bytes(made + data[kept:]) if kept else None


def _number(data: bytes, at: int, most: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    number = 0
    for place in range(most):
        byte = data[at + place] if at + place < len(data) else 0
        number |= (byte & 127) << 7 * place
        if byte < 128:
            break
    return number, at + place + 1


def _written(number: int) -> bytes:
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes([*written, number])
