"""Documents that another bundle's tokens cut into other passages, as a library is brought over to it."""

from __future__ import annotations

from dataclasses import dataclass

from ...document import Document
from ...encoding.tokens import Tokens
from ..store import documents, passage_codes
from ..store.database import Database
from ..store.passage_codes import Codes
from .chunk import Passage, passages_of


@dataclass(frozen=True)
class CutAnew:
    """A document with the passages that it is to have.

    Attributes:
        document: as it was read.
        passages: of it.
    """

    document: Document
    passages: list[Passage]

    def put(self, db: Database, codes: list[Codes]) -> int:
        """Write it, where it is as it was read; returns how many passages gave way; inside `writing`."""
        if documents.document(db, self.document.id) != self.document:
            return 0
        gone = len(documents.ranges(db, self.document.id))
        documents.put(db, self.document, [(one.start, one.stop) for one in self.passages], codes)
        return gone


def cut_anew(db: Database, keys: list[int], tokens: Tokens, same: set[str]) -> list[CutAnew]:
    """Of the documents that some passages are of, those that these tokens cut into others; without those whose text is
    damaged, which must not look sound.

    Args:
        same: ids of documents that they cut as they are cut: those of the passages before, and then of these.
    """
    found = []
    with db.reading():
        ids = dict.fromkeys(passage_codes.ids_of(db, keys))
        same.intersection_update(ids)
        for id in ids:
            if id in same or not documents.is_whole(db, id) or (document := documents.document(db, id)) is None:
                continue
            passages = passages_of(document, tokens)
            if [(one.start, one.stop) for one in passages] == documents.ranges(db, id):
                same.add(id)
            else:
                found.append(CutAnew(document, passages))
    return found
