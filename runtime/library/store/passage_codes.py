"""The codes of a library's passages, with what tells whose they are: found by the text that they are of, replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from . import earlier
from .database import Database
from .texts import FROM, PASSAGE, passage_rows
from .words import stem

_AT_ONCE = 500
_STALE = (
    f"SELECT passages.key, title, source, {PASSAGE} {FROM} WHERE width NOT IN (SELECT key FROM widths WHERE name = ?)"
)


Encoded = tuple[str, str]


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


class Passage(NamedTuple):
    """A passage with its codes.

    Attributes:
        id: its document's.
        encoded: what was encoded for it, see `encoded_text`.
        codes: its own; the width is None where it has no name.
        intact: whether title, text and codes are what their digest says.
    """

    id: str
    encoded: Encoded
    codes: Codes
    intact: bool


def passages(db: Database, condition: str, parameters: Sequence[Any]) -> Iterator[Passage]:
    """Passages that meet a condition of this package's own, in the order of their keys."""
    select = (
        f"SELECT id, title, source, bits, code, name, digest, {PASSAGE} {FROM}"
        " JOIN fine ON fine.key = passages.key LEFT JOIN widths ON widths.key = width"
    )
    rows = passage_rows(db.stream(f"{select} WHERE {condition} ORDER BY passages.key", parameters))
    for id, title, source, bits, record, width, digest, text in rows:
        intact = digest is None or digest == digest_of(title, text, bits, record)
        yield Passage(id, encoded_text(title, source, text), Codes(bits, record, width), intact)


def of_texts(db: Database, texts: Sequence[Encoded], width: str) -> dict[Encoded, Codes]:
    """The codes of passages for which the same was encoded, where there are any; those of a width rather than others.

    Without those that are not what their digest says, those of a width without a name, and those of an earlier bundle.
    """
    condition = "passages.key IN (SELECT value FROM json_each(?))"
    if earlier.is_there(db):
        condition += f" AND width NOT IN ({earlier.WIDTHS})"
    found: dict[Encoded, Codes] = {}
    hashes = list({hash_of(text): text for text in texts})
    for begin in range(0, len(hashes), _AT_ONCE):
        # Of each hash the oldest passage and the newest, by the index alone: thousands may share one.
        ends = ", ".join(f"(SELECT {end}(passage) FROM hashes WHERE hash = value)" for end in ("min", "max"))
        rows = db.rows(f"SELECT {ends} FROM json_each(?)", (json.dumps(hashes[begin : begin + _AT_ONCE]),))
        keys = json.dumps([key for row in rows for key in row if key is not None])
        for _, text, codes, intact in passages(db, condition, (keys,)):
            if intact and codes.width is not None and (text not in found or codes.width == width):
                found[text] = codes
    return found


def widths(db: Database) -> dict[str, int]:
    """How many passages are of each width."""
    counts = "SELECT width, count(*) AS passages FROM passages GROUP BY width"
    select = f"SELECT coalesce(name, 'no name'), passages FROM ({counts}) LEFT JOIN widths ON widths.key = width"
    return dict(db.rows(f"{select} ORDER BY 1"))


def stale(db: Database, width: str, below: int, limit: int) -> list[Stale]:
    """Passages of other widths than one with keys below another, the newest first, so many at the most."""
    select = f"{_STALE} AND passages.key < ? ORDER BY passages.key DESC LIMIT ?"
    return [Stale(*row) for row in passage_rows(db.stream(select, (width, below, limit)))]


def ids_of(db: Database, keys: Sequence[int]) -> list[str]:
    """The id of the document of each of some passages that are there, in the order of their keys."""
    select = "SELECT id FROM passages JOIN documents ON documents.key = document"
    where = "WHERE passages.key IN (SELECT value FROM json_each(?)) ORDER BY passages.key"
    return [str(row[0]) for row in db.rows(f"{select} {where}", (json.dumps(list(keys)),))]


def recode(db: Database, stale: Stale, codes: Codes) -> bool:
    """Write other codes for a passage; false where it is gone, reads otherwise than it did, or is of their width by
    now; inside `writing`.

    Its key and its words stay. That it has changed is seen by its revision: the generation that it is changed in.
    """
    now = passage_rows(db.stream(f"{_STALE} AND passages.key = ?", (codes.width, stale.key)))
    if list(now) != [tuple(stale)]:
        return False
    width = width_number(db, codes.width)
    if earlier.is_there(db):
        earlier.recoded(db, stale.key)
        db.execute("UPDATE passages SET bits = ?, width = ? WHERE key = ?", (codes.bits, width, stale.key))
    else:
        update = "UPDATE passages SET bits = ?, width = ?, revision = ? WHERE key = ?"
        db.execute(update, (codes.bits, width, db.generation + 1, stale.key))
    digest = digest_of(stale.title, stale.text, codes.bits, codes.record)
    db.execute("UPDATE fine SET code = ?, digest = ? WHERE key = ?", (codes.record, digest, stale.key))
    return True


def width_number(db: Database, name: str) -> int:
    """The number that stands for a width in the file; inside `writing`."""
    row = db.execute("SELECT key FROM widths WHERE name = ?", (name,)).fetchone()
    return int(row[0] if row else db.execute("INSERT INTO widths (name) VALUES (?)", (name,)).lastrowid or 0)


def digest_of(title: str, text: str, bits: bytes, record: bytes) -> bytes:
    """8 bytes that tell whether a passage, its document's title and its codes still belong together."""
    return _digest(8, title.encode(), text.encode(), bits, record)


def encoded_text(title: str, source: str, text: str) -> Encoded:
    """What is encoded for a passage: its document's title where that is not the name of the file, and its text."""
    return ("" if title == stem(source) else title, text)


def hash_of(encoded: Encoded) -> int:
    """64 bits by which passages for which the same was encoded are found; others may have the same."""
    return int.from_bytes(_digest(8, *(part.encode() for part in encoded)), "little", signed=True)


def _digest(size: int, *parts: bytes) -> bytes:
    digest = blake2b(digest_size=size)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()
