"""Arrays in one file: a header that names them, a hash over their bytes, replaced in one step.

Layout: 8 bytes of magic, 8 bytes little-endian length of the header, the header as JSON, then the arrays, each at a
multiple of 64 bytes. A new file is written beside the old one, synced and put in its place, so that a reader or
a power cut finds the old file or the new one and never half of one.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import IndexFileError

MAGIC = b"NESTIDX1"
FORMAT = 1

_ALIGN = 64
_DTYPES = ("int64", "uint8", "int8", "float32")


def write(path: Path, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays and a header, replacing the file in one step; the old file stays where anything fails."""
    digest = hashlib.sha256()
    blocks: list[bytes] = []
    entries: dict[str, dict[str, Any]] = {}
    offset = 0
    for name, array in arrays.items():
        stored = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        data = stored.tobytes()
        data += bytes(-len(data) % _ALIGN)
        entries[name] = {"dtype": array.dtype.name, "shape": list(array.shape), "offset": offset}
        blocks.append(data)
        digest.update(data)
        offset += len(data)
    text = json.dumps(
        {"format": FORMAT, **header, "bytes": offset, "sha256": digest.hexdigest(), "arrays": entries}, sort_keys=True
    ).encode()
    text += b" " * (-(len(MAGIC) + 8 + len(text)) % _ALIGN)
    _replace(path, [MAGIC, len(text).to_bytes(8, "little"), text, *blocks])


def read(path: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Read what `write` wrote.

    Returns:
        The header, and the arrays by name.

    Raises:
        IndexFileError: the file is missing, is something else, is damaged, or of a newer format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise IndexFileError(f"{path}: cannot be read ({error.strerror}); expected an index file") from error
    start = len(MAGIC) + 8
    if data[: len(MAGIC)] != MAGIC or len(data) < start:
        raise IndexFileError(f"{path}: is not a Nestling index; expected a file that Index.save wrote")
    body = start + int.from_bytes(data[len(MAGIC) : start], "little")
    try:
        header = json.loads(data[start:body])
        if header["format"] > FORMAT:
            raise IndexFileError(f"{path}: has format {header['format']}, this Nestling reads {FORMAT}; update it")
        payload = memoryview(data)[body:]
        if len(payload) != header["bytes"] or hashlib.sha256(payload).hexdigest() != header["sha256"]:
            raise IndexFileError(f"{path}: is damaged, its bytes differ from its hash; restore it or build it again")
        return header, {name: _array(payload, entry) for name, entry in header["arrays"].items()}
    except IndexFileError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise IndexFileError(f"{path}: its header is damaged ({error}); restore it or build it again") from error


def _array(payload: memoryview, entry: Mapping[str, Any]) -> npt.NDArray[Any]:
    if entry["dtype"] not in _DTYPES:
        raise ValueError(f"unknown dtype {entry['dtype']!r}")
    dtype = np.dtype(entry["dtype"]).newbyteorder("<")
    shape = tuple(int(size) for size in entry["shape"])
    flat = np.frombuffer(payload, dtype=dtype, count=int(np.prod(shape)), offset=int(entry["offset"]))
    return flat.reshape(shape).astype(np.dtype(entry["dtype"]))


def _replace(path: Path, blocks: list[bytes]) -> None:
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with unfinished.open("xb") as stream:
            stream.writelines(blocks)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
