"""Is a library file sound, and what can be made good from what is left.

The text of the documents is the truth. What was derived from it (codes, full text, the metadata as filters read it)
is compared with it and can be made again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from ...errors import BusyError, LibraryError
from . import file_state as tracked
from . import schema
from .documents import Keys, Store, digest_of
from .texts import PART, deflated, inflated, is_whole

SAMPLED = 2000
_AT_ONCE = 512
_NAMED = 5


@dataclass(frozen=True)
class Damage:
    """What is wrong with a library.

    Attributes:
        sentences: one for each kind of damage; empty for a sound library.
        documents: ids of those whose passages or codes have to be made again.
        derived: whether the full text, the metadata table or rows without a document have to be mended.
        beyond: whether SQLite itself calls the file damaged.
    """

    sentences: tuple[str, ...]
    documents: tuple[str, ...] = ()
    derived: bool = False
    beyond: bool = False


def described(store: Store) -> dict[str, Any]:
    """What a library holds and what made it, by name; sizes in bytes; inside `reading`."""
    failed = tracked.failures(store)
    return {
        "path": str(store.path),
        "documents": store.count("documents"),
        "passages": store.count("passages"),
        **{f"passages of {width}": count for width, count in store.widths().items()},
        "files": store.count("files"),
        "folders": [folder.path for folder in tracked.folders(store)],
        "synced": store.meta("synced"),
        "failures": len(failed),
        "bytes": store.file_bytes(),
        **{f"bytes of {part}": size for part, size in _parts(store).items()},
        "bundle": store.meta("bundle"),
        "space": store.meta("space"),
    }


def _parts(store: Store) -> dict[str, int]:
    """Bytes of the values of each part; what SQLite needs around them, and free pages, are not in these."""
    sums = {
        "text": "SELECT sum(length(CAST(text AS BLOB)) + length(CAST(title AS BLOB))) FROM documents",
        "metadata": "SELECT sum(length(CAST(metadata AS BLOB))) FROM documents",
        "bits": "SELECT sum(length(bits)) FROM passages",
        "fine codes": "SELECT sum(length(code)) FROM fine",
        "full text": "SELECT sum(length(block)) FROM full_text_data",
    }
    return {part: int(store.execute(sql).fetchone()[0] or 0) for part, sql in sums.items()}


def damage(store: Store, dim: int, *, full: bool = False) -> Damage:
    """What SQLite, the full-text index, the foreign keys, the codes and their digests say is wrong.

    Args:
        dim: of the vectors.
        full: compare every passage with its digest, rather than 2,000 spread over all.

    Raises:
        BusyError: another process is writing to the file.
    """
    sentences: list[str] = []
    ids: dict[str, None] = {}
    lost: dict[str, bytes] = {}
    beyond = derived = False
    try:
        rotten = [row[0] for row in store.execute("PRAGMA integrity_check") if row[0] != "ok"]
        # A full text that contradicts its texts is reported here as well; it is asked for by itself below.
        beyond = any("fts5" not in one for one in rotten)
        sentences += [one for one in rotten if "fts5" not in one]
        for row in store.execute("PRAGMA foreign_key_check"):
            sentences.append(f"{row[0]} has a row without its {row[2]}")
            derived = True
        for what, selected in _DOCUMENTS.items():
            found = store.execute(selected, {"dim": dim}).fetchall()
            if found:
                sentences.append(f"{sum(row[1] for row in found)} {what}")
                ids |= dict.fromkeys(row[0] for row in found)
        if lost := _damaged_texts(store):
            sentences.append(f"{len(lost)} documents have text of which a part cannot be read: {_named(lost)}")
            ids |= dict.fromkeys(lost)
            derived = True
        for what, counted in _DERIVED.items():
            if count := store.execute(counted).fetchone()[0]:
                sentences.append(f"{count} {what}")
                derived = True
        for what, wrong in _compared(store, dim, full).items():
            if wrong:
                sentences.append(f"{len(wrong)} passages have {what}")
                ids |= dict.fromkeys(wrong)
    except (sqlite3.Error, ValueError) as error:
        sentences.append(str(error))
        beyond = True
    try:
        # FTS5 compares with the texts, and a damaged one may be anything; it is made anew where there is one.
        if not store.read_only and not lost:
            # At the end of a transaction FTS5 lets go of what it read, where it found damage as well.
            with store.reading():
                store.rows("INSERT INTO full_text (full_text, rank) VALUES ('integrity-check', 1)")
    except BusyError:
        raise
    except LibraryError as error:
        sentences.append(f"the full-text index is not that of the passages ({error.__cause__})")
        derived = True
    return Damage(tuple(dict.fromkeys(sentences)), tuple(ids), derived, beyond)


def mend(store: Store) -> None:
    """Make again what is derived from the documents, codes aside, and drop what belongs to none; inside `writing`."""
    store.execute("DELETE FROM passages WHERE document NOT IN (SELECT key FROM documents)")
    store.execute("DELETE FROM fine WHERE key NOT IN (SELECT key FROM passages)")
    store.execute(f"UPDATE documents SET metadata = '{{}}' WHERE NOT {_IS_OBJECT}")
    for id, text in _damaged_texts(store).items():
        tracked.read_again(store, store.source(id) or "")
        store.execute("UPDATE documents SET text = ? WHERE id = ?", (deflated(inflated(text)), id))
    store.execute("DELETE FROM metadata")
    store.execute(schema.FILL_METADATA)
    store.rebuild()


def _damaged_texts(store: Store) -> dict[str, bytes]:
    """Those texts, by document id, as they are stored."""
    stored = store.execute("SELECT id, text FROM documents WHERE typeof(text) = 'blob'")
    return {id: text for id, text in stored if not is_whole(text)}


def _named(ids: Iterable[str]) -> str:
    some = list(islice(ids, _NAMED + 1))
    return ", ".join(map(repr, some[:_NAMED])) + (" and more" if len(some) > _NAMED else "")


def _compared(store: Store, dim: int, full: bool) -> dict[str, list[str]]:
    """Ids of documents, one for each passage, by what is wrong with its codes."""
    wrong: dict[str, list[str]] = {"codes that contradict each other": [], "codes that are not those of their text": []}
    contradictory, foreign = wrong.values()
    for id, title, bits, record, digest, text in _coded(store, dim, full):
        signs = np.unpackbits(np.frombuffer(bits, dtype=np.uint8), bitorder="little").astype(np.bool_)
        values = np.frombuffer(record, dtype=np.int8, offset=4)
        if ((values != 0) & ((values > 0) != signs)).any():
            contradictory.append(id)
        elif digest is not None and digest != digest_of(title, text, bits, record):
            foreign.append(id)
    return wrong


def _coded(store: Store, dim: int, full: bool) -> Iterator[tuple[str, str, bytes, bytes, bytes | None, str]]:
    """Id, title, bits, int8 record, digest and text of passages with codes of the right size."""
    keys = store.keys()
    if not full and len(keys) > SAMPLED:
        keys = keys[np.linspace(0, len(keys) - 1, SAMPLED).astype(np.int64)]
    for begin in range(0, len(keys), _AT_ONCE):
        yield from _rows(store, keys[begin : begin + _AT_ONCE], dim)


def _rows(store: Store, keys: Keys, dim: int) -> list[tuple[str, str, bytes, bytes, bytes | None, str]]:
    return store.cut(
        f"SELECT id, title, bits, code, digest, {PART} FROM passages JOIN fine ON fine.key = passages.key"
        " JOIN documents ON documents.key = document"
        " WHERE passages.key IN (SELECT value FROM json_each(?)) AND length(bits) = ? / 8 AND length(code) = ? + 4"
        " AND typeof(bits) = 'blob' AND typeof(code) = 'blob'",
        (str(keys.tolist()), dim, dim),
    )


_OWNED = "FROM passages LEFT JOIN fine USING (key) JOIN documents ON documents.key = passages.document WHERE"
_DOCUMENTS = {
    "passages have no fine code": f"SELECT id, count(*) {_OWNED} code IS NULL GROUP BY id",
    "passages have codes of another size": f"SELECT id, count(*) {_OWNED} length(bits) != :dim / 8"
    " OR length(code) != :dim + 4 OR typeof(bits) != 'blob' OR typeof(code) NOT IN ('blob', 'null') GROUP BY id",
    "passages are of a width without a name": "SELECT id, count(*) FROM passages JOIN documents"
    " ON documents.key = document WHERE width NOT IN"
    " (SELECT key FROM widths WHERE typeof(name) = 'text' AND name != '') GROUP BY id",
    "documents have no passage": "SELECT id, 1 FROM documents"
    " WHERE NOT EXISTS (SELECT 1 FROM passages WHERE document = documents.key)",
}
_IS_OBJECT = "CASE WHEN json_valid(documents.metadata) THEN json_type(documents.metadata) = 'object' ELSE 0 END"
_VALUES = f"{schema.METADATA_VALUES} WHERE {_IS_OBJECT}"
_FILTERED = "SELECT name, kind, value, document FROM metadata"
_DERIVED = {
    "documents have metadata that is not JSON": f"SELECT count(*) FROM documents WHERE NOT {_IS_OBJECT}",
    "values of metadata are not those that filters read": f"SELECT count(*) FROM ("
    f" SELECT * FROM ({_VALUES} EXCEPT {_FILTERED}) UNION ALL SELECT * FROM ({_FILTERED} EXCEPT {_VALUES}))",
}
