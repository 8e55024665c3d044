"""Documents in a library's file with what came of them: written, described, removed, given other codes; all by id."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from typing import Any

from ...document import Document
from ...place import places_of
from . import full_text, schema
from .database import Database
from .passage_codes import Codes, digest_of, encoded_text, hash_of, width_number
from .texts import (
    DOCUMENT,
    FROM,
    PASSAGE,
    from_stored,
    joined,
    keys_of,
    passage_rows,
    piece_key,
    pieces,
    to_stored,
)
from .texts import (
    is_whole as is_whole_text,
)
from .words import indexed_title, stem


def count(db: Database, table: str) -> int:
    """Rows of `documents`, `passages` or `files`."""
    counts = {name: f"SELECT count(*) FROM {name}" for name in ("documents", "passages", "files")}
    return int(db.rows(counts[table])[0][0])


def document(db: Database, id: str) -> Document | None:
    """The document of this id, or None."""
    rows = db.rows("SELECT key, title, metadata, source FROM documents WHERE id = ?", (id,))
    if not rows:
        return None
    key, title, metadata, source = rows[0]
    return Document(id, _text(db, key), title, json.loads(metadata), source)


def listed(db: Database, after: str, limit: int) -> list[tuple[str, str, str]]:
    """Id, title and source of documents behind an id, in the order of their ids."""
    select = "SELECT id, title, source FROM documents WHERE id > ? ORDER BY id LIMIT ?"
    return [(str(id), str(title), str(source)) for id, title, source in db.rows(select, (after, limit))]


def is_whole(db: Database, id: str) -> bool:
    """Whether all of a document's text can be read."""
    rows = db.rows("SELECT key FROM documents WHERE id = ?", (id,))
    return all(is_whole_text(text) for (key,) in rows for _, text in _kept(db, key))


def ranges(db: Database, id: str) -> list[tuple[int, int]]:
    """Where the passages of a document lie in its text, in reading order."""
    select = (
        "SELECT texts.start + passages.start, texts.start + passages.stop FROM passages JOIN texts"
        " ON texts.key = passages.text JOIN documents ON documents.key = document WHERE id = ? ORDER BY number"
    )
    return [(int(start), int(stop)) for start, stop in db.rows(select, (id,))]


def source_of(db: Database, id: str) -> str | None:
    """The source of the document of this id; None where there is none."""
    rows = db.rows("SELECT source FROM documents WHERE id = ?", (id,))
    return str(rows[0][0]) if rows else None


# What a sync makes of a file is named after it, or says when it was modified; others may name the file as their source.
_OF_FILE = """source = ? AND CASE WHEN substr(id, 1, length(source)) = source THEN 1 WHEN json_valid(metadata)
    THEN json_type(metadata, '$.path') NOTNULL AND json_type(metadata, '$.modified') NOTNULL ELSE 0 END"""


def ids_of_file(db: Database, path: str) -> list[str]:
    """Ids of the documents that a sync made of a file."""
    return [row[0] for row in db.rows(f"SELECT id FROM documents WHERE {_OF_FILE} ORDER BY key", (path,))]


def has_any_of_file(db: Database, path: str) -> bool:
    """Whether there is a document that a sync made of a file."""
    return bool(db.rows(f"SELECT 1 FROM documents WHERE {_OF_FILE} LIMIT 1", (path,)))


def has_named(db: Database, path: str) -> bool:
    """Whether a document of a file has an id of its own, rather than one after the file."""
    return any(not id.startswith(path) for id in ids_of_file(db, path))


def source_counts(db: Database) -> dict[str, int]:
    """How many documents came from each source."""
    return dict(db.rows("SELECT source, count(*) FROM documents GROUP BY source"))


def put(db: Database, document: Document, ranges: Sequence[tuple[int, int]], codes: Sequence[Codes]) -> bool:
    """Write a document and its passages; true where one of the same id gave way; inside `writing`.

    Args:
        ranges: where each passage lies in the document's text, in reading order.
        codes: of each passage.
    """
    replaced = db.rows("SELECT key, metadata, source, copies FROM documents WHERE id = ?", (document.id,))
    copies = "[]"
    for key, metadata, source, others in replaced:
        copies = others if source == document.source else copies
        _remove(db, key, metadata)
    values = (document.id, document.title, _json(document.metadata), document.source, copies)
    insert = "INSERT INTO documents (id, title, metadata, source, copies) VALUES (?, ?, ?, ?, ?)"
    key = db.execute(insert, values).lastrowid
    assert key is not None
    _put_metadata(db, document.metadata, key)
    bodies = _put_passages(db, key, document, ranges, codes)
    full_text.insert(db, indexed_title(document.title, document.source, copies), bodies)
    return bool(replaced)


def _put_passages(
    db: Database, key: int, document: Document, ranges: Sequence[tuple[int, int]], codes: Sequence[Codes]
) -> list[tuple[int, str]]:
    """Write the text of a document that has a row, and its passages; returns the key and text of each."""
    places = places_of(document.text, [start for start, _ in ranges], document.source)
    widths = {name: width_number(db, name) for name in {one.width for one in codes}}
    bodies = []
    for count, piece in enumerate(pieces(document.text, ranges)):
        text = piece_key(key, count)
        db.execute("INSERT INTO texts (key, start, text) VALUES (?, ?, ?)", (text, piece.start, to_stored(piece.text)))
        for number in piece.passages:
            (start, stop), (bits, record, width) = ranges[number], codes[number]
            values = (key, number, text, start - piece.start, stop - piece.start, bits, widths[width])
            passage = db.execute(_INSERT_PASSAGE, values).lastrowid
            assert passage is not None
            body = document.text[start:stop]
            digest = digest_of(document.title, body, bits, record)
            db.execute("INSERT INTO fine (key, code, digest) VALUES (?, ?, ?)", (passage, record, digest))
            if places[number]:
                db.execute("INSERT INTO places (key, place) VALUES (?, ?)", (passage, places[number]))
            bodies.append((passage, body))
    _hash(db, document.title, document.source, bodies)
    return bodies


_INSERT_PASSAGE = "INSERT INTO passages (document, number, text, start, stop, bits, width) VALUES (?, ?, ?, ?, ?, ?, ?)"


def _hash(db: Database, title: str, source: str, bodies: Sequence[tuple[int, str]]) -> None:
    """Have passages found by what was encoded for them."""
    rows = ((hash_of(encoded_text(title, source, body)), passage) for passage, body in bodies)
    db.executemany("INSERT OR IGNORE INTO hashes (hash, passage) VALUES (?, ?)", rows)


def describe(db: Database, document: Document) -> bool:
    """Write the metadata and source of a document; false where none of this id, title and text is there for which the
    same was encoded; inside `writing`."""
    row = db.execute(
        "SELECT key, metadata, source FROM documents WHERE id = ? AND title = ?", (document.id, document.title)
    ).fetchone()
    if row is None or _text(db, row[0]) != document.text:
        return False
    key, metadata, source = row
    if encoded_text(document.title, source, "") != encoded_text(document.title, document.source, ""):
        return False
    if source != document.source:
        _set_origin(db, key, document.title, document.source, [])
    _remove_metadata(db, metadata, key)
    _put_metadata(db, document.metadata, key)
    db.execute("UPDATE documents SET metadata = ? WHERE key = ?", (_json(document.metadata), key))
    return True


def remove(db: Database, id: str) -> bool:
    """Remove a document and all that came of it; false where there is none; inside `writing`."""
    row = db.execute("SELECT key, metadata FROM documents WHERE id = ?", (id,)).fetchone()
    if row is None:
        return False
    _remove(db, *row)
    return True


def remove_of_file(db: Database, path: str, keep: Container[str] = ()) -> int:
    """Remove the documents that a sync made of a file but for some ids; returns how many; inside `writing`."""
    return sum(remove(db, id) for id in ids_of_file(db, path) if id not in keep)


def _remove(db: Database, key: int, metadata: str) -> None:
    whole = _remove_words(db, key)
    _remove_metadata(db, metadata, key)
    db.execute("DELETE FROM texts WHERE key BETWEEN ? AND ?", keys_of(key))
    db.execute("DELETE FROM documents WHERE key = ?", (key,))
    if not whole:  # FTS5 has to be told what it indexed, and all of that is not known any more
        full_text.rebuild(db)


def set_copies(db: Database, source: str, copies: Sequence[str]) -> None:
    """Name the other files that hold what a file does, whose documents are there; inside `writing`."""
    others = f"SELECT key, title FROM documents WHERE {_OF_FILE} AND copies != ?"
    for key, title in db.rows(others, (source, _list(copies))):
        _set_origin(db, key, title, source, copies)


def hand_over(db: Database, source: str, heir: str, copies: Sequence[str]) -> int | None:
    """Make the documents of a file those of another of the same content; returns how many; inside `writing`.

    None, with nothing done, where the other has to be read for it: something else would be encoded for a document
    there, as it has a title that is not the name of its file, or its id there is that of another.

    Args:
        copies: still other files of the same content.
    """
    rows = db.rows(f"SELECT key, id, title, metadata FROM documents WHERE {_OF_FILE} ORDER BY key", (source,))
    names = [heir + id[len(source) :] if id.startswith(source) else id for _, id, _, _ in rows]
    titles = [stem(heir) if title == stem(source) else title for _, _, title, _ in rows]
    for name, title, (key, id, before, _) in zip(names, titles, rows, strict=True):
        if encoded_text(title, heir, "") != encoded_text(before, source, ""):
            return None
        if title != before and _is_heading(db, key, before):
            return None
        if name != id and source_of(db, name) is not None:
            return None
    for name, title, (key, _, _, metadata) in zip(names, titles, rows, strict=True):
        _set_origin(db, key, title, heir, copies)
        values = {**json.loads(metadata), "path": heir}
        _remove_metadata(db, metadata, key)
        _put_metadata(db, values, key)
        db.execute("UPDATE documents SET id = ?, metadata = ? WHERE key = ?", (name, _json(values), key))
    return len(rows)


def _is_heading(db: Database, key: int, title: str) -> bool:
    """Whether a heading of a document is its title."""
    select = "SELECT 1 FROM passages JOIN places USING (key) WHERE document = ? AND place = ? LIMIT 1"
    return bool(db.rows(select, (key, title)))


def _set_origin(db: Database, key: int, title: str, source: str, copies: Sequence[str]) -> None:
    """Give a document another title, source and copies, with the words and digests that come of them."""
    before = db.rows("SELECT title, source, copies FROM documents WHERE key = ?", (key,))[0]
    after = (title, source, _list(copies))
    is_as_encoded = encoded_text(before[0], before[1], "") == encoded_text(title, source, "")
    if is_as_encoded and indexed_title(*before) == indexed_title(*after) and before[0] == title:
        db.execute("UPDATE documents SET source = ?, copies = ? WHERE key = ?", (source, after[2], key))
        return
    whole = _remove_words(db, key)
    db.execute("UPDATE documents SET title = ?, source = ?, copies = ? WHERE key = ?", (*after, key))
    select = f"SELECT passages.key, bits, code, digest, {PASSAGE} {FROM} JOIN fine ON fine.key = passages.key"
    for passage, bits, record, digest, body in passage_rows(db.rows(f"{select} WHERE documents.key = ?", (key,))):
        if digest == digest_of(before[0], body, bits, record):  # else it is damaged, and must not look sound
            values = (digest_of(title, body, bits, record), passage)
            db.execute("UPDATE fine SET digest = ? WHERE key = ?", values)
    words, bodies = _words(db, key)
    _hash(db, title, source, bodies)
    if whole:
        full_text.insert(db, words, bodies)
    else:
        full_text.rebuild(db)


def damaged_texts(db: Database) -> list[str]:
    """Ids of documents whose text is damaged."""
    kept = db.execute(f"SELECT id, text FROM texts JOIN documents ON documents.key = {DOCUMENT} ORDER BY texts.key")
    return list(dict.fromkeys(id for id, text in kept if not is_whole_text(text)))


def salvage(db: Database) -> None:
    """Keep of damaged texts what can be read; what was derived of them has to be made anew; inside `writing`."""
    for key, kept in db.rows("SELECT key, text FROM texts WHERE typeof(text) = 'blob'"):
        if not is_whole_text(kept):
            db.execute("UPDATE texts SET text = ? WHERE key = ?", (to_stored(from_stored(kept)), key))


def hash_anew(db: Database) -> None:
    """Write anew what passages are found by; inside `writing`."""
    db.execute("DELETE FROM hashes")
    for key, title, source in db.rows("SELECT key, title, source FROM documents"):
        _hash(db, title, source, _words(db, key)[1])


def _words(db: Database, key: int) -> tuple[str, list[tuple[int, str]]]:
    """What the full text has of a document: its title as words, and key and text of each passage."""
    title = indexed_title(*db.rows("SELECT title, source, copies FROM documents WHERE key = ?", (key,))[0])
    return title, list(passage_rows(db.rows(f"SELECT passages.key, {PASSAGE} {FROM} WHERE documents.key = ?", (key,))))


def _remove_words(db: Database, key: int) -> bool:
    """Take a document out of the full text, and out of what its passages are found by; false where its text is damaged,
    so that the first cannot be done."""
    if not all(is_whole_text(text) for _, text in _kept(db, key)):
        db.execute("DELETE FROM hashes WHERE passage IN (SELECT key FROM passages WHERE document = ?)", (key,))
        return False
    words, bodies = _words(db, key)
    full_text.delete(db, words, bodies)
    title, source = db.rows("SELECT title, source FROM documents WHERE key = ?", (key,))[0]
    rows = ((hash_of(encoded_text(title, source, body)), passage) for passage, body in bodies)
    db.executemany("DELETE FROM hashes WHERE hash = ? AND passage = ?", rows)
    return True


def _text(db: Database, key: int) -> str:
    return joined((start, from_stored(text)) for start, text in _kept(db, key))


def _kept(db: Database, key: int) -> list[tuple[int, str | bytes]]:
    """The pieces of a document's text, as they are kept."""
    return db.rows("SELECT start, text FROM texts WHERE key BETWEEN ? AND ? ORDER BY key", keys_of(key))


def _put_metadata(db: Database, metadata: Mapping[str, Any], key: int) -> None:
    rows = schema.metadata_rows(metadata, key)
    db.executemany("INSERT OR REPLACE INTO metadata VALUES (?, ?, ?, ?)", rows)


def _remove_metadata(db: Database, metadata: str, key: int) -> None:
    delete = "DELETE FROM metadata WHERE name = ? AND kind = ? AND value = ? AND document = ?"
    db.executemany(delete, schema.stored_rows(metadata, key))


def _json(metadata: Mapping[str, Any]) -> str:
    return json.dumps(dict(metadata), ensure_ascii=False, sort_keys=True)


def _list(paths: Sequence[str]) -> str:
    return json.dumps(list(paths), ensure_ascii=False)
