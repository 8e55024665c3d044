"""The library's SQLite file: transactions, documents, metadata, full text, codes.

One file holds everything. It is in WAL mode with full syncs: a commit that was acknowledged survives a pulled
plug, and a process that dies leaves what it had committed and nothing of the rest.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from ..errors import LibraryError, NestlingError
from ..vectors.codes import Bytes, FineCodes, record_bytes
from . import schema
from .document import Document

UNPURGED = "unpurged"

_BUSY_MS = 10_000
# So many pages are written beside the file before they are folded into it: those that are written often, once.
_CHECKPOINT_PAGES = 8000
_MAX_ROWS = 2**62
_ROWS_AT_ONCE = 4096
_TITLE_WEIGHT = 2.0
_WRITER = "writer"
_PURGES = "purges"
_PURGES_A_REBUILD = 500

Keys = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Coded:
    """A document with its passages cut and coded, ready to be written.

    Attributes:
        ranges: where each passage lies in the document's text.
        codes: for each passage its bits and its int8 record, see `FineCodes.records`.
    """

    document: Document
    ranges: Sequence[tuple[int, int]]
    codes: Sequence[tuple[bytes, bytes]]


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
        self._announced = False
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
        version = self._version()
        application = self._db.execute("PRAGMA application_id").fetchone()[0]
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and application != schema.APPLICATION_ID:
            raise LibraryError(f"{self.path}: is an SQLite file of another program; expected a Nestling library")
        if not tables and not create:
            raise LibraryError(f"{self.path}: is empty, not a library; restore it from a copy or add its files anew")
        if version > schema.VERSION:
            raise LibraryError(f"{self.path}: has format {version}, this Nestling reads {schema.VERSION}; update it")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA temp_store = MEMORY")
        if self.read_only:
            if version < schema.VERSION:
                schema.complete(self._db)
            return
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        if version < schema.VERSION:
            with self._transaction():
                if not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    schema.create(self._db)
                elif self._version() < schema.VERSION:
                    schema.update(self._db)
            # So that a file that lost its log is seen to be a library, and one that lost more is not.
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file; SQLite folds its write-ahead log into it."""
        try:
            if self._announced:
                with self._transaction():
                    self._db.execute("DELETE FROM meta WHERE key = ? AND value = ?", (_WRITER, _this_process()))
        except (LibraryError, sqlite3.Error):  # a name that stays behind is read only beside a lock that is held
            pass
        finally:
            self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it is in the file afterwards, or nothing where an error leaves it."""
        if self.read_only:
            raise LibraryError(f"{self.path}: cannot be written here; copy it to a folder that can")
        if self.meta(_WRITER) != _this_process():  # so that whoever waits for this process can say for whom
            with self._transaction():
                self.set_meta(_WRITER, _this_process())
            self._announced = True
        with self._transaction():
            yield
            self._db.execute(
                "INSERT INTO meta VALUES ('generation', '1')"
                " ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
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
        except NestlingError:
            raise
        except (KeyError, IndexError, ValueError) as error:  # what a damaged row makes of numpy and JSON
            raise self._error(error) from error

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """The rows of a statement of this package's own."""
        try:
            return self._db.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._error(error) from error

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Cursor:
        """Run a statement of this package's own; inside `writing` or `reading`, which name its errors."""
        return self._db.execute(sql, parameters)

    def meta(self, key: str) -> str | None:
        """A value that `set_meta` wrote, or None."""
        rows = self.rows("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    def set_meta(self, key: str, value: str) -> None:
        """Write a value under a key; inside `writing`."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def count(self, table: str) -> int:
        """Rows of `documents`, `passages` or `files`."""
        counts = {name: f"SELECT count(*) FROM {name}" for name in ("documents", "passages", "files")}
        return int(self.rows(counts[table])[0][0])

    def file_bytes(self) -> int:
        """Size of the file once the write-ahead log is folded into it."""
        pages, page = (self.rows(f"PRAGMA {name}")[0][0] for name in ("page_count", "page_size"))
        return int(pages) * int(page)

    def document(self, id: str) -> Document | None:
        """The document of this id, or None."""
        rows = self.rows("SELECT text, title, metadata, source FROM documents WHERE id = ?", (id,))
        return Document(id, rows[0][0], rows[0][1], json.loads(rows[0][2]), rows[0][3]) if rows else None

    def put(self, coded: Coded) -> bool:
        """Write a document and its passages; true where one of the same id gave way; inside `writing`."""
        document = coded.document
        replaced = self.remove(document.id)
        values = (document.id, document.title, document.text, _json(document.metadata), document.source)
        insert = "INSERT INTO documents (id, title, text, metadata, source) VALUES (?, ?, ?, ?, ?)"
        key = self._db.execute(insert, values).lastrowid
        assert key is not None
        self._put_metadata(document.metadata, key)
        for (start, stop), (bits, record) in zip(coded.ranges, coded.codes, strict=True):
            passage = self._db.execute(
                "INSERT INTO passages (document, start, stop, bits) VALUES (?, ?, ?, ?)", (key, start, stop, bits)
            ).lastrowid
            digest = digest_of(document.title, document.text[start:stop], bits, record)
            self._db.execute("INSERT INTO fine (key, code, digest) VALUES (?, ?, ?)", (passage, record, digest))
        self._db.execute(
            "INSERT INTO full_text (rowid, title, body) SELECT key, title, body FROM passage_text WHERE document = ?",
            (key,),
        )
        return replaced

    def describe(self, document: Document) -> bool:
        """Write the metadata and source of a document; false where none of this id, title and text is there; inside
        `writing`."""
        select = "SELECT key, metadata FROM documents WHERE id = ? AND title = ? AND text = ?"
        row = self._db.execute(select, (document.id, document.title, document.text)).fetchone()
        if row is None:
            return False
        self._remove_metadata(row[1], row[0])
        self._put_metadata(document.metadata, row[0])
        update = "UPDATE documents SET metadata = ?, source = ? WHERE key = ?"
        self._db.execute(update, (_json(document.metadata), document.source, row[0]))
        return True

    def remove(self, id: str) -> bool:
        """Remove a document and all that came of it; false where there is none; inside `writing`."""
        row = self._db.execute("SELECT key, metadata FROM documents WHERE id = ?", (id,)).fetchone()
        if row is None:
            return False
        self._db.execute(
            "INSERT INTO full_text (full_text, rowid, title, body)"
            " SELECT 'delete', key, title, body FROM passage_text WHERE document = ?",
            row[:1],
        )
        self._remove_metadata(row[1], row[0])
        self._db.execute("DELETE FROM documents WHERE key = ?", row[:1])
        self.set_meta(UNPURGED, "1")
        return True

    def purge(self) -> None:
        """Rewrite the full-text index without the words of removed documents, which it keeps until then; inside
        `writing`.

        `optimize` does it, by merging all parts into one. Each time FTS5 adds two levels to what it knows of the parts,
        and with SQLite 3.40 calls the index malformed once these are 2,000; `rebuild` begins anew, for the price of
        reading all passages.
        """
        times = int(self.meta(_PURGES) or 0) + 1
        command = "optimize" if times % _PURGES_A_REBUILD else "rebuild"
        self._db.execute("INSERT INTO full_text (full_text) VALUES (?)", (command,))
        self.set_meta(_PURGES, str(times))
        self._db.execute("DELETE FROM meta WHERE key = ?", (UNPURGED,))

    def fold(self) -> None:
        """Fold the write-ahead log, and with it what was overwritten, into the file; as far as readers let it."""
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def ids_of_source(self, source: str) -> list[str]:
        """Ids of the documents that came from a source."""
        return [row[0] for row in self.rows("SELECT id FROM documents WHERE source = ? ORDER BY key", (source,))]

    def source_counts(self) -> dict[str, int]:
        """How many documents came from each source."""
        return dict(self.rows("SELECT source, count(*) FROM documents GROUP BY source"))

    def codes_of(self, id: str) -> list[tuple[int, int, bytes, bytes]]:
        """Start, stop, bits and int8 record of each passage of a document, in their order; without those that are not
        what their digest says."""
        rows = self.rows(
            "SELECT documents.title, body, start, stop, bits, code, digest FROM passages JOIN fine USING (key)"
            " JOIN passage_text USING (key) JOIN documents ON documents.key = passages.document"
            " WHERE id = ? ORDER BY passages.key",
            (id,),
        )
        return [
            (start, stop, bits, record)
            for title, text, start, stop, bits, record, digest in rows
            if digest is None or digest == digest_of(title, text, bits, record)
        ]

    def bits(self, dim: int, after: int = 0) -> tuple[Keys, Keys, Bytes]:
        """All passages with keys beyond one: (n,) int64 keys, ascending, their documents' keys, (n, dim / 8) uint8
        bits."""
        select = "FROM passages WHERE key > ?"
        count = int(self._db.execute(f"SELECT count(*) {select}", (after,)).fetchone()[0])
        keys, documents = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
        bits = np.empty((count, dim // 8), dtype=np.uint8)
        found = self._db.execute(f"SELECT key, document, bits {select} ORDER BY key", (after,))
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
            f"SELECT rowid, -bm25(full_text, {_TITLE_WEIGHT}, 1.0) AS score FROM full_text"
            f" WHERE full_text MATCH ?{among} ORDER BY score DESC, rowid LIMIT ?",
            (match, min(limit, _MAX_ROWS)),
        )
        return [(int(key), float(score)) for key, score in rows]

    def marked(self, match: str, texts: Mapping[int, str], before: str, after: str) -> dict[int, str]:
        """Those of some texts that match an FTS5 expression, with marks around what matched.

        They are indexed by themselves, in memory: the large index would be asked for every word of every text.
        """
        self._db.execute(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.shown USING fts5 (body, tokenize = '{schema.WORDS}')"
        )
        self._db.executemany("INSERT INTO temp.shown (rowid, body) VALUES (?, ?)", texts.items())
        select = "SELECT rowid, highlight(shown, 0, ?, ?) FROM temp.shown WHERE shown MATCH ?"
        found = dict(self._db.execute(select, (before, after, match)))
        self._db.execute("DELETE FROM temp.shown")
        return found

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

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _put_metadata(self, metadata: Mapping[str, Any], document: int) -> None:
        rows = schema.metadata_rows(metadata, document)
        self._db.executemany("INSERT OR REPLACE INTO metadata VALUES (?, ?, ?, ?)", rows)

    def _remove_metadata(self, metadata: str, document: int) -> None:
        delete = "DELETE FROM metadata WHERE name = ? AND kind = ? AND value = ? AND document = ?"
        self._db.executemany(delete, schema.stored_rows(metadata, document))

    def _by_keys(self, select: str, keys: Keys) -> sqlite3.Cursor:
        return self._db.execute(f"{select} (SELECT value FROM json_each(?))", (json.dumps(keys.tolist()),))

    def _error(self, error: Exception) -> LibraryError:
        text = str(error)
        if not isinstance(error, sqlite3.Error):
            return LibraryError(f"{self.path}: is damaged; see what is wrong with: nestling check {self.path}")
        if "locked" in text:
            return LibraryError(f"{self.path}: {self._holder()} is writing to it; try again when it is done")
        if "not a database" in text:
            return LibraryError(f"{self.path}: is not a Nestling library; expected a file that nestling made")
        if "disk is full" in text or "disk I/O error" in text:
            return LibraryError(f"{self.path}: no space left ({text}); what was committed before is safe")
        if "readonly database" in text or "unable to open" in text:
            return LibraryError(f"{self.path}: cannot be written ({text}); what was committed before is safe")
        return LibraryError(f"{self.path}: SQLite says {text}; see what is wrong with: nestling check {self.path}")

    def _holder(self) -> str:
        """Who last said that it would write."""
        try:
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (_WRITER,)).fetchone()
        except sqlite3.Error:
            row = None
        return str(row[0]) if row else "another process"


def digest_of(title: str, text: str, bits: bytes, record: bytes) -> bytes:
    """8 bytes that tell whether a passage, its document's title and its codes still belong together."""
    digest = blake2b(digest_size=8)
    for part in (title.encode(), text.encode(), bits, record):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _json(metadata: Mapping[str, Any]) -> str:
    return json.dumps(dict(metadata), ensure_ascii=False, sort_keys=True)


def _this_process() -> str:
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(_STARTED))
    return f"process {os.getpid()} on {platform.node()}, at work since {since},"


_STARTED = time.time()
