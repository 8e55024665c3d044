"""Which bundle a library is opened with, where it is not given: the installed one that it was made with."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ...bundle.installed import DEFAULT, installed
from ...bundle.manifest import Bundle, read_bundle
from ...errors import LibraryError, NestlingError
from ..store.database import Database

if TYPE_CHECKING:
    from ...encoding.encoder import Encoder


def given_or_remembered(
    encoder: Encoder | Bundle | None, bundle: str | Path | Bundle | None, path: Path
) -> Encoder | Bundle | None:
    """What a library is to be opened with, as `Library` is given it; None for the bundle that ships with Nestling.

    Raises:
        BundleError: the bundle cannot be read.
        NestlingError: both are given.
    """
    if encoder is not None and bundle is not None:
        raise NestlingError("encoder and bundle are both given, expected one of them")
    if encoder is not None:
        return encoder
    if bundle is not None:
        return bundle if isinstance(bundle, Bundle) else read_bundle(bundle)
    return remembered_bundle(path)


def remembered_bundle(path: Path) -> Bundle | None:
    """The installed bundle that a library was made with.

    Returns:
        None where that is not installed, and for what is no library, which opening it tells better.

    Raises:
        BundleError: it is installed, and damaged.
    """
    if not path.exists():
        return None
    try:
        with closing(Database(path, create=False)) as db:
            name, space = db.meta("bundle"), db.meta("space")
    except LibraryError:
        return None
    return None if name == DEFAULT else installed_with(name, space)


def installed_with(name: str | None, space: str | None) -> Bundle | None:
    """The installed bundle of a name, where its vectors can be compared with those of a space.

    Raises:
        BundleError: it is installed, and damaged.
    """
    folder = None if name is None else installed().get(name)
    found = None if folder is None else read_bundle(folder.resolve())
    return found if found is not None and found.space == space else None
