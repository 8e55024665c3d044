"""What a library that is brought over to another bundle was made with: an upgrade begins and ends here.

Codes of the earlier bundle stay where they are until `refine` has made those of the later one in their place. What
tells them apart is the number of their width; how their vectors become those of the later bundle lies beside. While
such codes are there the file has a format of its own, which an older Nestling does not open.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...arrays import Keys, Mask
from ...vectors.alignment import AS_IT_IS, Alignment, Comparison, Scale
from ...vectors.codes import padded_dim
from . import schema
from .database import Database

# The numbers of its widths, inside SQL; only where there is one.
WIDTHS = "SELECT value FROM earlier, json_each(earlier.widths)"
ENDED = "brought over"  # in `meta`: the generation in which the last upgrade ended
_MOST_DIM = 1 << 16
_LARGEST_SCALE = 100.0
_NAME = "earlier "  # before the name of a width, as `info` shows it


@dataclass(frozen=True, eq=False)
class Earlier:
    """The bundle that a library was made with, some of whose codes are there still.

    Attributes:
        bundle, space: its name, and what its vectors can be compared in.
        dim: of its codes.
        width: that its documents were encoded at.
        widths: the numbers of its widths.
        alignment: how its vectors become those of the later bundle; None where that is not known.
        mapped, alone: what scores are among those of the later bundle, see `alignment.Comparison`.
    """

    bundle: str
    space: str
    dim: int
    width: str
    widths: tuple[int, ...]
    alignment: Alignment | None
    mapped: Scale
    alone: Scale

    def __post_init__(self) -> None:
        if not (8 <= self.dim <= _MOST_DIM and self.dim % 8 == 0):
            raise ValueError(f"dim is {self.dim}, expected a multiple of 8 up to {_MOST_DIM}")
        if not (np.abs([*self.mapped, *self.alone]) < _LARGEST_SCALE).all():
            raise ValueError("the scales have numbers that are none")

    def has(self, widths: Keys) -> Mask:
        """(n,) bool, which of these numbers of widths are its own."""
        return np.isin(widths, self.widths)


def is_there(db: Database) -> bool:
    """Whether a library is being brought over."""
    return bool(db.rows("PRAGMA user_version")[0][0] == schema.UPGRADING)


def read_earlier(db: Database, held: Earlier | None = None) -> Earlier | None:
    """What a library is being brought over from; None where it is not.

    Args:
        held: what this gave before, which is given again where it is that still.

    Raises:
        ValueError: it is damaged.
    """
    if not is_there(db):
        return None
    ((bundle, space, dim, width, widths),) = db.rows("SELECT bundle, space, dim, width, widths FROM earlier")
    if held is not None and (held.space, held.widths) == (space, tuple(json.loads(widths))):
        return held
    ((stored, scales),) = db.rows("SELECT alignment, scales FROM earlier")
    later = padded_dim(int(db.meta("dim") or 0))
    alignment = None if stored is None else Alignment.of_bytes(stored, int(dim), later)
    mapped, alone = (Scale(*map(float, one)) for one in json.loads(scales))
    return Earlier(
        str(bundle), str(space), int(dim), str(width), tuple(map(int, json.loads(widths))), alignment, mapped, alone
    )


def begin(db: Database, later: Mapping[str, str], found: Comparison | None, *, mapped: bool) -> None:
    """Have all codes that are there be the earlier bundle's; inside `writing`.

    Args:
        later: what `meta` is to hold of the later bundle.
        found: what both bundles say of some passages; None where that was not asked.
        mapped: whether its map is worth being used.
    """
    numbers = [row[0] for row in db.rows("SELECT key FROM widths ORDER BY key")]
    stored = None if found is None or not mapped else found.alignment.to_bytes()
    scales = json.dumps([AS_IT_IS, AS_IT_IS] if found is None else [found.mapped, found.alone])
    dim = padded_dim(int(db.meta("dim") or 0))
    before = (db.meta("bundle"), db.meta("space"), dim, db.meta("width") or "", json.dumps(numbers), scales, stored)
    db.execute(
        "CREATE TABLE earlier (bundle TEXT NOT NULL, space TEXT NOT NULL, dim INTEGER NOT NULL, width TEXT NOT NULL,"
        " widths TEXT NOT NULL, scales TEXT NOT NULL, alignment BLOB)"
    )
    db.execute("INSERT INTO earlier VALUES (?, ?, ?, ?, ?, ?, ?)", before)
    db.execute("CREATE TABLE recoded (generation INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL)")
    db.execute("UPDATE widths SET name = ? || name", (_NAME,))
    for key, value in later.items():
        db.set_meta(key, value)
    db.execute(f"PRAGMA user_version = {schema.UPGRADING}")


def recoded(db: Database, key: int) -> None:
    """Note that a passage was given codes of the later bundle; inside `writing`.

    A range of keys for each transaction: a revision for each passage would make the file larger for good.
    """
    insert = "INSERT INTO recoded VALUES (?1, ?2, ?2) ON CONFLICT (generation) DO UPDATE"
    db.execute(f"{insert} SET first = min(first, ?2), last = max(last, ?2)", (db.generation + 1, key))


def is_done(db: Database) -> bool:
    """Whether there is an earlier bundle of whose codes none is left."""
    return is_there(db) and not db.rows(f"SELECT 1 FROM passages WHERE width IN ({WIDTHS}) LIMIT 1")


def end(db: Database) -> bool:
    """Forget the earlier bundle once none of its codes is left; whether it did; inside `writing`."""
    if not is_done(db):
        return False
    db.execute(f"DELETE FROM widths WHERE key IN ({WIDTHS})")
    db.execute("DROP TABLE earlier")
    db.execute("DROP TABLE recoded")
    db.execute(f"PRAGMA user_version = {schema.VERSION}")
    db.set_meta(ENDED, str(db.generation + 1))
    db.give_back()
    return True
