"""What stands in a library's file: documents with their metadata, passages, full text, codes. See `Database`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...arrays import Bytes
from ...document import Document
from ...vectors.codes import FineCodes, record_bytes
from . import schema
from .database import Database
from .deflate import PART, deflated, inflated, is_whole, passage_of

_MAX_ROWS = 2**62
_ROWS_AT_ONCE = 4096
_WEIGHTS = {"title": 2.0, "body": 1.0}
_UNPURGED = "unpurged"
_PURGES = "purges"
_PURGED_PASSAGES = "purged_passages"
# From so many passages on a merge takes a second, in which nobody else can write: it is left to removals.
_MOST_MERGED = 100_000
_PURGES_A_REBUILD = 500

Keys = npt.NDArray[np.int64]

_PASSAGES = "FROM passages JOIN documents ON documents.key = document"
_STALE = (
    f"SELECT passages.key, title, source, {PART} {_PASSAGES} WHERE width NOT IN (SELECT key FROM widths WHERE name = ?)"
)


class Codes(NamedTuple):
    """The codes of a passage.

    Attributes:
        bits: one a dimension.
        record: the int8 code, see `FineCodes.records`.
        width: of the encoder that the vector is of.
    """

    bits: bytes
    record: bytes
    width: str


@dataclass(frozen=True)
class Coded:
    """A document with its passages cut and coded, ready to be written.

    Attributes:
        ranges: where each passage lies in the document's text.
        codes: of each passage.
    """

    document: Document
    ranges: Sequence[tuple[int, int]]
    codes: Sequence[Codes]


class Stale(NamedTuple):
    """A passage whose codes are of another width than is wanted.

    Attributes:
        key: the passage's.
        title, source: of its document.
        text: its own.
    """

    key: int
    title: str
    source: str
    text: str


@dataclass(frozen=True)
class PassageRow:
    """A passage as it is shown.

    Attributes:
        document: all of it but its text.
        text: of the document, up to the passage's end.
        start: where the passage begins in it.
        number: the passage's place among those of the document.
    """

    document: Document
    text: str
    start: int
    number: int


class Store(Database):
    """A library file, with its documents and what came of them."""

    def count(self, table: str) -> int:
        """Rows of `documents`, `passages` or `files`."""
        counts = {name: f"SELECT count(*) FROM {name}" for name in ("documents", "passages", "files")}
        return int(self.rows(counts[table])[0][0])

    def document(self, id: str) -> Document | None:
        """The document of this id, or None."""
        rows = self.rows("SELECT text, title, metadata, source FROM documents WHERE id = ?", (id,))
        return Document(id, inflated(rows[0][0]), rows[0][1], json.loads(rows[0][2]), rows[0][3]) if rows else None

    def source(self, id: str) -> str | None:
        """The source of the document of this id; None where there is none."""
        rows = self.rows("SELECT source FROM documents WHERE id = ?", (id,))
        return str(rows[0][0]) if rows else None

    def put(self, coded: Coded) -> bool:
        """Write a document and its passages; true where one of the same id gave way; inside `writing`."""
        document = coded.document
        replaced = self.remove(document.id)
        values = (document.id, document.title, deflated(document.text), _json(document.metadata), document.source)
        insert = "INSERT INTO documents (id, title, text, metadata, source) VALUES (?, ?, ?, ?, ?)"
        key = self._db.execute(insert, values).lastrowid
        assert key is not None
        self._put_metadata(document.metadata, key)
        widths = {name: self._width(name) for name in {codes.width for codes in coded.codes}}
        insert = "INSERT INTO passages (document, start, stop, bits, width) VALUES (?, ?, ?, ?, ?)"
        for (start, stop), (bits, record, width) in zip(coded.ranges, coded.codes, strict=True):
            passage = self._db.execute(insert, (key, start, stop, bits, widths[width])).lastrowid
            title, body = document.title, document.text[start:stop]
            digest = digest_of(title, body, bits, record)
            self._db.execute("INSERT INTO fine (key, code, digest) VALUES (?, ?, ?)", (passage, record, digest))
            self._db.execute("INSERT INTO full_text (rowid, title, body) VALUES (?, ?, ?)", (passage, title, body))
        return replaced

    def describe(self, document: Document) -> bool:
        """Write the metadata and source of a document; false where none of this id, title and text is there; inside
        `writing`."""
        select = "SELECT key, metadata, text FROM documents WHERE id = ? AND title = ?"
        row = self._db.execute(select, (document.id, document.title)).fetchone()
        if row is None or inflated(row[2]) != document.text:
            return False
        self._remove_metadata(row[1], row[0])
        self._put_metadata(document.metadata, row[0])
        update = "UPDATE documents SET metadata = ?, source = ? WHERE key = ?"
        self._db.execute(update, (_json(document.metadata), document.source, row[0]))
        return True

    def remove(self, id: str) -> bool:
        """Remove a document and all that came of it; false where there is none; inside `writing`."""
        row = self._db.execute("SELECT key, metadata, title, text FROM documents WHERE id = ?", (id,)).fetchone()
        if row is None:
            return False
        key, metadata, title, stored = row
        if whole := is_whole(stored):
            text = inflated(stored)
            ranges = self.rows(
                "SELECT key, CAST(start AS INTEGER), CAST(stop AS INTEGER) FROM passages WHERE document = ?", (key,)
            )
            delete = "INSERT INTO full_text (full_text, rowid, title, body) VALUES ('delete', ?, ?, ?)"
            self._db.executemany(delete, [(passage, title, text[start:stop]) for passage, start, stop in ranges])
        self._remove_metadata(metadata, key)
        self._db.execute("DELETE FROM documents WHERE key = ?", (key,))
        if not whole:  # FTS5 has to be told what it indexed, and all of that is not known any more
            self.rebuild()
        self.set_meta(_UNPURGED, "1")
        return True

    def purge(self) -> None:
        """Rewrite the full-text index as one part, without the words of removed documents, which it keeps until then,
        and give back the room; inside `writing`.

        `optimize` does it, by merging all parts. Each time FTS5 adds two levels to what it knows of the parts,
        and with SQLite 3.40 calls the index malformed once these are 2,000; `rebuild` begins anew, for the price of
        reading all passages.
        """
        times = int(self.meta(_PURGES) or 0) + 1
        if times % _PURGES_A_REBUILD == 0:
            self.rebuild()
        self._db.execute("INSERT INTO full_text (full_text) VALUES ('optimize')")
        self.set_meta(_PURGES, str(times))
        self.set_meta(_PURGED_PASSAGES, str(self.count("passages")))
        self._db.execute("DELETE FROM meta WHERE key = ?", (_UNPURGED,))
        self.give_back()

    @property
    def has_removed_words(self) -> bool:
        """Whether words of removed documents are in the full-text index."""
        return self.meta(_UNPURGED) is not None

    @property
    def has_doubled(self) -> bool:
        """Whether there are more than twice as many passages as at the last `purge`, and few enough for one; what such
        purges merge is at most twice what was ever added."""
        return 2 * int(self.meta(_PURGED_PASSAGES) or 0) < self.count("passages") <= _MOST_MERGED

    def rebuild(self) -> None:
        """Make the full-text index anew; inside `writing`.

        FTS5 can do so by itself, but stops at a text that is damaged.
        """
        self._db.execute("INSERT INTO full_text (full_text) VALUES ('delete-all')")
        found = self._db.execute(f"SELECT passages.key, title, {PART} {_PASSAGES} ORDER BY passages.key")
        insert = "INSERT INTO full_text (rowid, title, body) VALUES (?, ?, ?)"
        self._db.executemany(insert, ((key, title, passage_of(*part)) for key, title, *part in found))

    def ids_of_source(self, source: str) -> list[str]:
        """Ids of the documents that came from a source."""
        return [row[0] for row in self.rows("SELECT id FROM documents WHERE source = ? ORDER BY key", (source,))]

    def source_counts(self) -> dict[str, int]:
        """How many documents came from each source."""
        return dict(self.rows("SELECT source, count(*) FROM documents GROUP BY source"))

    def codes_of(self, id: str) -> list[tuple[int, int, Codes]]:
        """Start, stop and codes of each passage of a document, in their order; without those that are not what their
        digest says, and those of a width without a name."""
        rows = self.cut(
            f"SELECT title, bits, code, name, digest, start, stop, {PART} {_PASSAGES}"
            " JOIN fine ON fine.key = passages.key JOIN widths ON widths.key = width"
            " WHERE id = ? ORDER BY passages.key",
            (id,),
        )
        return [
            (start, stop, Codes(bits, record, width))
            for title, bits, record, width, digest, start, stop, text in rows
            if digest is None or digest == digest_of(title, text, bits, record)
        ]

    def cut(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        """The rows of a statement of this package's own whose last columns are `PART`: in their place is the text of a
        passage."""
        try:
            return [(*row[:-3], passage_of(*row[-3:])) for row in self._db.execute(sql, parameters)]
        except sqlite3.Error as error:
            raise self._error(error) from error

    def widths(self) -> dict[str, int]:
        """How many passages are of each width."""
        counts = "SELECT width, count(*) AS passages FROM passages GROUP BY width"
        select = f"SELECT coalesce(name, 'no name'), passages FROM ({counts}) LEFT JOIN widths ON widths.key = width"
        return dict(self.rows(f"{select} ORDER BY 1"))

    def stale(self, width: str, below: int, limit: int) -> list[Stale]:
        """Passages of other widths than one with keys below another, the newest first, so many at the most."""
        select = f"{_STALE} AND passages.key < ? ORDER BY passages.key DESC LIMIT ?"
        return [Stale(*row) for row in self.cut(select, (width, below, limit))]

    def stale_of(self, width: str, id: str) -> list[Stale]:
        """Passages of a document that are of other widths than one."""
        return [Stale(*row) for row in self.cut(f"{_STALE} AND id = ? ORDER BY passages.key", (width, id))]

    def recode(self, stale: Stale, codes: Codes) -> bool:
        """Write other codes for a passage; false where it is gone, reads otherwise than it did, or is of their width
        by now; inside `writing`.

        Its key and its words stay. That it has changed is seen by its revision: the generation that it is changed in.
        """
        if self.cut(f"{_STALE} AND passages.key = ?", (codes.width, stale.key)) != [tuple(stale)]:
            return False
        update = "UPDATE passages SET bits = ?, width = ?, revision = ? WHERE key = ?"
        self._db.execute(update, (codes.bits, self._width(codes.width), self.generation + 1, stale.key))
        digest = digest_of(stale.title, stale.text, codes.bits, codes.record)
        replace = "INSERT OR REPLACE INTO fine (key, code, digest) VALUES (?, ?, ?)"
        self._db.execute(replace, (stale.key, codes.record, digest))
        return True

    def bits(self, dim: int, after: int = 0) -> tuple[Keys, Keys, Bytes]:
        """All passages with keys beyond one: (n,) int64 keys, ascending, their documents' keys, (n, dim / 8) uint8
        bits."""
        return self._bits(dim, "FROM passages WHERE key > ? ORDER BY key", (after,))

    def revised(self, dim: int, since: int, last: int) -> tuple[Keys, Bytes]:
        """Of the passages with keys up to one, those that were given other codes after a generation: (n,) int64 keys in
        no order, (n, dim / 8) uint8 bits."""
        # The plus keeps SQLite from going through all keys, rather than through the revisions.
        select = "FROM passages WHERE revision > 0 AND revision > ? AND +key <= ?"
        keys, _, bits = self._bits(dim, select, (since, last))
        return keys, bits

    def _bits(self, dim: int, select: str, parameters: Sequence[int]) -> tuple[Keys, Keys, Bytes]:
        count = int(self._db.execute(f"SELECT count(*) {select}", parameters).fetchone()[0])
        keys, documents = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
        bits = np.empty((count, dim // 8), dtype=np.uint8)
        found = self._db.execute(f"SELECT key, document, bits {select}", parameters)
        begin = 0
        while rows := found.fetchmany(_ROWS_AT_ONCE):
            part = slice(begin, begin := begin + len(rows))
            keys[part], documents[part], codes = zip(*rows, strict=True)
            bits[part] = np.frombuffer(b"".join(codes), dtype=np.uint8).reshape(len(rows), -1)
        return keys, documents, bits

    def keys(self) -> Keys:
        """The keys of all passages, ascending."""
        found = self._db.execute("SELECT key FROM passages ORDER BY key")
        return np.fromiter((row[0] for row in found), dtype=np.int64)

    def fine(self, keys: Keys, dim: int) -> FineCodes:
        """The int8 codes of some passages, in the order of the keys."""
        codes = dict(self._by_keys("SELECT key, code FROM fine WHERE key IN", keys))
        joined = np.frombuffer(b"".join(codes[key] for key in keys.tolist()), dtype=np.uint8)
        joined = joined.reshape(len(keys), record_bytes("int8", dim))
        return FineCodes.of_records("int8", dim, joined)

    def owners(self, keys: Keys) -> Keys:
        """The document's key of each passage, (n,) int64."""
        found = dict(self._by_keys("SELECT key, document FROM passages WHERE key IN", keys))
        return np.array([found[key] for key in keys.tolist()], dtype=np.int64)

    def ids(self, documents: Keys) -> dict[int, str]:
        """The ids of some documents, by key."""
        return dict(self._by_keys("SELECT key, id FROM documents WHERE key IN", documents))

    def matching(self, match: str, limit: int) -> int:
        """How many passages match an FTS5 expression, counted up to a limit."""
        counted = "SELECT count(*) FROM (SELECT 1 FROM full_text WHERE full_text MATCH ? LIMIT ?)"
        return int(self._db.execute(counted, (match, min(limit, _MAX_ROWS))).fetchone()[0])

    def allow(self, condition: tuple[str, list[Any]]) -> Keys:
        """Keys of the passages whose document meets a condition of `filters.to_sql`, ascending; they are held, for
        `lexical`, until the next call."""
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS allowed (key INTEGER PRIMARY KEY)")
        self._db.execute("DELETE FROM allowed")
        self._db.execute(f"INSERT INTO allowed SELECT key FROM passages WHERE {condition[0]}", condition[1])
        return np.fromiter((row[0] for row in self._db.execute("SELECT key FROM allowed")), dtype=np.int64)

    def lexical(self, match: str, limit: int, *, allowed: bool) -> list[tuple[int, float]]:
        """Passages that match an FTS5 expression, best BM25 first: `(key, score)`, higher is better.

        Args:
            allowed: only those that `allow` holds.
        """
        # The plus keeps SQLite from asking the full text anew for each of the keys.
        among = " AND +rowid IN (SELECT key FROM allowed)" if allowed else ""
        rows = self._db.execute(
            f"SELECT rowid, -bm25(full_text, {self._weights}) AS score FROM full_text"
            f" WHERE full_text MATCH ?{among} ORDER BY score DESC, rowid LIMIT ?",
            (match, min(limit, _MAX_ROWS)),
        )
        return [(int(key), float(score)) for key, score in rows]

    @cached_property
    def _weights(self) -> str:
        """Of the columns of the full text, in their order, which is another in older files."""
        return ", ".join(str(_WEIGHTS[row[1]]) for row in self.rows("PRAGMA table_info(full_text)"))

    def marked(self, match: str, texts: Mapping[int, str], before: str, after: str) -> dict[int, str]:
        """Those of some texts that match an FTS5 expression, with marks around what matched.

        They are indexed by themselves, in memory: the large index would be asked for every word of every text.
        """
        self._db.execute(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.shown USING fts5 (body, tokenize = '{schema.WORDS}')"
        )
        self._db.execute("DELETE FROM temp.shown")
        self._db.executemany("INSERT INTO temp.shown (rowid, body) VALUES (?, ?)", texts.items())
        select = "SELECT rowid, highlight(shown, 0, ?, ?) FROM temp.shown WHERE shown MATCH ?"
        return dict(self._db.execute(select, (before, after, match)))

    def passages(self, keys: Keys) -> dict[int, PassageRow]:
        """Passages as they are shown, by key."""
        rows = self._by_keys(
            "SELECT p.key, id, title, CASE typeof(text) WHEN 'blob' THEN text ELSE substr(text, 1, stop) END,"
            " CAST(start AS INTEGER), CAST(stop AS INTEGER), metadata, source,"
            " (SELECT count(*) FROM passages AS other WHERE other.document = p.document AND other.key < p.key)"
            " FROM passages AS p JOIN documents ON documents.key = p.document WHERE p.key IN",
            keys,
        )
        return {
            key: PassageRow(Document(id, "", title, json.loads(metadata), source), inflated(text)[:stop], start, number)
            for key, id, title, text, start, stop, metadata, source, number in rows
        }

    def _width(self, name: str) -> int:
        """The number that stands for a width in the file; inside `writing`."""
        self._db.execute("INSERT OR IGNORE INTO widths (name) VALUES (?)", (name,))
        return int(self._db.execute("SELECT key FROM widths WHERE name = ?", (name,)).fetchone()[0])

    def _put_metadata(self, metadata: Mapping[str, Any], document: int) -> None:
        rows = schema.metadata_rows(metadata, document)
        self._db.executemany("INSERT OR REPLACE INTO metadata VALUES (?, ?, ?, ?)", rows)

    def _remove_metadata(self, metadata: str, document: int) -> None:
        delete = "DELETE FROM metadata WHERE name = ? AND kind = ? AND value = ? AND document = ?"
        self._db.executemany(delete, schema.stored_rows(metadata, document))

    def _by_keys(self, select: str, keys: Keys) -> sqlite3.Cursor:
        return self._db.execute(f"{select} (SELECT value FROM json_each(?))", (json.dumps(keys.tolist()),))


def digest_of(title: str, text: str, bits: bytes, record: bytes) -> bytes:
    """8 bytes that tell whether a passage, its document's title and its codes still belong together."""
    digest = blake2b(digest_size=8)
    for part in (title.encode(), text.encode(), bits, record):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _json(metadata: Mapping[str, Any]) -> str:
    return json.dumps(dict(metadata), ensure_ascii=False, sort_keys=True)
