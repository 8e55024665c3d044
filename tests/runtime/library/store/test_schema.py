"""A new library's file has the tables of those that were made before."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bundles import FORMATS
from nestling.errors import LibraryError
from nestling.library.store import migration
from nestling.library.store.database import Database
from stored import opened

TABLES = (
    "meta",
    "documents",
    "texts",
    "places",
    "hashes",
    "passages",
    "fine",
    "widths",
    "metadata",
    "files",
    "folders",
    "full_text",
)


def described(db: sqlite3.Connection) -> dict[str, Any]:
    """All that SQLite says of the tables, their columns and indexes, but for defaults: what is written is given whole.

    Older files of this format were brought up to it by ALTER TABLE, so their statements read otherwise.
    """
    found: dict[str, Any] = {
        row[0]: row[1] for row in db.execute("SELECT name, type FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
    }
    for table in TABLES:
        found[f"columns of {table}"] = [
            (name, kind, not_null, key)
            for _, name, kind, not_null, _, key in db.execute(f"PRAGMA table_info({table})").fetchall()
        ]
        found[f"keys of {table}"] = [row[2:] for row in db.execute(f"PRAGMA foreign_key_list({table})")]
        for _, name, unique, origin, partial in db.execute(f"PRAGMA index_list({table})").fetchall():
            columns = [row[2] for row in db.execute(f"PRAGMA index_info({name})")]
            found[f"index {name}"] = (columns, unique, origin, partial)
    for name in ("full_text", "passage_text", "passages_revision"):
        found[f"statement of {name}"] = (
            db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0].split()
        )
    found["settings"] = db.execute("SELECT k, v FROM full_text_config WHERE k != 'version' ORDER BY k").fetchall()
    found["numbers"] = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    return found


@pytest.mark.parametrize("version", ["v4", "v5"])
def test_a_new_file_equals_one_that_was_brought_up_to_this_format(tmp_path: Path, version: str) -> None:
    Database(tmp_path / "new.nest", create=True).close()
    frozen = Path(shutil.copy(FORMATS / version / "library.nest", tmp_path / "frozen.nest"))
    migration.opened(frozen, create=False).close()
    with opened(tmp_path / "new.nest") as new, opened(frozen) as old:
        assert described(new) == described(old)


def test_files_of_formats_that_were_never_released_are_refused_and_kept(tmp_path: Path) -> None:
    frozen = Path(shutil.copy(FORMATS / "v4" / "library.nest", tmp_path / "a.nest"))
    with opened(frozen) as db:
        db.execute("PRAGMA user_version = 3")
    before = frozen.read_bytes()
    message = f"{frozen}: has format 3, this Nestling reads 5; add its files to a new library"
    with pytest.raises(LibraryError, match=f"^{re.escape(message)}$"):
        Database(frozen, create=False)
    assert frozen.read_bytes() == before
