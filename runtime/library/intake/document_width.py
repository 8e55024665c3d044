"""What a library's file says of the encoders that it was made with, and whether those at hand can go on with it."""

from __future__ import annotations

from ...errors import LibraryError
from ..store.documents import Store
from ..store.schema import FIRST_WIDTH
from .encoders import Encoders

_WIDTH = "width"


def adopt(store: Store, encoders: Encoders, width: str | None) -> str:
    """Check that the file's vectors can be compared with the encoders'; a new file takes their mark.

    Args:
        width: the document width that is asked for.

    Returns:
        The document width: that which is asked for; else that of the encoder that was given; else what the file
        remembers, where the bundle has it; else the bundle's default.

    Raises:
        LibraryError: the vectors are of another space, or have another dim.
    """
    bundle = encoders.bundle
    width = width or encoders.width
    mine = {"space": bundle.space, "dim": str(encoders.dim)}
    if store.meta("space") is None and not store.read_only:
        with store.writing():
            if store.meta("space") is None:  # unless another process was first
                for key, value in {**mine, "bundle": bundle.name, _WIDTH: width or bundle.widths[0]}.items():
                    store.set_meta(key, value)
    theirs = {key: store.meta(key) for key in mine}
    if theirs != mine:
        name = store.meta("bundle")
        raise LibraryError(
            f"{store.path}: was made with bundle {name} (space {str(theirs['space'])[:8]}, dim {theirs['dim']}), "
            f"not {bundle.name} (space {bundle.space[:8]}, dim {encoders.dim}); open it with "
            "that bundle, or make a new library"
        )
    before = remembered_width(store)
    return width or (before if before in bundle.widths else bundle.widths[0])


def remembered_width(store: Store) -> str:
    """The document width that the file remembers."""
    return store.meta(_WIDTH) or FIRST_WIDTH


def remember_width(store: Store, width: str) -> None:
    """Make the file remember a document width, unless it does."""
    if remembered_width(store) != width:
        with store.writing():
            store.set_meta(_WIDTH, width)
