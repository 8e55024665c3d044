"""What stands in a library file of today's format, written whole; `migration` brings older files to it."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from . import words

APPLICATION_ID = 0x4E455354  # "NEST"
VERSION = 5
UPGRADING = 6  # the same while it is brought over to another bundle, see `earlier`
OLDEST = 4  # that `migration` knows
WORDS = "words"  # in `meta`: the version of the rule that the full text was cut by

# documents.copies: a JSON list of the other files of the same content, of which nothing else is kept. texts: the
# pieces of a document's text, see `texts`; their keys are the document's and their number, see `texts.piece_key`.
# passages.number: 0 for the first of its document. passages.text: the piece that it lies in; start and stop are
# offsets of characters there. passages.width: a number of `widths`, which is a byte a passage. passages.revision:
# the generation in which a passage that was there was given other codes, see `passage_codes.recode`; most have none,
# and are not in the index. fine: ten rows fill a page, and one more byte in each would leave it at nine. places: of
# passages that have one. hashes: of what was encoded for each passage, see `passage_codes.hash_of`. metadata: the
# values of documents.metadata once more, a row each, for filters; the truth is the JSON. files.copy_of: the file of
# the same content whose documents are there; files.removed: documents of it were removed by their ids.
# folders.device: the number of the drive that it was on. full_text: the title is last, since FTS5 takes two bytes
# more where a word stands in any column but the first; `automerge` makes half as much be written while a library
# grows, for some more parts that a search reads.
_TABLES = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    metadata TEXT NOT NULL,
    source TEXT NOT NULL,
    copies TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX documents_source ON documents (source);
CREATE TABLE texts (key INTEGER PRIMARY KEY, start INTEGER NOT NULL, text NOT NULL);
CREATE TABLE passages (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    number INTEGER NOT NULL,
    text INTEGER NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    bits BLOB NOT NULL,
    width INTEGER NOT NULL,
    revision INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX passages_document ON passages (document);
CREATE INDEX passages_revision ON passages (revision) WHERE revision > 0;
CREATE TABLE fine (key INTEGER PRIMARY KEY REFERENCES passages ON DELETE CASCADE, code BLOB NOT NULL, digest BLOB);
CREATE TABLE places (key INTEGER PRIMARY KEY REFERENCES passages ON DELETE CASCADE, place TEXT NOT NULL);
CREATE TABLE hashes (hash INTEGER NOT NULL, passage INTEGER NOT NULL, PRIMARY KEY (hash, passage)) WITHOUT ROWID;
CREATE TABLE widths (key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE metadata (
    name TEXT NOT NULL, kind TEXT NOT NULL, value NOT NULL, document INTEGER NOT NULL,
    PRIMARY KEY (name, kind, value, document)
) WITHOUT ROWID;
CREATE TABLE files (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, digest BLOB,
    skips TEXT NOT NULL DEFAULT '[]', copy_of TEXT NOT NULL DEFAULT '', removed INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE folders (
    path TEXT PRIMARY KEY, ignored TEXT NOT NULL, max_bytes INTEGER, device INTEGER
) WITHOUT ROWID;
CREATE VIEW passage_text (key, document, title, body) AS
    SELECT passages.key, passages.document, indexed_title(title, source, copies),
        indexed(substr(
            CASE typeof(texts.text) WHEN 'blob' THEN CAST(inflated(texts.text) AS TEXT) ELSE texts.text END,
            passages.start + 1, passages.stop - passages.start
        ))
    FROM passages JOIN documents ON documents.key = passages.document JOIN texts ON texts.key = passages.text;
CREATE VIRTUAL TABLE full_text USING fts5 (
    body, title, content = 'passage_text', content_rowid = 'key', tokenize = "{words.TOKENIZER}"
);
INSERT INTO full_text (full_text, rank) VALUES ('automerge', 8);
"""
# Of a list there is a row for each of its values, of a kind of their own, and one for the whole, as its JSON text.
METADATA_VALUES = """
SELECT item.key AS name,
    CASE item.type WHEN 'array' THEN
        CASE one.type WHEN 'array' THEN 'l' WHEN 'integer' THEN 'N' WHEN 'real' THEN 'N' WHEN 'text' THEN 'T'
        WHEN 'null' THEN 'Z' ELSE 'B' END
    WHEN 'integer' THEN 'n' WHEN 'real' THEN 'n' WHEN 'text' THEN 't' WHEN 'null' THEN 'z' ELSE 'b' END AS kind,
    CASE item.type WHEN 'array' THEN CASE one.type WHEN 'null' THEN '' WHEN 'array' THEN list_text(one.value)
        ELSE one.value END
    WHEN 'null' THEN '' ELSE item.value END AS value, documents.key AS document
FROM documents, json_each(documents.metadata) AS item,
    json_each(CASE item.type WHEN 'array' THEN json_insert(item.value, '$[#]', json(item.value)) ELSE '[0]' END) AS one
"""
LIST = "l"
_LARGEST_WHOLE = 2**53  # beyond, a float is a number that nobody wrote
_KINDS: dict[type, str] = {bool: "b", int: "n", float: "n", str: "t", type(None): "z"}


def kind_of(value: object) -> str | None:
    """The kind of a metadata value, as filters compare them: number, text, boolean, nothing; None for another type.

    As one of a list's it is the same letter as a capital; the list itself is `LIST`.
    """
    return _KINDS.get(type(value))


def list_text(values: Sequence[Any]) -> str:
    """A list as the rows of `metadata` have the whole of it: whole numbers are written as such, as 1 is 1.0."""
    return text_as_given([int(one) if _is_whole(one) else one for one in values])


def text_as_given(values: Sequence[Any]) -> str:
    """The same as older libraries have it: numbers as they were given."""
    return json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_WHOLE


def _list_text(text: str) -> str:
    """`list_text` as SQL calls it, with a list as JSON."""
    try:
        return list_text(json.loads(text))
    except (ValueError, TypeError):  # it is damaged, and equals nothing
        return text


def metadata_rows(metadata: Mapping[str, Any], document: int) -> list[tuple[str, str, Any, int]]:
    """The rows of `metadata` for a document."""
    rows: dict[tuple[str, str, Any, int], None] = {}
    for name, value in metadata.items():
        if isinstance(value, list):
            rows[name, LIST, list_text(value), document] = None
            for one in value:
                rows[name, _KINDS[type(one)].upper(), "" if one is None else one, document] = None
        else:
            rows[name, _KINDS[type(value)], "" if value is None else value, document] = None
    return list(rows)


def stored_rows(metadata: str, document: int) -> list[tuple[str, str, Any, int]]:
    """The rows of `metadata`, and those that older libraries have, for metadata as it is stored; none where that is
    damaged."""
    try:
        values = json.loads(metadata)
        older = [(name, LIST, text_as_given(one), document) for name, one in values.items() if isinstance(one, list)]
        return metadata_rows(values, document) + older
    except (ValueError, AttributeError, KeyError, TypeError):
        return []


def connected(db: sqlite3.Connection, called: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Give a connection the functions that `METADATA_VALUES` asks for, and the view of passages, as FTS5 compares the
    full text with the texts in a check.

    Args:
        called: gives what is called in place of a function of Python.
    """
    db.execute("PRAGMA trusted_schema = ON")  # SQLite's default; where it is built with another, no view may call them
    db.create_function("inflated", 1, zlib.decompress, deterministic=True)
    db.create_function("list_text", 1, called(_list_text), deterministic=True)
    db.create_function("indexed", 1, called(words.indexed), deterministic=True)
    db.create_function("indexed_title", 3, called(words.indexed_title), deterministic=True)


class Executes(Protocol):
    """A connection, or what stands before one."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> object:
        """Run a statement."""


def create(db: Executes) -> None:
    """Make the tables of a new library; inside a transaction."""
    for statement in _TABLES.strip().split(";\n"):
        db.execute(statement)
    db.execute("INSERT INTO meta VALUES (?, ?)", (WORDS, words.VERSION))
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {VERSION}")
