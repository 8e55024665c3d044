"""A query's words to an FTS5 expression: any word may match, BM25 weighs them.

Words are quoted, so nothing that a person types is read as FTS5 syntax. A chunk with marks inside it, as
`CR-7891234` or `T63.4`, is searched as its parts and once more as a phrase, so that the exact code wins. Words that
carry no content are left out where others remain: they say nothing, and reading all their passages takes time.
"""

from __future__ import annotations

import re

MAX_WORDS = 2000

_WORD = re.compile(r"\w+")
_PHRASE = re.compile(r'"([^"]+)"')
_EMPTY_WORDS = frozenset(
    "a about am an and any are as at be been but by can could did do does for from had has have how i if in into is it "
    "its me my of on or our s should so t than that the their them then there these they this those to us was we were "
    "what when where which who whose why will with would you your".split()
)


def words(text: str) -> list[str]:
    """The words of a text, as they stand."""
    return _WORD.findall(text)


def match_expression(query: str) -> str:
    """The FTS5 expression for a query; empty where the query has no word."""
    terms: dict[str, None] = {}
    for chunk in [*query.lower().split(), *_PHRASE.findall(query.lower())]:
        parts = words(chunk)
        terms |= dict.fromkeys(f'"{part}"' for part in parts)
        if len(parts) > 1:
            terms['"' + " ".join(parts) + '"'] = None
    content = [term for term in terms if term.strip('"') not in _EMPTY_WORDS]
    return " OR ".join(content or terms)
