"""The errors Nestling raises on purpose: one sentence that says what was found, what was expected, what to do next."""

from __future__ import annotations


class NestlingError(ValueError):
    """A known error with a message for a person; the command line prints it in one line and exits 1."""


class BundleError(NestlingError):
    """A bundle is missing or damaged, has an unknown format, or lacks the width or precision asked for."""


class IndexFileError(NestlingError):
    """An index file is missing or damaged, or has an unknown format."""


class LibraryError(NestlingError):
    """A library cannot be opened or written, or was made with another bundle."""


class BusyError(LibraryError):
    """A library was locked by another writer for too long; try again."""


class ChangedError(BusyError):
    """A library that may only be read was changed by its owner during a read; try again."""


class QueryError(NestlingError):
    """A query or a filter is not valid."""


class TruncationWarning(UserWarning):
    """Texts were longer than the encoder reads; the message says how many, and how much was left out."""
