"""Arrays in one file that is mapped, not read: opened in no time, hashed in blocks, replaced in one step.

Layout: 8 bytes of magic, 8 bytes little-endian length of the header, the sha256 of the header, the header as JSON, then
the arrays, each at a multiple of 4096 bytes. The header holds a sha256 for each MiB of each array. A new file is
written beside the old one and replaces it, so that a reader or a power cut finds the old file or the new one and never
half of one; who has the old one mapped goes on with it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..arrays import Rows
from ..disk import replacing
from ..errors import IndexFileError

MAGIC = b"NESTIDX1"
FORMAT = 1

_ALIGN = 4096
_BLOCK_BYTES = 1 << 20
_READ_ALONE = 1024
_START = len(MAGIC) + 8 + 32
_DTYPES = ("int64", "uint8")
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
        stream: the file, open.
    """

    header: Mapping[str, Any]
    arrays: dict[str, Array]
    fingerprint: str
    mapping: mmap.mmap
    stream: IO[bytes]

    def close(self) -> None:
        """Give back the file and its mapping; the arrays are gone. Where another still holds one the mapping, which
        it needs, goes with it."""
        self.arrays.clear()
        self.stream.close()
        with suppress(BufferError):
            self.mapping.close()

    def read_rows(self, name: str, rows: Rows) -> Array:
        """Some rows of an array of bytes, read so that no memory stays taken; few are read without mapping them."""
        array = self.arrays[name]
        if len(rows) > _READ_ALONE or not hasattr(os, "pread"):
            found: Array = array[rows]
            self.release(name)
            return found
        handle, size, offset = self.stream.fileno(), array.shape[1], self.header["arrays"][name]["offset"]
        data = b"".join([os.pread(handle, size, offset + row * size) for row in rows.tolist()])
        return np.frombuffer(data, dtype=np.uint8).reshape(len(rows), size)

    def release(self, name: str) -> None:
        """Give back the memory that reading an array took; of no effect where the system has no such call.

        The file's pages stay with the system, which hands them out again or reads them again.
        """
        if hasattr(mmap, "MADV_DONTNEED"):
            self._advise(name, mmap.MADV_DONTNEED)

    def expect_random_reads(self, name: str) -> None:
        """Say that rows of an array are read in no order, so that reading ahead would be for nothing."""
        if hasattr(mmap, "MADV_RANDOM"):
            self._advise(name, mmap.MADV_RANDOM)

    def _advise(self, name: str, advice: int) -> None:
        if size := self.arrays[name].nbytes:
            offset = self.header["arrays"][name]["offset"]
            before = offset % mmap.PAGESIZE
            self.mapping.madvise(advice, offset - before, size + before)

    def damage(self) -> list[str]:
        """What differs from its hash, a clause each; empty for a sound file. Reads all of it."""
        problems = []
        for name, array in self.arrays.items():
            entry = self.header["arrays"][name]
            row_bytes = max(1, array.nbytes // max(1, len(array)))
            for number, expected in enumerate(entry["blocks"]):
                begin = number * _BLOCK_BYTES
                start = entry["offset"] + begin
                block = self.mapping[start : start + min(_BLOCK_BYTES, array.nbytes - begin)]
                if hashlib.sha256(block).hexdigest() != expected:
                    last = min(len(array), -(-(begin + _BLOCK_BYTES) // row_bytes)) - 1
                    problems.append(f"{name} of rows {begin // row_bytes} to {last} differ from their hash")
            self.release(name)
        return problems


def write(
    path: Path,
    header: Mapping[str, Any],
    columns: Mapping[str, Column],
    before: Callable[[str], object] = lambda fingerprint: None,
) -> str:
    """Write columns and a header, replacing the file in one step; the old file stays where anything fails.

    Args:
        before: called with the new file's fingerprint when that is whole and has not replaced the old one yet.

    Returns:
        That fingerprint.

    Raises:
        OSError: the folder is missing, or the file cannot be written or replaced.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "Its folder is missing, make it first", str(path))
    with replacing(path) as unfinished:
        with unfinished.open("xb") as stream:
            fingerprint = _write(stream, header, columns)
        before(fingerprint)
    return fingerprint


def is_index(path: Path) -> bool:
    """Whether a path is a file that begins as `write` begins one."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def read(path: Path) -> Mapped:
    """Map what `write` wrote. The header is compared with its hash and the file's size; `Mapped.damage` has the rest.

    Raises:
        IndexFileError: the file is missing, is something else, is damaged, or of a newer format.
    """
    with ExitStack() as stack:
        try:
            mapped = _mapped(path, stack.enter_context(path.open("rb")))
        except OSError as error:
            raise IndexFileError(f"{path}: cannot be read ({error.strerror}); expected an index file") from error
        except IndexFileError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise IndexFileError(f"{path}: its header is damaged ({error}); {_RESTORE}") from error
        stack.pop_all()
        return mapped


def _mapped(path: Path, stream: IO[bytes]) -> Mapped:
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
    if header["format"] != FORMAT:
        found = f"has format {header['format']}, this Nestling reads {FORMAT}"
        raise IndexFileError(f"{path}: {found}; open it with a newer Nestling")
    if size != header["bytes"]:
        raise IndexFileError(f"{path}: has {size} bytes, expected {header['bytes']}; {_RESTORE}")
    mapping = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    arrays = {name: _view(mapping, entry) for name, entry in header["arrays"].items()}
    return Mapped(header, arrays, fingerprint.hexdigest(), mapping, stream)


def _write(stream: IO[bytes], header: Mapping[str, Any], columns: Mapping[str, Column]) -> str:
    """Write the arrays behind room for the header, whose length does not depend on their hashes, then the header."""
    entries: dict[str, dict[str, Any]] = {}
    for name, column in columns.items():
        size = math.prod(column.shape) * np.dtype(column.dtype).itemsize
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
    digest, room = hashlib.sha256(), _BLOCK_BYTES
    for part in column.parts:
        stored = np.ascontiguousarray(part, dtype=np.dtype(column.dtype).newbyteorder("<"))
        if not stored.size:
            continue
        left = memoryview(stored.reshape(-1).view(np.uint8).data)
        stream.write(left)
        while len(left) >= room:
            digest.update(left[:room])
            yield digest.hexdigest()
            digest, left, room = hashlib.sha256(), left[room:], _BLOCK_BYTES
        digest.update(left)
        room -= len(left)
    if room < _BLOCK_BYTES:
        yield digest.hexdigest()


def _view(mapped: mmap.mmap, entry: Mapping[str, Any]) -> Array:
    """An array of a header's entry; raises KeyError, TypeError or ValueError where there can be no such."""
    name, shape, offset, blocks = (entry[key] for key in ("dtype", "shape", "offset", "blocks"))
    if name not in _DTYPES:
        raise ValueError(f"unknown dtype {name!r}")
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"shape {shape}")
    dtype = np.dtype(name).newbyteorder("<")
    size = math.prod(shape) * dtype.itemsize
    if type(offset) is not int or offset < 0 or offset % _ALIGN or offset + size > len(mapped):
        raise ValueError(f"{size} bytes at {offset} in a file of {len(mapped)}")
    if type(blocks) is not list or len(blocks) != -(-size // _BLOCK_BYTES):
        raise ValueError(f"hashes for {size} bytes are not as many as its MiB")
    if size == 0:
        return np.zeros(shape, dtype=dtype)
    array: Array = np.frombuffer(mapped, dtype=dtype, count=math.prod(shape), offset=offset).reshape(shape)
    return array


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGN) * _ALIGN
