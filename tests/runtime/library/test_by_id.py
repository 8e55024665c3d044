"""Documents that are named by their ids: read whole, removed, and what can be no id."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nestling import Encoder, Library, Report
from stored import OWL


def test_a_document_is_read_whole_though_it_is_replaced_meanwhile(library: Library, encoder: Encoder) -> None:
    new = replace(OWL, text="Another text.", title="Another title")
    with Library(library.path, encoder=encoder) as other:

        def change(sql: str) -> None:
            if "FROM texts" in sql:
                other.add([new])

        with library._readers.one() as db:
            db.trace(change)
        assert library.get(OWL.id) == OWL
        with library._readers.one() as db:
            db.trace(None)
        assert library.get(OWL.id) == new


@pytest.mark.parametrize(("id", "error"), [("\ud800", ValueError), ("a\0b", ValueError), (["owl"], TypeError)])
def test_what_can_be_no_id_is_refused(library: Library, id: Any, error: type[Exception]) -> None:
    for work in (library.get, library.__contains__, lambda id: library.remove([id])):
        with pytest.raises(error, match=r"id (holds a|is list)"):
            work(id)
    assert len(library) == 3


def test_what_is_removed_may_come_from_a_generator(library: Library) -> None:
    assert library.remove(id for id in ("owl", "burn")) == Report(removed=2)
    assert len(library) == 1
