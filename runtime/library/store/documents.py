"""Documents in a library's file with what came of them: written, described, removed, given other codes; all by id."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from ...document import Document
from . import full_text, schema
from .database import Database
from .texts import PASSAGE, from_stored, is_whole, passage_rows, to_stored

_FROM = "FROM passages JOIN documents ON documents.key = document"
_STALE = (
    f"SELECT passages.key, title, source, {PASSAGE} {_FROM} WHERE width NOT IN (SELECT key FROM widths WHERE name = ?)"
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


def count(db: Database, table: str) -> int:
    """Rows of `documents`, `passages` or `files`."""
    counts = {name: f"SELECT count(*) FROM {name}" for name in ("documents", "passages", "files")}
    return int(db.rows(counts[table])[0][0])


def document(db: Database, id: str) -> Document | None:
    """The document of this id, or None."""
    rows = db.rows("SELECT text, title, metadata, source FROM documents WHERE id = ?", (id,))
    return Document(id, from_stored(rows[0][0]), rows[0][1], json.loads(rows[0][2]), rows[0][3]) if rows else None


def source_of(db: Database, id: str) -> str | None:
    """The source of the document of this id; None where there is none."""
    rows = db.rows("SELECT source FROM documents WHERE id = ?", (id,))
    return str(rows[0][0]) if rows else None


def ids_of_source(db: Database, source: str) -> list[str]:
    """Ids of the documents that came from a source."""
    return [row[0] for row in db.rows("SELECT id FROM documents WHERE source = ? ORDER BY key", (source,))]


def source_counts(db: Database) -> dict[str, int]:
    """How many documents came from each source."""
    return dict(db.rows("SELECT source, count(*) FROM documents GROUP BY source"))


def put(db: Database, document: Document, ranges: Sequence[tuple[int, int]], codes: Sequence[Codes]) -> bool:
    """Write a document and its passages; true where one of the same id gave way; inside `writing`.

    Args:
        ranges: where each passage lies in the document's text.
        codes: of each passage.
    """
    replaced = remove(db, document.id)
    values = (document.id, document.title, to_stored(document.text), _json(document.metadata), document.source)
    insert = "INSERT INTO documents (id, title, text, metadata, source) VALUES (?, ?, ?, ?, ?)"
    key = db.execute(insert, values).lastrowid
    assert key is not None
    _put_metadata(db, document.metadata, key)
    widths = {name: _width(db, name) for name in {one.width for one in codes}}
    insert = "INSERT INTO passages (document, start, stop, bits, width) VALUES (?, ?, ?, ?, ?)"
    for (start, stop), (bits, record, width) in zip(ranges, codes, strict=True):
        passage = db.execute(insert, (key, start, stop, bits, widths[width])).lastrowid
        assert passage is not None
        title, body = document.title, document.text[start:stop]
        digest = digest_of(title, body, bits, record)
        db.execute("INSERT INTO fine (key, code, digest) VALUES (?, ?, ?)", (passage, record, digest))
        full_text.insert(db, [(passage, title, body)])
    return replaced


def describe(db: Database, document: Document) -> bool:
    """Write the metadata and source of a document; false where none of this id, title and text is there; inside
    `writing`."""
    select = "SELECT key, metadata, text FROM documents WHERE id = ? AND title = ?"
    row = db.execute(select, (document.id, document.title)).fetchone()
    if row is None or from_stored(row[2]) != document.text:
        return False
    _remove_metadata(db, row[1], row[0])
    _put_metadata(db, document.metadata, row[0])
    update = "UPDATE documents SET metadata = ?, source = ? WHERE key = ?"
    db.execute(update, (_json(document.metadata), document.source, row[0]))
    return True


def remove(db: Database, id: str) -> bool:
    """Remove a document and all that came of it; false where there is none; inside `writing`."""
    row = db.execute("SELECT key, metadata, title, text FROM documents WHERE id = ?", (id,)).fetchone()
    if row is None:
        return False
    key, metadata, title, kept = row
    if whole := is_whole(kept):
        text = from_stored(kept)
        select = "SELECT key, CAST(start AS INTEGER), CAST(stop AS INTEGER) FROM passages WHERE document = ?"
        full_text.delete(db, [(passage, title, text[start:stop]) for passage, start, stop in db.rows(select, (key,))])
    _remove_metadata(db, metadata, key)
    db.execute("DELETE FROM documents WHERE key = ?", (key,))
    if not whole:  # FTS5 has to be told what it indexed, and all of that is not known any more
        full_text.rebuild(db)
    return True


def damaged_texts(db: Database) -> dict[str, str]:
    """What is left of the texts that are damaged, by document id."""
    kept = db.execute("SELECT id, text FROM documents WHERE typeof(text) = 'blob'")
    return {id: from_stored(text) for id, text in kept if not is_whole(text)}


def replace_text(db: Database, id: str, text: str) -> None:
    """Write a document's text alone; what was derived of it has to be made anew; inside `writing`."""
    db.execute("UPDATE documents SET text = ? WHERE id = ?", (to_stored(text), id))


def coded_passages(
    db: Database, condition: str, parameters: Sequence[Any]
) -> Iterator[tuple[str, tuple[int, int], Codes, bool]]:
    """Passages that meet a condition of this package's own, in the order of their keys.

    Yields:
        The document's id, the range in its text, the codes, whose width is None where it has no name, and whether text
        and codes are what their digest says.
    """
    select = (
        f"SELECT id, title, start, stop, bits, code, name, digest, {PASSAGE} {_FROM}"
        " JOIN fine ON fine.key = passages.key LEFT JOIN widths ON widths.key = width"
    )
    rows = passage_rows(db.stream(f"{select} WHERE {condition} ORDER BY passages.key", parameters))
    for id, title, start, stop, bits, record, width, digest, text in rows:
        intact = digest is None or digest == digest_of(title, text, bits, record)
        yield id, (start, stop), Codes(bits, record, width), intact


def codes_of(db: Database, id: str) -> dict[tuple[int, int], Codes]:
    """The codes of a document's passages by their range; without those that are not what their digest says, and those
    of a width without a name."""
    found = coded_passages(db, "id = ?", (id,))
    return {span: codes for _, span, codes, intact in found if intact and codes.width is not None}


def widths(db: Database) -> dict[str, int]:
    """How many passages are of each width."""
    counts = "SELECT width, count(*) AS passages FROM passages GROUP BY width"
    select = f"SELECT coalesce(name, 'no name'), passages FROM ({counts}) LEFT JOIN widths ON widths.key = width"
    return dict(db.rows(f"{select} ORDER BY 1"))


def stale(db: Database, width: str, below: int, limit: int) -> list[Stale]:
    """Passages of other widths than one with keys below another, the newest first, so many at the most."""
    select = f"{_STALE} AND passages.key < ? ORDER BY passages.key DESC LIMIT ?"
    return [Stale(*row) for row in passage_rows(db.stream(select, (width, below, limit)))]


def recode(db: Database, stale: Stale, codes: Codes) -> bool:
    """Write other codes for a passage; false where it is gone, reads otherwise than it did, or is of their width by
    now; inside `writing`.

    Its key and its words stay. That it has changed is seen by its revision: the generation that it is changed in.
    """
    now = passage_rows(db.stream(f"{_STALE} AND passages.key = ?", (codes.width, stale.key)))
    if list(now) != [tuple(stale)]:
        return False
    update = "UPDATE passages SET bits = ?, width = ?, revision = ? WHERE key = ?"
    db.execute(update, (codes.bits, _width(db, codes.width), db.generation + 1, stale.key))
    digest = digest_of(stale.title, stale.text, codes.bits, codes.record)
    db.execute("INSERT OR REPLACE INTO fine (key, code, digest) VALUES (?, ?, ?)", (stale.key, codes.record, digest))
    return True


def digest_of(title: str, text: str, bits: bytes, record: bytes) -> bytes:
    """8 bytes that tell whether a passage, its document's title and its codes still belong together."""
    digest = blake2b(digest_size=8)
    for part in (title.encode(), text.encode(), bits, record):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _width(db: Database, name: str) -> int:
    """The number that stands for a width in the file; inside `writing`."""
    db.execute("INSERT OR IGNORE INTO widths (name) VALUES (?)", (name,))
    return int(db.execute("SELECT key FROM widths WHERE name = ?", (name,)).fetchone()[0])


def _put_metadata(db: Database, metadata: Mapping[str, Any], key: int) -> None:
    rows = schema.metadata_rows(metadata, key)
    db.executemany("INSERT OR REPLACE INTO metadata VALUES (?, ?, ?, ?)", rows)


def _remove_metadata(db: Database, metadata: str, key: int) -> None:
    delete = "DELETE FROM metadata WHERE name = ? AND kind = ? AND value = ? AND document = ?"
    db.executemany(delete, schema.stored_rows(metadata, key))


def _json(metadata: Mapping[str, Any]) -> str:
    return json.dumps(dict(metadata), ensure_ascii=False, sort_keys=True)
