"""What a library asks of SQLite, which is built into Python by whoever built that, with what they liked."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from . import words

_ASKED = {
    "FTS5": f'CREATE VIRTUAL TABLE f USING fts5 (body, tokenize = "{words.TOKENIZER}")',
    "JSON": "SELECT value FROM json_each(json_insert('[1]', '$[#]', 2))",
    "tables without row ids": "CREATE TABLE w (a PRIMARY KEY) WITHOUT ROWID",
    "indexes of some rows": "CREATE TABLE p (a); CREATE INDEX i ON p (a) WHERE a > 0",
}
_SET = {"write-ahead logs": ("journal_mode", "WAL", "wal"), "secure deletion": ("secure_delete", "ON", 1)}


def version() -> str:
    """The version of SQLite that this Python has."""
    return sqlite3.sqlite_version


def in_memory() -> sqlite3.Connection:
    """A database of its own, gone when it is closed."""
    return sqlite3.connect(":memory:")


def lacking() -> list[str]:
    """What SQLite lacks of what a library asks of it, tried on a file in a temporary folder."""
    with (
        tempfile.TemporaryDirectory(prefix="nestling-") as folder,
        closing(sqlite3.connect(Path(folder, "tried.nest"))) as db,
    ):
        found = [name for name, (key, value, given) in _SET.items() if _set(db, key, value) != given]
        return found + [name for name, sql in _ASKED.items() if not _runs(db, sql)]


def _runs(db: sqlite3.Connection, sql: str) -> bool:
    try:
        db.executescript(sql)
    except sqlite3.Error:
        return False
    return True


def _set(db: sqlite3.Connection, key: str, value: str) -> object:
    try:
        row = db.execute(f"PRAGMA {key} = {value}").fetchone()
    except sqlite3.Error:
        return None
    return row[0] if row else None
