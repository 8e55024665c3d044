"""The library's SQLite file: schema, transactions, full text, metadata, codes. Nothing else knows SQL but filters.

One file holds everything. It is in WAL mode with full syncs: a commit that was acknowledged survives a pulled
plug, and a process that dies leaves what it had committed and nothing of the rest.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from ..errors import LibraryError
from ..vectors.codes import Bytes, FineCodes, record_bytes
from .document import Document

APPLICATION_ID = 0x4E455354  # "NEST"
SCHEMA_VERSION = 1

UNPURGED = "unpurged"

_BUSY_MS = 10_000
_MAX_ROWS = 2**62
_TITLE_WEIGHT = 2.0
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    metadata TEXT NOT NULL,
    source TEXT NOT NULL
);
CREATE INDEX documents_source ON documents (source);
CREATE TABLE passages (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    bits BLOB NOT NULL
);
CREATE INDEX passages_document ON passages (document);
CREATE TABLE fine (key INTEGER PRIMARY KEY REFERENCES passages ON DELETE CASCADE, code BLOB NOT NULL);
CREATE TABLE files (path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE VIEW passage_text (key, document, title, body) AS
    SELECT passages.key, document, title, substr(text, start + 1, stop - start)
    FROM passages JOIN documents ON documents.key = document;
CREATE VIRTUAL TABLE full_text USING fts5 (
    title, body, content = 'passage_text', content_rowid = 'key', tokenize = 'porter unicode61 remove_diacritics 2'
);
"""

Keys = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Coded:
    """A document with its passages cut and coded, ready to be written.

    Attributes:
        ranges: where each passage lies in the document's text.
        bits: (p, dim / 8) uint8, a row a passage.
        fine: int8 codes, a row a passage.
    """

    document: Document
    ranges: Sequence[tuple[int, int]]
    bits: Bytes
    fine: FineCodes


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


class Store:
    """An open library file.

    Args:
        path: the file.
        create: make the file where there is none.

    Raises:
        LibraryError: there is no file and `create` is false, or the file is no library, or of a newer format.
    """

    def __init__(self, path: Path, create: bool) -> None:
        self.path = path
        if path.is_dir():
            raise LibraryError(f"{path}: is a folder; expected a library's file")
        if not create and not path.is_file():
            raise LibraryError(f"{path}: no library there; make one with: nestling add {path} FOLDER")
        if not path.parent.is_dir():
            raise LibraryError(f"{path}: the folder {path.parent} does not exist; make it first")
        self.read_only = path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
        mode = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
        uri = f"file:{quote(str(path.absolute()))}?{mode if self.read_only else 'mode=rwc'}"
        try:
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(create)
            except BaseException:
                self._db.close()
                raise
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._error(error) from error

    def _prepare(self, create: bool) -> None:
        self._db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        application = self._db.execute("PRAGMA application_id").fetchone()[0]
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and application != APPLICATION_ID:
            raise LibraryError(f"{self.path}: is an SQLite file of another program; expected a Nestling library")
        if not tables and not create:
            raise LibraryError(f"{self.path}: is empty, not a library; restore it from a copy or add its files anew")
        if version > SCHEMA_VERSION:
            raise LibraryError(f"{self.path}: has format {version}, this Nestling reads {SCHEMA_VERSION}; update it")
        self._db.execute("PRAGMA foreign_keys = ON")
        if self.read_only:
            return
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA secure_delete = ON")
        if not tables:
            with self.writing():
                if not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    for statement in _SCHEMA.split(";\n"):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            # So that a file that lost its log is seen to be a library, and one that lost more is not.
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file; SQLite folds its write-ahead log into it."""
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it is in the file afterwards, or nothing where an error leaves it."""
        if self.read_only:
            raise LibraryError(f"{self.path}: cannot be written here; copy it to a folder that can")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute(
                    "INSERT INTO meta VALUES ('generation', '1')"
                    " ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
                )
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._error(error) from error

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One snapshot: what another process commits meanwhile is not seen."""
        try:
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._error(error) from error
        except (KeyError, IndexError, ValueError) as error:  # what a damaged row makes of numpy and JSON
            raise self._error(error) from error

    def meta(self, key: str) -> str | None:
        """A value that `set_meta` wrote, or None."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    def set_meta(self, key: str, value: str) -> None:
        """Write a value under a key; inside `writing`."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def count(self, table: str) -> int:
        """Rows of `documents`, `passages` or `files`."""
        counts = {name: f"SELECT count(*) FROM {name}" for name in ("documents", "passages", "files")}
        return int(self._rows(counts[table])[0][0])

    def bytes(self) -> int:
        """Size of the file once the write-ahead log is folded into it."""
        pages, page = (self._rows(f"PRAGMA {name}")[0][0] for name in ("page_count", "page_size"))
        return int(pages) * int(page)

    def document(self, id: str) -> Document | None:
        """The document of this id, or None."""
        columns = "text, title, metadata, source"
        rows = self._rows(f"SELECT {columns} FROM documents WHERE id = ?", (id,))
        return Document(id, rows[0][0], rows[0][1], json.loads(rows[0][2]), rows[0][3]) if rows else None

    def put(self, coded: Coded) -> bool:
        """Write a document and its passages; true where one of the same id gave way; inside `writing`."""
        document = coded.document
        replaced = self.remove(document.id)
        values = (document.id, document.title, document.text, _json(document.metadata), document.source)
        key = self._db.execute(
            "INSERT INTO documents (id, title, text, metadata, source) VALUES (?, ?, ?, ?, ?)", values
        ).lastrowid
        records = coded.fine.records()
        for row, (start, stop) in enumerate(coded.ranges):
            passage = self._db.execute(
                "INSERT INTO passages (document, start, stop, bits) VALUES (?, ?, ?, ?)",
                (key, start, stop, coded.bits[row].tobytes()),
            ).lastrowid
            self._db.execute("INSERT INTO fine VALUES (?, ?)", (passage, records[row].tobytes()))
        self._db.execute(
            "INSERT INTO full_text (rowid, title, body) SELECT key, title, body FROM passage_text WHERE document = ?",
            (key,),
        )
        return replaced

    def describe(self, document: Document) -> bool:
        """Write the metadata and source of a document; false where none of this id, title and text is there; inside
        `writing`."""
        values = (_json(document.metadata), document.source, document.id, document.title, document.text)
        update = "UPDATE documents SET metadata = ?, source = ? WHERE id = ? AND title = ? AND text = ?"
        return self._db.execute(update, values).rowcount > 0

    def remove(self, id: str) -> bool:
        """Remove a document and all that came of it; false where there is none; inside `writing`."""
        row = self._db.execute("SELECT key FROM documents WHERE id = ?", (id,)).fetchone()
        if row is None:
            return False
        self._db.execute(
            "INSERT INTO full_text (full_text, rowid, title, body)"
            " SELECT 'delete', key, title, body FROM passage_text WHERE document = ?",
            row,
        )
        self._db.execute("DELETE FROM documents WHERE key = ?", row)
        self.set_meta(UNPURGED, "1")
        return True

    def purge(self) -> None:
        """Rewrite the full-text index without the words of removed documents, which it keeps until then; inside
        `writing`."""
        self._db.execute("INSERT INTO full_text (full_text) VALUES ('optimize')")
        self._db.execute("DELETE FROM meta WHERE key = ?", (UNPURGED,))

    def ids_of_source(self, source: str) -> list[str]:
        """Ids of the documents that came from a source."""
        return [row[0] for row in self._rows("SELECT id FROM documents WHERE source = ? ORDER BY key", (source,))]

    def source_counts(self) -> dict[str, int]:
        """How many documents came from each source."""
        return dict(self._rows("SELECT source, count(*) FROM documents GROUP BY source"))

    def files(self) -> dict[str, tuple[int, int]]:
        """Size and modification time (nanoseconds) of every file that was read, by path."""
        return {row[0]: (row[1], row[2]) for row in self._rows("SELECT path, size, mtime_ns FROM files")}

    def set_file(self, path: str, size: int, mtime_ns: int) -> None:
        """Remember a file as read; inside `writing`."""
        self._db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (path, size, mtime_ns))

    def forget_file(self, path: str) -> None:
        """Forget a file; inside `writing`."""
        self._db.execute("DELETE FROM files WHERE path = ?", (path,))

    def bits(self, dim: int) -> tuple[Keys, Bytes]:
        """All passages: (n,) int64 keys, ascending, and (n, dim / 8) uint8 bits."""
        count = self.count("passages")
        keys = np.empty(count, dtype=np.int64)
        bits = np.empty((count, dim // 8), dtype=np.uint8)
        found = self._db.execute("SELECT key, bits FROM passages ORDER BY key")
        begin = 0
        while rows := found.fetchmany(_ROWS_AT_ONCE):
            part = slice(begin, begin := begin + len(rows))
            keys[part] = [key for key, _ in rows]
            bits[part] = np.frombuffer(b"".join(code for _, code in rows), dtype=np.uint8).reshape(len(rows), -1)
        return keys, bits

    def fine(self, keys: Keys, dim: int) -> FineCodes:
        """The int8 codes of some passages, in the order of the keys."""
        codes = dict(self._by_keys("SELECT key, code FROM fine WHERE key IN", keys))
        joined = np.frombuffer(b"".join(codes[key] for key in keys.tolist()), dtype=np.uint8)
        joined = joined.reshape(len(keys), record_bytes("int8", dim))
        return FineCodes.of_records("int8", dim, joined)

    def owners(self, keys: Keys) -> dict[int, str]:
        """The document's id of each passage."""
        select = "SELECT p.key, id FROM passages AS p JOIN documents ON documents.key = p.document WHERE p.key IN"
        return dict(self._by_keys(select, keys))

    def lexical(self, match: str, limit: int, condition: tuple[str, list[Any]]) -> list[tuple[int, float]]:
        """Passages that match an FTS5 expression, best BM25 first: `(key, score)`, higher is better."""
        sql, parameters = condition
        allowed = "" if sql == "1" else f" AND rowid IN ({_PASSAGES_WHERE.format(sql)})"
        rows = self._db.execute(
            f"SELECT rowid, -bm25(full_text, {_TITLE_WEIGHT}, 1.0) AS score FROM full_text"
            f" WHERE full_text MATCH ?{allowed} ORDER BY score DESC, rowid LIMIT ?",
            (match, *parameters, min(limit, _MAX_ROWS)),
        )
        return [(int(key), float(score)) for key, score in rows]

    def allowed(self, condition: tuple[str, list[Any]]) -> Keys:
        """Keys of the passages whose document meets a condition of `filters.to_sql`, ascending."""
        sql, parameters = condition
        rows = self._db.execute(_PASSAGES_WHERE.format(sql) + " ORDER BY passages.key", parameters)
        return np.fromiter((row[0] for row in rows), dtype=np.int64)

    def passages(self, keys: Keys) -> dict[int, PassageRow]:
        """Passages as they are shown, by key."""
        rows = self._by_keys(
            "SELECT p.key, id, title, substr(text, 1, stop), start, metadata, source,"
            " (SELECT count(*) FROM passages AS other WHERE other.document = p.document AND other.key < p.key)"
            " FROM passages AS p JOIN documents ON documents.key = p.document WHERE p.key IN",
            keys,
        )
        return {
            key: PassageRow(Document(id, "", title, json.loads(metadata), source), text, start, number)
            for key, id, title, text, start, metadata, source, number in rows
        }

    def problems(self, dim: int) -> list[str]:
        """What SQLite, the full-text index, the foreign keys and the codes say is wrong; empty for a sound file.

        Args:
            dim: of the vectors.
        """
        found: list[str] = []
        try:
            found += [row[0] for row in self._db.execute("PRAGMA integrity_check") if row[0] != "ok"]
            found += [
                f"{row[0]} has a row without its {row[2]}" for row in self._db.execute("PRAGMA foreign_key_check")
            ]
            for what, counted in _PROBLEMS.items():
                if count := self._db.execute(counted, {"dim": dim}).fetchone()[0]:
                    found.append(f"{count} {what}")
            if count := self._contradictions(dim):
                found.append(f"{count} passages have codes that contradict each other")
        except sqlite3.Error as error:
            found.append(str(error))
        try:
            if not self.read_only:
                self._db.execute("INSERT INTO full_text (full_text, rank) VALUES ('integrity-check', 1)")
        except sqlite3.Error as error:
            found.append(f"the full-text index is not that of the passages ({error})")
        return found

    def _contradictions(self, dim: int) -> int:
        """How many passages have a bit of another sign than its fine value, of those with codes of the right size."""
        pairs = self._db.execute(
            "SELECT bits, substr(code, 5) FROM passages JOIN fine USING (key)"
            " WHERE length(bits) = :dim / 8 AND length(code) = :dim + 4"
            " AND typeof(bits) = 'blob' AND typeof(code) = 'blob'",
            {"dim": dim},
        )
        wrong = 0
        while rows := pairs.fetchmany(_ROWS_AT_ONCE):
            bits = np.frombuffer(b"".join(row[0] for row in rows), dtype=np.uint8).reshape(len(rows), -1)
            fine = np.frombuffer(b"".join(row[1] for row in rows), dtype=np.int8).reshape(len(rows), -1)
            signs = np.unpackbits(bits, axis=1, bitorder="little").astype(np.bool_)
            wrong += int(((fine != 0) & ((fine > 0) != signs)).any(axis=1).sum())
        return wrong

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._db.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _by_keys(self, select: str, keys: Keys) -> sqlite3.Cursor:
        return self._db.execute(f"{select} (SELECT value FROM json_each(?))", (json.dumps(keys.tolist()),))

    def _error(self, error: Exception) -> LibraryError:
        text = str(error)
        if not isinstance(error, sqlite3.Error):
            return LibraryError(f"{self.path}: is damaged; see what is wrong with: nestling check {self.path}")
        if "locked" in text:
            return LibraryError(f"{self.path}: another process is writing to it; try again when it is done")
        if "not a database" in text:
            return LibraryError(f"{self.path}: is not a Nestling library; expected a file that nestling made")
        if "disk is full" in text:
            return LibraryError(f"{self.path}: no space left ({text}); what was committed before is safe")
        return LibraryError(f"{self.path}: SQLite says {text}; see what is wrong with: nestling check {self.path}")


_PROBLEMS = {
    "passages have no fine code": "SELECT count(*) FROM passages LEFT JOIN fine USING (key) WHERE code IS NULL",
    "passages have codes of another size": "SELECT count(*) FROM passages JOIN fine USING (key)"
    " WHERE length(bits) != :dim / 8 OR length(code) != :dim + 4 OR typeof(bits) != 'blob' OR typeof(code) != 'blob'",
    "documents have metadata that is not JSON": "SELECT count(*) FROM documents WHERE NOT json_valid(metadata)",
    "documents have no passage": "SELECT count(*) FROM documents"
    " WHERE NOT EXISTS (SELECT 1 FROM passages WHERE document = documents.key)",
}
_ROWS_AT_ONCE = 4096

_PASSAGES_WHERE = "SELECT passages.key FROM passages JOIN documents ON documents.key = passages.document WHERE {}"


def _json(metadata: Mapping[str, Any]) -> str:
    return json.dumps(dict(metadata), ensure_ascii=False, sort_keys=True)
