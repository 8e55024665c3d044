"""A damaged library is mended: what was derived from its documents is made again from them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from ..store import audit, documents
from ..store.database import Database
from .intake import Intake


def repair(db: Database, dim: int, taking_in: Callable[[Database], AbstractContextManager[Intake]]) -> list[str]:
    """Mend what can be mended; returns what is wrong still, a sentence each.

    Args:
        dim: of the vectors.
        taking_in: gives what encodes documents anew.
    """
    if not (found := audit.damage(db, dim, full=True)).sentences:
        return []
    with db.writing():
        audit.mend(db)
    with taking_in(db) as intake:
        for id in found.documents:
            with db.reading():  # so that it is whole
                document = documents.document(db, id)
            if document is not None:
                intake.add(document, again=True)
        intake.flush()
    return list(audit.damage(db, dim, full=True).sentences)
