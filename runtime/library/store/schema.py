"""What stands in a library file, by format version, and how a file of an older version is brought up to date."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Mapping
from typing import Any

APPLICATION_ID = 0x4E455354  # "NEST"
VERSION = 4
# What passages of versions 1 and 2 were encoded at, which did not say it.
FIRST_WIDTH = "xl"
# How FTS5 takes words apart: by their stems, without accents.
WORDS = "porter unicode61 remove_diacritics 2"

# In `full_text`: where a word stands in any column but the first, FTS5 takes two bytes more; before version 4
# the title was the first.
_TABLES = """
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
CREATE VIRTUAL TABLE full_text USING fts5 (
    body, title, content = 'passage_text', content_rowid = 'key', tokenize = '{words}'
);
"""
# The metadata once more, a row a value, for filters; the truth is the JSON beside the text.
_METADATA = """
CREATE TABLE metadata (
    name TEXT NOT NULL, kind TEXT NOT NULL, value NOT NULL, document INTEGER NOT NULL,
    PRIMARY KEY (name, kind, value, document)
) WITHOUT ROWID;
"""
# `automerge`: half as much is written while a library grows, for some more parts that a search reads.
_SINCE_2 = """
ALTER TABLE fine ADD COLUMN digest BLOB;
ALTER TABLE files ADD COLUMN digest BLOB;
ALTER TABLE files ADD COLUMN skips TEXT NOT NULL DEFAULT '[]';
CREATE TABLE folders (path TEXT PRIMARY KEY, ignored TEXT NOT NULL, max_bytes INTEGER) WITHOUT ROWID;
INSERT INTO full_text (full_text, rank) VALUES ('automerge', 8);
"""
# A width is a small number in every passage, which is a byte. A revision is the generation in which a passage that was
# there was given other codes, see `Store.recode`; most have none, and are not in the index.
_SINCE_3 = f"""
CREATE TABLE widths (key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO widths VALUES (1, '{FIRST_WIDTH}');
ALTER TABLE passages ADD COLUMN width INTEGER NOT NULL DEFAULT 1;
ALTER TABLE passages ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
CREATE INDEX passages_revision ON passages (revision) WHERE revision > 0;
"""
# Version 1 did not count how often the full text was optimized, see `Store.purge`: the next time it is rebuilt.
_REBUILD_NEXT = "INSERT OR REPLACE INTO meta VALUES ('purges', '499')"
# For what FTS5 reads by itself, to compare the full text with the texts. See `connected`.
_PASSAGE_TEXT = """
CREATE VIEW passage_text (key, document, title, body) AS
    SELECT passages.key, document, title,
        substr(CASE typeof(text) WHEN 'blob' THEN CAST(inflated(text) AS TEXT) ELSE text END, start + 1, stop - start)
    FROM passages JOIN documents ON documents.key = document;
"""
_SINCE_4 = "DROP VIEW passage_text;" + _PASSAGE_TEXT
# What a library of version 1, and what one of version 2 lacks, as it reads where it cannot be written.
_LACKING_2 = """
CREATE TEMP VIEW fine AS SELECT key, code, NULL AS digest FROM main.fine;
CREATE TEMP VIEW files AS SELECT path, size, mtime_ns, NULL AS digest, '[]' AS skips FROM main.files;
CREATE TEMP TABLE folders (path TEXT PRIMARY KEY, ignored TEXT NOT NULL, max_bytes INTEGER) WITHOUT ROWID;
"""
_LACKING_3 = f"""
CREATE TEMP TABLE widths (key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO widths VALUES (1, '{FIRST_WIDTH}');
CREATE TEMP VIEW passages AS SELECT *, 1 AS width, 0 AS revision FROM main.passages;
"""
METADATA_VALUES = """
SELECT item.key AS name,
    CASE item.type WHEN 'integer' THEN 'n' WHEN 'real' THEN 'n' WHEN 'text' THEN 't' WHEN 'null' THEN 'z' ELSE 'b' END
    AS kind, CASE item.type WHEN 'null' THEN '' ELSE item.value END AS value, documents.key AS document
FROM documents, json_each(documents.metadata) AS item
"""
FILL_METADATA = f"INSERT INTO metadata {METADATA_VALUES}"
_KINDS: dict[type, str] = {bool: "b", int: "n", float: "n", str: "t", type(None): "z"}


def kind_of(value: object) -> str | None:
    """The kind of a metadata value, as filters compare them: number, text, boolean, nothing; None for another type."""
    return _KINDS.get(type(value))


def metadata_rows(metadata: Mapping[str, Any], document: int) -> list[tuple[str, str, Any, int]]:
    """The rows of `metadata` for a document."""
    return [(name, _KINDS[type(value)], "" if value is None else value, document) for name, value in metadata.items()]


def stored_rows(metadata: str, document: int) -> list[tuple[str, str, Any, int]]:
    """The same for metadata as it is stored; none where that is damaged."""
    try:
        return metadata_rows(json.loads(metadata), document)
    except (ValueError, AttributeError, KeyError):
        return []


def connected(db: sqlite3.Connection) -> None:
    """Give a connection the function that the view of passages asks for.

    It is none of Python's own: an interrupt would be raised in it, and SQLite make a failed statement of that.
    """
    db.execute("PRAGMA trusted_schema = ON")  # SQLite's default; where it is built with another, no view may call it
    db.create_function("inflated", 1, zlib.decompress, deterministic=True)


def create(db: sqlite3.Connection) -> None:
    """Make the tables of a new library; inside a transaction."""
    for statement in _statements(_TABLES.format(words=WORDS) + _PASSAGE_TEXT + _METADATA + _SINCE_2 + _SINCE_3):
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {VERSION}")


def update(db: sqlite3.Connection, version: int) -> None:
    """Bring a library of an older version up to date; inside a transaction."""
    since_2 = _METADATA + FILL_METADATA + ";" + _SINCE_2 + _REBUILD_NEXT + ";"
    since_3 = (since_2 if version < 2 else "") + (_SINCE_3 if version < 3 else "")
    for statement in _statements(since_3 + _SINCE_4):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")


def complete(db: sqlite3.Connection, version: int) -> None:
    """Make a library of an older version that cannot be written answer as one of today: what it lacks is in memory."""
    since_2 = _LACKING_2 + _METADATA.replace("CREATE TABLE", "CREATE TEMP TABLE") + FILL_METADATA + ";"
    since_3 = (since_2 if version < 2 else "") + (_LACKING_3 if version < 3 else "")
    for statement in _statements(since_3):
        db.execute(statement)


def _statements(script: str) -> list[str]:
    return [statement for part in script.split(";\n") if (statement := part.strip())]
