"""Arrays in one file that is mapped, not read: opened in no time, hashed in blocks, replaced in one step.

Layout: 8 bytes of magic, 8 bytes little-endian length of the header, the sha256 of the header, the header as JSON, then
the arrays, each at a multiple of 4096 bytes. The header holds a sha256 for each MiB of each array. A new file is
written beside the old one, synced and put in its place, so that a reader or a power cut finds the old file or the new
one and never half of one; who has the old one mapped goes on with it.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..errors import IndexFileError

MAGIC = b"NESTIDX1"
FORMAT = 1

_ALIGN = 4096
_BLOCK_BYTES = 1 << 20
_START = len(MAGIC) + 8 + 32
_DTYPES = ("int64", "uint8", "int8", "float16", "float32")
_ABANDONED_SECONDS = 3600
_RESTORE = "restore it from a copy or build it again"

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Column:
    """An array to write, given in parts so that it need not be in memory as a whole.

    Attributes:
        dtype, shape: of the whole.
        parts: arrays that follow each other along the first axis.
    """

    dtype: Any
    shape: tuple[int, ...]
    parts: Iterable[Array]


@dataclass(frozen=True)
class Mapped:
    """An open file.

    Attributes:
        header: what `write` was given, beside the file's own entries.
        arrays: by name, read-only views of the mapped file.
        fingerprint: sha256 of the header, which holds the hashes of all else.
        mapping: what the arrays are views of.
    """

    header: Mapping[str, Any]
    arrays: Mapping[str, Array]
    fingerprint: str
    mapping: mmap.mmap

    def release(self, name: str) -> Callable[[], None]:
        """A function that gives back the memory which reading an array took; of no effect where the system has no such.

        The file's pages stay with the system, which hands them out again or reads them again. Rows of this array are
        taken to be read here and there, so that reading ahead would be for nothing.
        """
        offset, size = self.header["arrays"][name]["offset"], self.arrays[name].nbytes
        if not size or not hasattr(mmap, "MADV_DONTNEED"):
            return lambda: None
        self.mapping.madvise(mmap.MADV_RANDOM, offset, size)
        return lambda: self.mapping.madvise(mmap.MADV_DONTNEED, offset, size)


def write(path: Path, header: Mapping[str, Any], columns: Mapping[str, Column]) -> str:
    """Write columns and a header, replacing the file in one step; the old file stays where anything fails.

    Returns:
        The new file's fingerprint.
    """
    _remove_abandoned(path)
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with unfinished.open("xb") as stream:
            fingerprint = _write(stream, header, columns)
            stream.flush()
            os.fsync(stream.fileno())
        replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return fingerprint


def replace(unfinished: Path, path: Path) -> None:
    """Put a finished and synced file in another's place, and sync the folder."""
    unfinished.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def hash_file(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def is_index(path: Path) -> bool:
    """Whether a path is a file that begins as `write` begins one."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def read(path: Path) -> Mapped:
    """Map what `write` wrote. The header is compared with its hash and the file's size; `damage` compares the rest.

    Raises:
        IndexFileError: the file is missing, is something else, is damaged, or of a newer format.
    """
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            start = stream.read(_START)
            if start[: len(MAGIC)] != MAGIC or len(start) < _START:
                raise IndexFileError(f"{path}: is not a Nestling index; expected a file that Index.save wrote")
            length = int.from_bytes(start[len(MAGIC) : len(MAGIC) + 8], "little")
            text = stream.read(min(length, size))
            fingerprint = hashlib.sha256(text)
            if len(text) != length or fingerprint.digest() != start[-32:]:
                raise IndexFileError(f"{path}: its header is damaged; {_RESTORE}")
            header = json.loads(text)
            if header["format"] > FORMAT:
                raise IndexFileError(f"{path}: has format {header['format']}, this Nestling reads {FORMAT}; update it")
            if size != header["bytes"]:
                raise IndexFileError(f"{path}: has {size} bytes, expected {header['bytes']}; {_RESTORE}")
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise IndexFileError(f"{path}: cannot be read ({error.strerror}); expected an index file") from error
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, IndexFileError):
            raise
        raise IndexFileError(f"{path}: its header is damaged ({error}); {_RESTORE}") from error
    try:
        arrays = {name: _view(mapped, entry) for name, entry in header["arrays"].items()}
    except (KeyError, TypeError, ValueError) as error:
        raise IndexFileError(f"{path}: its header is damaged ({error}); {_RESTORE}") from error
    return Mapped(header, arrays, fingerprint.hexdigest(), mapped)


def damage(path: Path) -> list[str]:
    """What differs from its hash, a clause each; empty for a sound file. Reads all of it.

    Raises:
        IndexFileError: as `read`.
    """
    found = read(path)
    problems = []
    with path.open("rb") as stream:
        for name, entry in found.header["arrays"].items():
            array = found.arrays[name]
            row_bytes = max(1, array.nbytes // max(1, len(array)))
            stream.seek(entry["offset"])
            for number, expected in enumerate(entry["blocks"]):
                begin = number * _BLOCK_BYTES
                block = stream.read(min(_BLOCK_BYTES, array.nbytes - begin))
                if hashlib.sha256(block).hexdigest() != expected:
                    last = min(len(array), -(-(begin + _BLOCK_BYTES) // row_bytes)) - 1
                    problems.append(f"{name} of rows {begin // row_bytes} to {last} differ from their hash")
    return problems


def _write(stream: IO[bytes], header: Mapping[str, Any], columns: Mapping[str, Column]) -> str:
    """Write the arrays behind room for the header, whose length does not depend on their hashes, then the header."""
    entries: dict[str, dict[str, Any]] = {}
    for name, column in columns.items():
        size = int(np.prod(column.shape, dtype=np.int64)) * np.dtype(column.dtype).itemsize
        blocks = ["0" * 64] * -(-size // _BLOCK_BYTES)
        entries[name] = {"dtype": np.dtype(column.dtype).name, "shape": column.shape, "offset": 0, "blocks": blocks}
    offset = _aligned(_START + len(_header(header, entries, 0)) + 24 * (1 + len(entries)))
    for name, column in columns.items():
        stream.seek(offset)
        entries[name]["offset"] = offset
        entries[name]["blocks"] = list(_write_blocks(stream, column))
        offset = _aligned(stream.tell())
    stream.truncate(offset)
    text = _header(header, entries, offset)
    fingerprint = hashlib.sha256(text)
    stream.seek(0)
    stream.write(MAGIC + len(text).to_bytes(8, "little") + fingerprint.digest() + text)
    return fingerprint.hexdigest()


def _header(header: Mapping[str, Any], entries: Mapping[str, Any], size: int) -> bytes:
    return json.dumps({"format": FORMAT, **header, "bytes": size, "arrays": entries}, sort_keys=True).encode()


def _write_blocks(stream: IO[bytes], column: Column) -> Iterator[str]:
    """Write an array, and give the hash of each block of it."""
    left = b""
    for part in column.parts:
        stored = np.ascontiguousarray(part, dtype=np.dtype(column.dtype).newbyteorder("<")).tobytes()
        stream.write(stored)
        left += stored
        while len(left) >= _BLOCK_BYTES:
            yield hashlib.sha256(left[:_BLOCK_BYTES]).hexdigest()
            left = left[_BLOCK_BYTES:]
    if left:
        yield hashlib.sha256(left).hexdigest()


def _view(mapped: mmap.mmap, entry: Mapping[str, Any]) -> Array:
    if entry["dtype"] not in _DTYPES:
        raise ValueError(f"unknown dtype {entry['dtype']!r}")
    shape = tuple(int(size) for size in entry["shape"])
    if min(shape) < 0:
        raise ValueError(f"shape {shape}")
    dtype = np.dtype(entry["dtype"]).newbyteorder("<")
    count = int(np.prod(shape, dtype=np.int64))
    if count == 0:
        return np.zeros(shape, dtype=dtype)
    return np.frombuffer(mapped, dtype=dtype, count=count, offset=int(entry["offset"])).reshape(shape)


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGN) * _ALIGN


def _remove_abandoned(path: Path) -> None:
    """Remove what writers that were killed left beside the file; a living one touches its own all the time."""
    for left in path.parent.glob(f"{path.name}.*.tmp") if path.parent.is_dir() else ():
        try:
            if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                left.unlink()
        except OSError:
            continue
