"""Is a library file sound, and what can be made good from what is left.

The text of the documents is the truth. What was derived from it (codes, full text, the metadata as filters read it)
is compared with it and can be made again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from ...arrays import Bytes
from ...errors import BusyError, LibraryError
from ...vectors.codes import FineCodes, record_bytes
from . import documents, earlier, file_state, full_text, passage_codes, passages, schema
from .apart import apart
from .database import Database
from .texts import DOCUMENT

_AT_ONCE = 512
_NAMED = 5


@dataclass(frozen=True)
class Damage:
    """What is wrong with a library.

    Attributes:
        sentences: one for each kind of damage; empty for a sound library.
        documents: ids of those whose passages or codes have to be made again.
    """

    sentences: tuple[str, ...]
    documents: tuple[str, ...] = ()


def damage(db: Database, dim: int, *, full: bool = False, sampled: int = 2000) -> Damage:
    """What SQLite, the full-text index, the foreign keys, the codes and their digests say is wrong.

    Args:
        dim: of the vectors.
        full: compare every passage with its digest, rather than some.
        sampled: how many these are, spread over all.

    Raises:
        BusyError: another process is writing to the file.
    """
    return apart(db, partial(_damage, db, dim, full, sampled))


def _damage(db: Database, dim: int, full: bool, sampled: int) -> Damage:
    db.follow()
    sentences: list[str] = []
    ids: dict[str, None] = {}
    lost: list[str] = []
    try:
        rotten = [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
        # A full text that contradicts its texts is reported here as well; it is asked for by itself below.
        sentences += [one for one in rotten if "fts5" not in one]
        for row in db.execute("PRAGMA foreign_key_check"):
            sentences.append(f"{row[0]} has a row without its {row[2]}")
        for what, selected in _DOCUMENTS.items():
            found = db.execute(selected).fetchall()
            if found:
                sentences.append(f"{sum(row[1] for row in found)} {what}")
                ids |= dict.fromkeys(row[0] for row in found)
        if lost := documents.damaged_texts(db):
            sentences.append(f"{len(lost)} documents have text of which a part cannot be read: {_named(lost)}")
            ids |= dict.fromkeys(lost)
        for what, counted in _DERIVED.items():
            if count := db.execute(counted).fetchone()[0]:
                sentences.append(f"{count} {what}")
        for which, length in _lengths(db, dim):
            if found := db.execute(f"{_OF_ANOTHER_SIZE} AND {which} GROUP BY id", _sizes(length)).fetchall():
                sentences.append(f"{sum(row[1] for row in found)} passages have codes of another size")
                ids |= dict.fromkeys(row[0] for row in found)
            for what, wrong in _compared(db, which, length, None if full else sampled).items():
                if wrong:
                    sentences.append(f"{len(wrong)} passages have {what}")
                    ids |= dict.fromkeys(wrong)
    except (sqlite3.Error, ValueError) as error:
        sentences.append(str(error))
    try:
        # FTS5 compares with the texts, and a damaged one may be anything; it is made anew where there is one.
        if not db.read_only and not lost:
            # At the end of a transaction FTS5 lets go of what it read, where it found damage as well.
            with db.reading():
                db.rows("INSERT INTO full_text (full_text, rank) VALUES ('integrity-check', 1)")
    except BusyError:
        raise
    except LibraryError as error:
        sentences.append(f"the full-text index is not that of the passages ({error.__cause__})")
    db.require_unchanged()
    return Damage(tuple(dict.fromkeys(sentences)), tuple(ids))


def mend(db: Database) -> None:
    """Make again what is derived from the documents, codes aside, and drop what belongs to none; inside `writing`."""
    apart(db, partial(_mend, db))


def _mend(db: Database) -> None:
    db.execute("DELETE FROM passages WHERE document NOT IN (SELECT key FROM documents)")
    db.execute("DELETE FROM fine WHERE key NOT IN (SELECT key FROM passages)")
    db.execute(f"DELETE FROM texts WHERE {DOCUMENT} NOT IN (SELECT key FROM documents)")
    db.execute(f"UPDATE documents SET metadata = '{{}}' WHERE NOT {_IS_OBJECT}")
    for id in documents.damaged_texts(db):
        file_state.read_again(db, documents.source_of(db, id) or "")
    documents.salvage(db)
    db.execute("DELETE FROM metadata")
    db.execute(f"INSERT OR IGNORE INTO metadata {schema.METADATA_VALUES}")  # a list may have a value twice
    documents.hash_anew(db)
    full_text.rebuild(db)


def _named(ids: Iterable[str]) -> str:
    some = list(islice(ids, _NAMED + 1))
    return ", ".join(map(repr, some[:_NAMED])) + (" and more" if len(some) > _NAMED else "")


def _lengths(db: Database, dim: int) -> list[tuple[str, int]]:
    """How long the vectors of passages are that meet a condition: of all, or of an earlier bundle and of the others."""
    if (before := earlier.read_earlier(db)) is None:
        return [("1", dim)]
    return [(f"width NOT IN ({earlier.WIDTHS})", dim), (f"width IN ({earlier.WIDTHS})", before.dim)]


def _sizes(dim: int) -> dict[str, int]:
    return {"bits": dim // 8, "record": record_bytes("int8", dim)}


def _compared(db: Database, which: str, dim: int, sampled: int | None) -> dict[str, list[str]]:
    """Ids of documents, one for each passage that meets a condition, by what is wrong with its codes."""
    keys = passages.keys(db)
    if sampled is not None and len(keys) > sampled:
        keys = keys[np.linspace(0, len(keys) - 1, sampled).astype(np.int64)]
    contradictory: list[str] = []
    foreign: list[str] = []
    for begin in range(0, len(keys), _AT_ONCE):
        some = str(keys[begin : begin + _AT_ONCE].tolist())
        found = list(
            passage_codes.passages(db, f"{_READABLE} AND {which}", (some, dim // 8, record_bytes("int8", dim)))
        )
        if not found:
            continue
        bits = _rows([codes.bits for _, _, codes, _ in found])
        records = _rows([codes.record for _, _, codes, _ in found])
        signs = np.unpackbits(bits, axis=1, bitorder="little").astype(np.bool_)
        values = FineCodes.of_records("int8", dim, records).values
        contradict = ((values != 0) & ((values > 0) != signs)).any(axis=1)
        contradictory += [id for (id, *_), wrong in zip(found, contradict, strict=True) if wrong]
        foreign += [id for (id, _, _, intact), wrong in zip(found, contradict, strict=True) if not (wrong or intact)]
    return {"codes that contradict each other": contradictory, "codes that are not those of their text": foreign}


def _rows(parts: list[bytes]) -> Bytes:
    """Parts of one length as rows."""
    return np.frombuffer(b"".join(parts), dtype=np.uint8).reshape(len(parts), -1)


_READABLE = (
    "passages.key IN (SELECT value FROM json_each(?)) AND length(bits) = ? AND length(code) = ?"
    " AND typeof(bits) = 'blob' AND typeof(code) = 'blob'"
)
_OF_ANOTHER_SIZE = (
    "SELECT id, count(*) FROM passages LEFT JOIN fine USING (key) JOIN documents ON documents.key = passages.document"
    " WHERE (length(bits) != :bits OR length(code) != :record OR typeof(bits) != 'blob'"
    " OR typeof(code) NOT IN ('blob', 'null'))"
)
_OWNED = "FROM passages LEFT JOIN fine USING (key) JOIN documents ON documents.key = passages.document WHERE"
_DOCUMENTS = {
    "passages have no fine code": f"SELECT id, count(*) {_OWNED} code IS NULL GROUP BY id",
    "passages are of a width without a name": "SELECT id, count(*) FROM passages JOIN documents"
    " ON documents.key = document WHERE width NOT IN"
    " (SELECT key FROM widths WHERE typeof(name) = 'text' AND name != '') GROUP BY id",
    "passages are of a text that is not there": "SELECT id, count(*) FROM passages JOIN documents"
    " ON documents.key = document WHERE NOT EXISTS"
    f" (SELECT 1 FROM texts WHERE texts.key = passages.text AND {DOCUMENT} = passages.document) GROUP BY id",
    "documents have no passage": "SELECT id, 1 FROM documents"
    " WHERE NOT EXISTS (SELECT 1 FROM passages WHERE document = documents.key)",
}
_IS_OBJECT = "CASE WHEN json_valid(documents.metadata) THEN json_type(documents.metadata) = 'object' ELSE 0 END"
_VALUES = f"{schema.METADATA_VALUES} WHERE {_IS_OBJECT}"
_FILTERED = (
    f"SELECT name, kind, CASE kind WHEN '{schema.LIST}' THEN list_text(value) ELSE value END, document FROM metadata"
)
_DERIVED = {
    "passages are not found by what was encoded": "SELECT (SELECT count(*) FROM passages)"
    " - (SELECT count(*) FROM hashes JOIN passages ON passages.key = passage)",
    "places or texts belong to no passage": "SELECT (SELECT count(*) FROM hashes WHERE passage NOT IN"
    f" (SELECT key FROM passages)) + (SELECT count(*) FROM texts WHERE {DOCUMENT} NOT IN (SELECT key FROM documents))",
    "documents have metadata that is not JSON": f"SELECT count(*) FROM documents WHERE NOT {_IS_OBJECT}",
    "values of metadata are not those that filters read": f"SELECT count(*) FROM ("
    f" SELECT * FROM ({_VALUES} EXCEPT {_FILTERED}) UNION ALL SELECT * FROM ({_FILTERED} EXCEPT {_VALUES}))",
}
