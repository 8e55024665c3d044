"""Where the words of a question stand in a text of any length, as a search would find them."""

from __future__ import annotations

from contextlib import closing

from ..store import full_text
from ..store.sqlite import in_memory
from ..store.words import indexed, located
from . import lexical
from .snippet import MARKS, Range, marks_of


def marked(text: str, query: str) -> tuple[Range, ...]:
    """Offsets of the query's words in a text, `(start, stop)` each, in their order.

    The text is indexed by itself, in memory, as a library's full text is.
    """
    terms, words = lexical.terms(query), indexed(text)
    if not terms:
        return ()
    with closing(in_memory()) as db:
        found = full_text.marked(db, lexical.any_of(terms), {0: words}, *MARKS)
    return located(text, words, marks_of(words, found[0])) if found else ()
