"""The full-text index of a library's file (SQLite's FTS5): passages by their words, ranked by BM25.

FTS5 keeps the words of what was removed until its parts are merged, and has to be told what it indexed to remove it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from .database import Database
from .schema import WORDS
from .texts import FROM, PASSAGE, passage_rows
from .words import TOKENIZER, VERSION, indexed, indexed_title

_WEIGHTS = {"title": 2.0, "body": 1.0}
_MAX_ROWS = 2**62
_HAS_REMOVED_WORDS = "unpurged"
_PURGES = "purges"
_PASSAGES_AT_PURGE = "purged_passages"
# From so many passages on a merge takes a second, in which nobody else can write: it is left to removals.
_MOST_MERGED = 100_000
_PURGES_A_REBUILD = 500


def insert(db: Database, title: str, passages: Iterable[tuple[int, str]]) -> None:
    """Index passages of a document, each a key and its text; inside `writing`.

    Args:
        title: the document's, as `words.indexed_title` gives it.
    """
    rows = ((key, title, indexed(body)) for key, body in passages)
    db.executemany("INSERT INTO full_text (rowid, title, body) VALUES (?, ?, ?)", rows)


def delete(db: Database, title: str, passages: Iterable[tuple[int, str]]) -> None:
    """Take passages out, given as they were inserted; their words stay in the file until `purge`; inside `writing`."""
    statement = "INSERT INTO full_text (full_text, rowid, title, body) VALUES ('delete', ?, ?, ?)"
    db.executemany(statement, ((key, title, indexed(body)) for key, body in passages))
    db.set_meta(_HAS_REMOVED_WORDS, "1")


def rebuild(db: Database) -> None:
    """Make the index anew from the texts; inside `writing`. FTS5 can do so by itself, but stops at a damaged text."""
    db.execute("INSERT INTO full_text (full_text) VALUES ('delete-all')")
    select = f"SELECT passages.key, title, source, copies, {PASSAGE} {FROM} ORDER BY passages.key"
    rows = passage_rows(db.execute(select))
    statement = "INSERT INTO full_text (rowid, title, body) VALUES (?, ?, ?)"
    db.executemany(statement, ((key, indexed_title(*named), indexed(body)) for key, *named, body in rows))
    db.set_meta(WORDS, VERSION)


def purge(db: Database) -> None:
    """Rewrite the index as one part without the words of removed passages, and give back the room; inside `writing`.

    `optimize` merges all parts. Each time FTS5 adds two levels to what it knows of the parts, and with SQLite 3.40
    calls the index malformed once these are 2,000; `rebuild` begins anew, for the price of reading all passages.
    """
    purges = int(db.meta(_PURGES) or 0) + 1
    if purges % _PURGES_A_REBUILD == 0:
        rebuild(db)
    db.execute("INSERT INTO full_text (full_text) VALUES ('optimize')")
    db.set_meta(_PURGES, str(purges))
    db.set_meta(_PASSAGES_AT_PURGE, str(_passages(db)))
    db.execute("DELETE FROM meta WHERE key = ?", (_HAS_REMOVED_WORDS,))
    db.give_back()


def has_removed_words(db: Database) -> bool:
    """Whether words of removed passages are in the index."""
    return db.meta(_HAS_REMOVED_WORDS) is not None


def has_doubled(db: Database) -> bool:
    """Whether there are more than twice as many passages as at the last `purge`, and few enough for one; what such
    purges merge is at most twice what was ever added."""
    return 2 * int(db.meta(_PASSAGES_AT_PURGE) or 0) < _passages(db) <= _MOST_MERGED


def matching(db: Database, match: str, limit: int) -> int:
    """How many passages match an FTS5 expression, counted up to a limit."""
    counted = "SELECT count(*) FROM (SELECT 1 FROM full_text WHERE full_text MATCH ? LIMIT ?)"
    return int(db.execute(counted, (match, min(limit, _MAX_ROWS))).fetchone()[0])


def ranked(db: Database, match: str, limit: int, *, allowed: bool) -> list[tuple[int, float]]:
    """Passages that match an FTS5 expression, best BM25 first: `(key, score)`, higher is better.

    Args:
        allowed: only those that `passages.allow` holds.
    """
    # The order of the columns is in the file. The plus keeps SQLite from asking the full text anew for each key.
    weights = ", ".join(str(_WEIGHTS[row[1]]) for row in db.execute("PRAGMA table_info(full_text)"))
    among = " AND +rowid IN (SELECT key FROM allowed)" if allowed else ""
    rows = db.execute(
        f"SELECT rowid, -bm25(full_text, {weights}) AS score FROM full_text"
        f" WHERE full_text MATCH ?{among} ORDER BY score DESC, rowid LIMIT ?",
        (match, min(limit, _MAX_ROWS)),
    )
    return [(int(key), float(score)) for key, score in rows]


class Asked(Protocol):
    """What runs SQL: a library's file, or a database in memory."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any: ...

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Any: ...


def marked(db: Asked, match: str, texts: Mapping[int, str], before: str, after: str) -> dict[int, str]:
    """Those of some texts, given as `words.indexed` gives them, that match an FTS5 expression, with marks around what
    matched.

    They are indexed by themselves, in memory: the large index would be asked for every word of every text.
    """
    db.execute(f'CREATE VIRTUAL TABLE IF NOT EXISTS temp.shown USING fts5 (body, tokenize = "{TOKENIZER}")')
    db.execute("DELETE FROM temp.shown")
    db.executemany("INSERT INTO temp.shown (rowid, body) VALUES (?, ?)", texts.items())
    select = "SELECT rowid, highlight(shown, 0, ?, ?) FROM temp.shown WHERE shown MATCH ?"
    return dict(db.execute(select, (before, after, match)))


def _passages(db: Database) -> int:
    return int(db.rows("SELECT count(*) FROM passages")[0][0])
