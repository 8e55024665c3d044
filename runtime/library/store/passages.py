"""Passages of a library's file as a search reads them: their bits, fine codes, documents and what is shown, by key.

All of it inside `Database.reading`, which names the errors of a damaged file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...arrays import Bytes, Keys
from ...document import Document
from ...vectors.codes import FineCodes, record_bytes
from .database import Database
from .texts import FROM, PASSAGE, passage_rows

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class PassageRow:
    """A passage as it is shown.

    Attributes:
        document: all of it but its text.
        text: the passage's own.
        number: the passage's number within the document, 0 for the first.
        place: see `place.places_of`.
        copies: the other files that hold what the document's does.
    """

    document: Document
    text: str
    number: int
    place: str
    copies: tuple[str, ...]


class Bits(NamedTuple):
    """The bits of some passages.

    Attributes:
        keys, documents: (n,) int64, theirs and their documents'.
        bits: (n, dim / 8) uint8.
        widths: (n,) int64, the numbers of their widths.
    """

    keys: Keys
    documents: Keys
    bits: Bytes
    widths: Keys


def bits(db: Database, dim: int, *, after: int = 0, mixed: bool = False) -> Bits:
    """All passages with keys beyond one, in the order of their keys.

    Args:
        mixed: whether it is being brought over, see `earlier`: shorter bits are filled up with zeros.
    """
    return _bits(db, dim, "FROM passages WHERE key > ? ORDER BY key", (after,), mixed)


def revised(db: Database, dim: int, since: int, last: int, *, mixed: bool = False) -> Bits:
    """Of the passages with keys up to one, those that were given other codes after a generation, in no order."""
    # The plus keeps SQLite from going through all keys, rather than through the revisions.
    changed = "FROM passages WHERE revision > 0 AND revision > ?1 AND +key <= ?2"
    if mixed:
        ranges = "SELECT passages.key FROM recoded JOIN passages ON passages.key BETWEEN first AND min(last, ?2)"
        both = f"SELECT key {changed} UNION {ranges} WHERE generation > ?1"
        changed = f"FROM passages WHERE key IN ({both})"
    return _bits(db, dim, changed, (since, last), mixed)


def _bits(db: Database, dim: int, select: str, parameters: Sequence[int], mixed: bool) -> Bits:
    count = int(db.execute(f"SELECT count(*) {select}", parameters).fetchone()[0])
    keys, documents, widths = np.empty((3, count), dtype=np.int64)
    found = np.empty((count, dim // 8), dtype=np.uint8)
    selected = db.execute(f"SELECT key, document, width, bits {select}", parameters)
    begin = 0
    while rows := selected.fetchmany(_ROWS_AT_ONCE):
        part = slice(begin, begin := begin + len(rows))
        keys[part], documents[part], widths[part], codes = zip(*rows, strict=True)
        filled = (code.ljust(dim // 8, b"\0") for code in codes) if mixed else codes
        found[part] = np.frombuffer(b"".join(filled), dtype=np.uint8).reshape(len(rows), -1)
    return Bits(keys, documents, found, widths)


def keys(db: Database) -> Keys:
    """The keys of all passages, ascending."""
    found = db.execute("SELECT key FROM passages ORDER BY key")
    return np.fromiter((row[0] for row in found), dtype=np.int64)


def fine(db: Database, keys: Keys, dim: int) -> FineCodes:
    """The int8 codes of some passages, in the order of the keys."""
    codes = dict(_by_keys(db, "SELECT key, code FROM fine WHERE key IN", keys))
    joined = np.frombuffer(b"".join(codes[key] for key in keys.tolist()), dtype=np.uint8)
    return FineCodes.of_records("int8", dim, joined.reshape(len(keys), record_bytes("int8", dim)))


def owners(db: Database, keys: Keys) -> Keys:
    """The document's key of each passage, (n,) int64."""
    found = dict(_by_keys(db, "SELECT key, document FROM passages WHERE key IN", keys))
    return np.array([found[key] for key in keys.tolist()], dtype=np.int64)


def ids(db: Database, documents: Keys) -> dict[int, str]:
    """The ids of some documents, by key."""
    return dict(_by_keys(db, "SELECT key, id FROM documents WHERE key IN", documents))


def allow(db: Database, condition: tuple[str, list[Any]]) -> Keys:
    """Keys of the passages whose document meets a condition of `filters.to_sql`, ascending; they are held, for
    `full_text.ranked`, until the next call."""
    db.execute("CREATE TEMP TABLE IF NOT EXISTS allowed (key INTEGER PRIMARY KEY)")
    db.execute("DELETE FROM allowed")
    db.execute(f"INSERT INTO allowed SELECT key FROM passages WHERE {condition[0]}", condition[1])
    return np.fromiter((row[0] for row in db.execute("SELECT key FROM allowed")), dtype=np.int64)


def shown(db: Database, keys: Keys) -> dict[int, PassageRow]:
    """Passages as they are shown, by key."""
    select = (
        f"SELECT passages.key, id, title, metadata, source, copies, number, coalesce(place, ''), {PASSAGE} {FROM}"
        " LEFT JOIN places ON places.key = passages.key WHERE passages.key IN"
    )
    rows = passage_rows(_by_keys(db, select, keys))
    return {
        key: PassageRow(Document(id, "", title, json.loads(metadata), source), text, number, place, _paths(copies))
        for key, id, title, metadata, source, copies, number, place, text in rows
    }


def _paths(copies: str) -> tuple[str, ...]:
    return tuple(json.loads(copies)) if copies != "[]" else ()


def _by_keys(db: Database, select: str, keys: Keys) -> Iterator[Any]:
    return db.execute(f"{select} (SELECT value FROM json_each(?))", (json.dumps(keys.tolist()),))
