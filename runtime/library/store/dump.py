"""A library as a table that other engines load: a row a passage, with its text, metadata and vector.

JSON Lines need nothing; Parquet needs pyarrow. A file is written under a temporary name and put in its place when it
is whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import NestlingError
from ...place import place_of
from .documents import Store

FORMATS = (".jsonl", ".parquet")

_AT_ONCE = 1024


@dataclass(frozen=True)
class Row:
    """A passage, as it is dumped.

    Attributes:
        document: the document's id.
        passage: its place in the document, 0 for the first.
        vector: dim numbers, a unit vector as its int8 code has it.
    """

    document: str
    passage: int
    title: str
    text: str
    place: str
    source: str
    metadata: dict[str, Any]
    vector: list[float]


def dump(store: Store, dim: int, path: Path, progress: Callable[[int, int], None] | None = None) -> int:
    """Write all passages into a `.jsonl` or `.parquet` file, in the order of adding; returns how many; inside
    `reading`.

    In a Parquet file the metadata is JSON text, as its keys are not the same in every document.

    Args:
        progress: called with the passages written and the passages there are.

    Raises:
        NestlingError: the suffix is another, the folder is missing, or pyarrow is not there.
    """
    if path.suffix not in FORMATS:
        raise NestlingError(f"{path}: ends with {path.suffix or 'no suffix'!r}, expected {' or '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise NestlingError(f"{path}: the folder {path.parent} does not exist; make it first")
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        write = _write_jsonl if path.suffix == ".jsonl" else _write_parquet
        count = write(_batches(store, dim, progress), temporary, dim)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _batches(store: Store, dim: int, progress: Callable[[int, int], None] | None) -> Iterator[list[Row]]:
    keys = store.keys()
    for begin in range(0, len(keys), _AT_ONCE):
        part = keys[begin : begin + _AT_ONCE]
        rows, vectors = store.passages(part), store.fine(part, dim).decode()
        yield [
            Row(
                document=row.document.id,
                passage=row.number,
                title=row.document.title,
                text=row.text[row.start :],
                place=place_of(row.text, row.start, row.document.source),
                source=row.document.source,
                metadata=dict(row.document.metadata),
                vector=[round(value, 6) for value in vector.tolist()],
            )
            for vector, row in zip(vectors, map(rows.__getitem__, part.tolist()), strict=True)
        ]
        if progress is not None:
            progress(begin + len(part), len(keys))


def _write_jsonl(batches: Iterator[list[Row]], path: Path, dim: int) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as lines:
        for batch in batches:
            lines.writelines(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in batch)
            count += len(batch)
        lines.flush()
        os.fsync(lines.fileno())
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
            rows = [asdict(row) | {"metadata": json.dumps(row.metadata, ensure_ascii=False)} for row in batch]
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=table))
            count += len(batch)
    return count
