"""What makes and compares a library's vectors: the encoders of a bundle, their widths, and the bits of all passages."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from ..errors import BundleError
from .intake.document_width import resolve_document_width
from .intake.encoders import Encoders
from .intake.remembered_bundle import installed_with
from .search.bit_cache import SharedBits
from .search.query import By, Mode, Question, question
from .store.database import Database
from .store.earlier import read_earlier
from .store.filters import Where


@dataclass(frozen=True, eq=False)
class Space:
    """What makes and compares a library's vectors, of one bundle.

    Attributes:
        encoders: of the bundle.
        document_width, query_width: those of new documents, and of queries.
        bits: of all passages.
        earlier: of the bundle that the library is brought over from; None where it is not, or that is not at hand.
        earlier_width: what queries are encoded at by these.
    """

    encoders: Encoders
    document_width: str
    query_width: str
    bits: SharedBits
    earlier: Encoders | None = None
    earlier_width: str = ""

    @property
    def name(self) -> str:
        """What vectors have to be of to be compared with these."""
        return self.encoders.bundle.space

    def question(self, query: str, k: int, mode: Mode, where: Where | None, by: By, exact: bool) -> Question:
        """The question that a search asks; see `query.question`."""
        before = self.earlier
        return question(
            query, k, mode, where, by, exact,
            encoder=lambda: self.encoders.of(self.query_width),
            relevance=self.encoders.relevance,
            earlier=None if before is None else lambda: before.of(self.earlier_width),
        )  # fmt: skip

    def close(self) -> None:
        """Close the encoders that were made for it."""
        self.encoders.close()
        if self.earlier is not None:
            self.earlier.close()


def space_of(
    db: Database, encoders: Encoders, document_width: str | None, query_width: str | None,
    earlier: Encoders | None = None,
) -> Space:  # fmt: skip
    """What makes and compares the vectors of a library.

    Args:
        document_width, query_width: that are asked for, see `Library`.
        earlier: of the bundle that it is brought over from; None for the installed one, if that is.

    Raises:
        LibraryError: its vectors are of another space, or have another dim.
    """
    width = resolve_document_width(db, encoders, document_width)
    with db.reading():
        before = read_earlier(db)
    if earlier is None and before is not None:
        with suppress(BundleError):  # it does without one that is damaged
            found = installed_with(before.bundle, before.space)
            earlier = None if found is None else Encoders(found, None, db.path)
    space = Space(encoders, width, query_width or width, SharedBits(encoders.code_dim))
    if before is None or earlier is None or earlier.code_dim != before.dim:
        return space
    known = before.width in earlier.bundle.widths
    return replace(space, earlier=earlier, earlier_width=before.width if known else earlier.default_width)
