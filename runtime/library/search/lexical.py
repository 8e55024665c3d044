"""A query's words to FTS5 expressions: any word may match, BM25 weighs them.

Words are quoted, so nothing that a person types is read as FTS5 syntax. A chunk with marks inside it, as
`CR-7891234` or `T63.4`, is searched as its parts and once more as a phrase, so that the exact code wins; so are
neighbours that may be one code written with a space, as in `CR 7891234` or `type 2`. Words that
carry no content are left out where others remain: they say nothing, and reading all their passages takes time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

MAX_WORDS = 2000
MAX_CHARS = 20_000

_CODE_LETTERS = 4

_WORD = re.compile(r"\w+")
_DIGIT = re.compile(r"\d")
_PHRASE = re.compile(r'["“„”]([^"“„”]+)["“”]')
_EMPTY_WORDS = frozenset(
    "a about am an and any are as at be been but by can could did do does for from had has have how i if in into is it "
    "its me my of on or our s should so t than that the their them then there these they this those to us was we were "
    "what when where which who whose why will with would you your".split()
)


def words(text: str) -> list[str]:
    """The words of a text, as they stand."""
    return _WORD.findall(text)


def terms(query: str) -> list[str]:
    """What a query is searched by: its words and its phrases, each an FTS5 expression, none twice."""
    found: dict[str, None] = {}
    for chunk in [*query.lower().split(), *_PHRASE.findall(query.lower())]:
        parts = words(chunk)
        found |= dict.fromkeys(f'"{part}"' for part in parts)
        if len(parts) > 1:
            found['"' + " ".join(parts) + '"'] = None
    for pair in pairwise(words(query.lower())):
        if _DIGIT.search("".join(pair)) and all(map(_may_be_of_a_code, pair)):
            found['"' + " ".join(pair) + '"'] = None
    content = [term for term in found if term.strip('"') not in _EMPTY_WORDS]
    return content or list(found)


def _may_be_of_a_code(word: str) -> bool:
    return _DIGIT.search(word) is not None or (len(word) <= _CODE_LETTERS and word not in _EMPTY_WORDS)


def is_name(query: str) -> bool:
    """Whether a query is one word, one code or one quoted phrase."""
    return len(query.split()) == 1 or _PHRASE.fullmatch(query.strip()) is not None


def any_of(terms: Sequence[str]) -> str:
    """The FTS5 expression that one of the terms at least has to match."""
    return " OR ".join(terms)


def affordable(terms: Sequence[str], count: Callable[[str, int], int], budget: int) -> list[str]:
    """The rarest terms, as many as match `budget` passages together, and one at the least; in their order.

    BM25 weighs a word by how rare it is, so what is left out would have decided least.

    Args:
        count: how many passages a term matches, counted up to a limit.
    """
    counts = {term: count(term, budget) for term in terms}
    kept: set[str] = set()
    spent = 0
    for term in sorted(terms, key=lambda one: counts[one]):
        spent += counts[term]
        if kept and spent > budget:
            break
        kept.add(term)
    return [term for term in terms if term in kept]
