"""Library files of older formats, and full texts cut by an older rule, are brought to today's as they are opened.

All of it is one transaction: a process that dies leaves the file as it was.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ...errors import LibraryError
from ...place import places_of
from . import documents, failures, full_text, schema, words
from .database import Database
from .texts import from_stored, piece_key, pieces, to_stored

_SAME = ("meta", "widths", "metadata", "files", "folders")  # whose columns stay; new ones have their defaults
_OTHERS = ("documents", "passages", "fine")
_INDEXES = ("documents_source", "passages_document", "passages_revision")


def opened(path: Path, create: bool) -> Database:
    """A library's file, brought to today's format where it can be written.

    Raises:
        LibraryError: see `Database`; or it is of an older format and cannot be written here.
    """
    db = Database(path, create, older=True)
    try:
        if (version := int(db.rows("PRAGMA user_version")[0][0])) < schema.VERSION:
            if db.read_only:
                raise failures.other_format(path, version)
            _renew(db)
        elif not db.read_only and db.meta(schema.WORDS) != words.VERSION:
            with db.writing():
                full_text.rebuild(db)
    except BaseException:
        db.close()
        raise
    return db


def _renew(db: Database) -> None:
    """Write a file of format 4 anew: texts in pieces, and numbers, places and hashes of passages."""
    for setting in ("foreign_keys = OFF", "legacy_alter_table = ON"):
        db.execute(f"PRAGMA {setting}")
    with db.writing():
        if db.rows("PRAGMA user_version")[0][0] >= schema.VERSION:  # another process was faster
            return
        last_keys = db.rows("SELECT name, seq FROM sqlite_sequence WHERE name IN ('documents', 'passages')")
        db.execute("DROP VIEW passage_text")
        db.execute("DROP TABLE full_text")
        for index in _INDEXES:
            db.execute(f"DROP INDEX {index}")
        for table in (*_SAME, *_OTHERS):
            db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
        db.execute("CREATE INDEX old_passages_document ON old_passages (document)")  # asked for each document
        schema.create(db)
        for table in _SAME:
            columns = ", ".join(row[1] for row in db.rows(f"PRAGMA table_info(old_{table})"))
            db.execute(f"INSERT OR REPLACE INTO {table} ({columns}) SELECT {columns} FROM old_{table}")
        for (key,) in db.rows("SELECT key FROM old_documents ORDER BY key"):
            _renew_document(db, key)
        for name, last in last_keys:  # keys are not used again
            db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, last))
        for table in (*_SAME, *_OTHERS):
            db.execute(f"DROP TABLE old_{table}")
        documents.hash_anew(db)
        full_text.rebuild(db)
    with suppress(LibraryError):  # gives back the room of what was; it is not needed
        db.rows("VACUUM")
    for setting in ("foreign_keys = ON", "legacy_alter_table = OFF"):
        db.execute(f"PRAGMA {setting}")


def _renew_document(db: Database, key: int) -> None:
    (row,) = db.rows("SELECT id, title, text, metadata, source FROM old_documents WHERE key = ?", (key,))
    id, title, kept, metadata, source = row
    text = from_stored(kept)
    statement = "INSERT INTO documents (key, id, title, metadata, source) VALUES (?, ?, ?, ?, ?)"
    db.execute(statement, (key, id, title, metadata, source))
    passages = db.rows(
        "SELECT p.key, CAST(start AS INTEGER), CAST(stop AS INTEGER), bits, width, revision, fine.key, code, digest"
        " FROM old_passages AS p LEFT JOIN old_fine AS fine ON fine.key = p.key WHERE document = ? ORDER BY p.key",
        (key,),
    )
    ranges = [(start, stop) for _, start, stop, *_ in passages]
    places = places_of(text, [start for start, _ in ranges], source)
    for count, piece in enumerate(pieces(text, ranges)):
        within = piece_key(key, count)
        db.execute(
            "INSERT INTO texts (key, start, text) VALUES (?, ?, ?)", (within, piece.start, to_stored(piece.text))
        )
        for number in piece.passages:
            passage, start, stop, bits, width, revision, fine, code, digest = passages[number]
            values = (passage, key, number, within, start - piece.start, stop - piece.start, bits, width, revision)
            db.execute(f"INSERT INTO passages ({_PASSAGE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            if fine is not None:
                db.execute("INSERT INTO fine (key, code, digest) VALUES (?, ?, ?)", (fine, code, digest))
            if places[number]:
                db.execute("INSERT INTO places (key, place) VALUES (?, ?)", (passage, places[number]))


_PASSAGE = "key, document, number, text, start, stop, bits, width, revision"
