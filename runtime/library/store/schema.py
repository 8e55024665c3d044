"""What stands in a library file of today's format, written whole; older ones were never released and are not read."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Mapping
from typing import Any

APPLICATION_ID = 0x4E455354  # "NEST"
VERSION = 4
# How FTS5 takes words apart: by their stems, without accents.
TOKENIZER = "porter unicode61 remove_diacritics 2"

# documents.text: see `texts`. passages.width: a number of `widths`, which is a byte a passage. passages.revision: the
# generation in which a passage that was there was given other codes, see `documents.recode`; most have none, and are
# not in the index. metadata: the values of documents.metadata once more, a row each, for filters; the truth is the
# JSON. full_text: the title is last, since FTS5 takes two bytes more where a word stands in any column but the first;
# `automerge` makes half as much be written while a library grows, for some more parts that a search reads.
_TABLES = f"""
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
    bits BLOB NOT NULL,
    width INTEGER NOT NULL,
    revision INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX passages_document ON passages (document);
CREATE INDEX passages_revision ON passages (revision) WHERE revision > 0;
CREATE TABLE fine (key INTEGER PRIMARY KEY REFERENCES passages ON DELETE CASCADE, code BLOB NOT NULL, digest BLOB);
CREATE TABLE widths (key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE metadata (
    name TEXT NOT NULL, kind TEXT NOT NULL, value NOT NULL, document INTEGER NOT NULL,
    PRIMARY KEY (name, kind, value, document)
) WITHOUT ROWID;
CREATE TABLE files (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, digest BLOB,
    skips TEXT NOT NULL DEFAULT '[]'
) WITHOUT ROWID;
CREATE TABLE folders (path TEXT PRIMARY KEY, ignored TEXT NOT NULL, max_bytes INTEGER) WITHOUT ROWID;
CREATE VIEW passage_text (key, document, title, body) AS
    SELECT passages.key, document, title,
        substr(CASE typeof(text) WHEN 'blob' THEN CAST(inflated(text) AS TEXT) ELSE text END, start + 1, stop - start)
    FROM passages JOIN documents ON documents.key = document;
CREATE VIRTUAL TABLE full_text USING fts5 (
    body, title, content = 'passage_text', content_rowid = 'key', tokenize = '{TOKENIZER}'
);
INSERT INTO full_text (full_text, rank) VALUES ('automerge', 8);
"""
METADATA_VALUES = """
SELECT DISTINCT item.key AS name,
    CASE one.type WHEN 'integer' THEN 'n' WHEN 'real' THEN 'n' WHEN 'text' THEN 't' WHEN 'null' THEN 'z' ELSE 'b' END
    AS kind, CASE one.type WHEN 'null' THEN '' ELSE one.value END AS value, documents.key AS document
FROM documents, json_each(documents.metadata) AS item, json_each(
    CASE item.type WHEN 'array' THEN item.value WHEN 'true' THEN '[true]' WHEN 'false' THEN '[false]'
    WHEN 'null' THEN '[null]' ELSE json_array(item.value) END
) AS one
"""
_KINDS: dict[type, str] = {bool: "b", int: "n", float: "n", str: "t", type(None): "z"}


def kind_of(value: object) -> str | None:
    """The kind of a metadata value, as filters compare them: number, text, boolean, nothing; None for another type."""
    return _KINDS.get(type(value))


def metadata_rows(metadata: Mapping[str, Any], document: int) -> list[tuple[str, str, Any, int]]:
    """The rows of `metadata` for a document."""
    rows = (
        (name, _KINDS[type(one)], "" if one is None else one, document)
        for name, value in metadata.items()
        for one in (value if isinstance(value, list) else [value])
    )
    return list(dict.fromkeys(rows))


def stored_rows(metadata: str, document: int) -> list[tuple[str, str, Any, int]]:
    """The same for metadata as it is stored; none where that is damaged."""
    try:
        return metadata_rows(json.loads(metadata), document)
    except (ValueError, AttributeError, KeyError):
        return []


def connected(db: sqlite3.Connection) -> None:
    """Give a connection the function that the view of passages asks for, as FTS5 compares the full text with the texts.

    It is none of Python's own: an interrupt would be raised in it, and SQLite make a failed statement of that.
    """
    db.execute("PRAGMA trusted_schema = ON")  # SQLite's default; where it is built with another, no view may call it
    db.create_function("inflated", 1, zlib.decompress, deterministic=True)


def create(db: sqlite3.Connection) -> None:
    """Make the tables of a new library; inside a transaction."""
    for statement in _TABLES.strip().split(";\n"):
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {VERSION}")
