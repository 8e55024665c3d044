"""The errors Nestling raises on purpose: one sentence that says what was found, what was expected, what to do next."""

from __future__ import annotations


class NestlingError(ValueError):
    """A known error with a message for a person; the command line prints it in one line and exits 1."""


class BundleError(NestlingError):
    """A bundle that is missing, damaged, of another format, or asked for something that it does not hold."""


class IndexFileError(NestlingError):
    """An index file that is missing, damaged, or of another format."""


class LibraryError(NestlingError):
    """A library file that cannot be opened, or that belongs to another bundle."""


class BusyError(LibraryError):
    """A library file that another process, or another thread, is writing to for long."""


class ChangedError(BusyError):
    """A library file that may only be read, and that was changed by its owner while it was read."""


class QueryError(NestlingError):
    """A query or a filter that cannot be answered as it stands."""


class TruncationWarning(UserWarning):
    """Texts were longer than the encoder reads; the message says how many, and how much was left out."""
