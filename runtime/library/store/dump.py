"""A library as a table that other engines load: a row a passage, with its text, metadata and vector.

JSON Lines need nothing; Parquet needs pyarrow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...disk import replacing
from ...errors import NestlingError
from . import passages
from .database import Database
from .earlier import read_earlier

FORMATS = (".jsonl", ".parquet")

_AT_ONCE = 1024

Row = dict[str, Any]


def dump(db: Database, dim: int, path: Path, progress: Callable[[int, int], None] | None = None) -> int:
    """Write all passages into a `.jsonl` or `.parquet` file, in the order of adding; returns how many; inside
    `reading`.

    A row has the document's id, the passage's number in it, 0 for the first, title, text, place, source, metadata and
    vector: dim numbers, a unit vector as its int8 code has it. In a Parquet file the metadata is JSON text, as its keys
    are not the same in every document.

    Args:
        progress: called with the passages written and the passages there are.

    Raises:
        NestlingError: it is being brought over to another bundle, the suffix is another, the folder is missing, it is
            the library's own file, or pyarrow is not there.
    """
    if path.suffix not in FORMATS:
        raise NestlingError(f"{path}: ends with {path.suffix or 'no suffix'!r}, expected {' or '.join(FORMATS)}")
    if (before := read_earlier(db)) is not None:
        raise NestlingError(
            f"{db.path}: has vectors of bundle {before.bundle} still, which cannot be told beside others; finish that "
            f"with: nestling refine {db.path}"
        )
    if not path.parent.is_dir():
        raise NestlingError(f"{path}: the folder {path.parent} does not exist; make it first")
    if path.exists() and path.samefile(db.path):
        raise NestlingError(f"{path}: is the library itself, expected another file; give another name")
    write = _write_jsonl if path.suffix == ".jsonl" else _write_parquet
    with replacing(path) as unfinished:
        count = write(_batches(db, dim, progress), unfinished, dim)
        db.require_unchanged()
    return count


def _batches(db: Database, dim: int, progress: Callable[[int, int], None] | None) -> Iterator[list[Row]]:
    keys = passages.keys(db)
    for begin in range(0, len(keys), _AT_ONCE):
        part = keys[begin : begin + _AT_ONCE]
        rows, vectors = passages.shown(db, part), passages.fine(db, part, dim).decode()
        yield [
            {
                "document": row.document.id,
                "passage": row.number,
                "title": row.document.title,
                "text": row.text,
                "place": row.place,
                "source": row.document.source,
                "metadata": dict(row.document.metadata),
                "vector": [round(value, 6) for value in vector.tolist()],
            }
            for vector, row in zip(vectors, map(rows.__getitem__, part.tolist()), strict=True)
        ]
        if progress is not None:
            progress(begin + len(part), len(keys))


def _write_jsonl(batches: Iterator[list[Row]], path: Path, dim: int) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as lines:
        for batch in batches:
            lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in batch)
            count += len(batch)
    return count


def _write_parquet(batches: Iterator[list[Row]], path: Path, dim: int) -> int:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise NestlingError("a .parquet file needs pyarrow; get it with: pip install 'nestling[parquet]'") from error
    text = pyarrow.string()
    fields = dict.fromkeys(("document", "title", "text", "place", "source", "metadata"), text)
    fields |= {"passage": pyarrow.int32(), "vector": pyarrow.list_(pyarrow.float32(), dim)}
    count = 0
    with pyarrow.parquet.ParquetWriter(path, table := pyarrow.schema(fields)) as writer:
        for batch in batches:
            rows = [row | {"metadata": json.dumps(row["metadata"], ensure_ascii=False)} for row in batch]
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=table))
            count += len(batch)
    return count
