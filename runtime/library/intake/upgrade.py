"""A library is brought over to another bundle: searched with it at once, encoded with it one passage after another.

What the earlier bundle says of some passages is compared with what the later one says of them. By what is found so, all
earlier codes are read as if they were the later bundle's, or their scores brought in line where the earlier one is at
hand to encode queries, until `refine` has made those of the later one in their place. Nothing that was there is written
again for that, so it takes as long for a million passages as for ten thousand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Floats
from ...errors import LibraryError, NestlingError
from ...vectors.alignment import compared
from ...vectors.codes import FineCodes, padded, padded_dim
from ..store import earlier, failures, migration, passage_codes, passages
from ..store.database import Database
from .chunk import heading_of, with_heading
from .document_width import described_by
from .encoders import Encoders
from .remembered_bundle import installed_with

if TYPE_CHECKING:
    from ...encoding.encoder import Encoder

COMPARED = 2000  # passages; as many are encoded with the later bundle before anything is changed
_LEAST = 0.35
_AT_ONCE = 64

Progress = Callable[[int, int], None]


def upgrade_file(path: Path, encoders: Encoders, width: str, anew: bool, progress: Progress) -> float | None:
    """Bring a library over to the bundle of these encoders; that of before is not needed.

    Args:
        path: the library's file.
        width: what its documents are to be encoded at.
        anew: compare nothing: its passages are found by words alone until they are encoded.
        progress: called with the passages that are compared and those that are to be.

    Returns:
        The share of the nearest passages that stay the nearest ones, see `alignment.Comparison`; None where nothing was
        compared, as there are too few passages or `anew` is asked for.

    Raises:
        LibraryError, NestlingError: see `Library.upgrade`; nothing was changed.
    """
    with closing(migration.opened(path, create=False)) as db:
        if db.read_only:
            raise failures.cannot_be_written(path)
        return _begun(db, encoders, width, anew, progress)


def _begun(db: Database, encoders: Encoders, width: str, anew: bool, progress: Progress) -> float | None:
    _require_other(db, encoders)
    space = db.meta("space")
    found = None
    keys = passages.keys(db)
    if len(keys) > COMPARED and not anew:
        some = keys[np.linspace(0, len(keys) - 1, COMPARED).astype(np.int64)]
        found = compared(*_both(db, some.tolist(), encoders.of(width), progress))
        if found.kept < _LEAST and installed_with(db.meta("bundle"), space) is None:
            raise NestlingError(_too_little(db.path, db.meta("bundle"), encoders.bundle.name, found.kept))
    with db.writing():
        if db.meta("space") != space:
            raise NestlingError(f"{db.path}: was brought over by another process meanwhile; nothing was changed")
        if space is None:
            for key, value in described_by(encoders, width).items():
                db.set_meta(key, value)
            return None
        earlier.begin(db, described_by(encoders, width), found, mapped=found is not None and found.kept >= _LEAST)
        earlier.end(db)  # where nothing is in it
    return None if found is None else found.kept


def _require_other(db: Database, encoders: Encoders) -> None:
    name = encoders.bundle.name
    before = earlier.read_earlier(db)
    if db.meta("space") == encoders.bundle.space:
        if before is None:
            raise NestlingError(f"{db.path}: is of bundle {name} already; nothing was changed")
        raise NestlingError(
            f"{db.path}: is being brought over to {name} already; go on with: nestling refine {db.path}"
        )
    if before is not None:
        raise NestlingError(
            f"{db.path}: is being brought over from {before.bundle} to {db.meta('bundle')}; before it is to another, "
            f"finish that with: nestling refine {db.path}"
        )


def _both(db: Database, keys: list[int], encoder: Encoder, progress: Progress) -> tuple[Floats, Floats]:
    """The vectors of some passages, as their codes have them and as the encoder does."""
    with db.reading():
        dim = padded_dim(int(db.meta("dim") or 0))
        condition = "passages.key IN (SELECT value FROM json_each(?))"
        found = [one for one in passage_codes.passages(db, condition, (json.dumps(keys),)) if one.intact]
        if len(found) < len(keys) // 2:
            raise LibraryError(f"{db.path}: is damaged; see what is wrong with: nestling check {db.path}")
        records = np.frombuffer(b"".join(one.codes.record for one in found), dtype=np.uint8).reshape(len(found), -1)
        before = FineCodes.of_records("int8", dim, records).decode()
        if not np.isfinite(before).all():
            raise ValueError("codes that are no numbers")
    texts = [
        with_heading(heading_of(title, "", encoder.tokens), text) for title, text in (one.encoded for one in found)
    ]
    after = []
    for start in range(0, len(texts), _AT_ONCE):
        some = [encoder.tokens.readable(text, "document") for text in texts[start : start + _AT_ONCE]]
        after.append(encoder.encode(some, role="document"))
        progress(min(start + _AT_ONCE, len(texts)), len(texts))
    return before, padded(np.concatenate(after))


def _too_little(path: Path, before: str | None, after: str, kept: float) -> str:
    return (
        f"{path}: what bundle {before} says of its passages tells too little of what {after} says: {kept:.0%} of the "
        f"nearest stay the nearest, expected {_LEAST:.0%}; nothing was changed; with --anew they are found by words "
        "alone until they are encoded"
    )
