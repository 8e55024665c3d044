"""Which width a library's documents are encoded at, and whether its vectors can be compared with the encoders'."""

from __future__ import annotations

from ...errors import LibraryError
from ..store.database import Database
from .encoders import Encoders

_WIDTH = "width"


def resolve_document_width(db: Database, encoders: Encoders, width: str | None) -> str:
    """The document width of a library, once its vectors can be compared with the encoders'; a new file is given their
    space and dim.

    Args:
        width: the document width that is asked for.

    Returns:
        The document width: that which is asked for; else that of the encoder that was given; else what the file
        remembers, where the bundle has it; else the widest of the precision that is asked for, or the bundle's default.

    Raises:
        LibraryError: the vectors are of another space, or have another dim.
    """
    bundle = encoders.bundle
    width = width or encoders.width
    mine = {"space": bundle.space, "dim": str(encoders.dim)}
    if db.meta("space") is None and not db.read_only:
        with db.writing():
            if db.meta("space") is None:  # unless another process was first
                for key, value in described_by(encoders, width or encoders.default_width).items():
                    db.set_meta(key, value)
    theirs = {key: db.meta(key) for key in mine}
    if theirs != mine:
        name = db.meta("bundle")
        is_other = theirs["space"] != mine["space"]
        remedy = f"bring it over to this one with: nestling upgrade {db.path}" if is_other else "make a new library"
        raise LibraryError(
            f"{db.path}: was made with bundle {name} (space {str(theirs['space'])[:8]}, dim {theirs['dim']}), "
            f"not {bundle.name} (space {bundle.space[:8]}, dim {encoders.dim}); open it with "
            f"that bundle, or {remedy}"
        )
    before = stored_width(db)
    return width or (before if before in bundle.widths else encoders.default_width)


def described_by(encoders: Encoders, width: str) -> dict[str, str]:
    """What a library's file remembers of its encoders."""
    bundle = encoders.bundle
    return {"space": bundle.space, "dim": str(encoders.dim), "bundle": bundle.name, _WIDTH: width}


def stored_width(db: Database) -> str:
    """The document width that the file remembers."""
    return db.meta(_WIDTH) or ""


def store_width(db: Database, width: str) -> None:
    """Make the file remember a document width, unless it does already."""
    if stored_width(db) != width:
        with db.writing():
            db.set_meta(_WIDTH, width)
