"""A query's words to FTS5 expressions: any word may match, BM25 weighs them.

Words are cut as those of the index are, see `store.words`, and quoted, so nothing that a person types is read as FTS5
syntax. A chunk with marks inside it, as `CR-7891234` or `T63.4`, is searched as its parts and once more as a phrase, so
that the exact code wins; so are neighbours that may be one code written with a space, as in `CR 7891234` or `type 2`.
Of scripts without spaces pairs of characters are searched, of Thai and its neighbours threes. Words that carry no
content are left out where others remain: they say nothing, and reading all their passages takes time. Long words also
match by their beginnings, which finds other endings and longer compounds; English ones do so by their stems already.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from ..store.words import Run, cut, folded

MAX_WORDS = 2000
MAX_CHARS = 20_000

_CODE_LETTERS = 4
_DIGITS_OF_CODE = 3
_ASCII = re.compile(r"[!-~]+")
_AROUND = "\"'.,;:?!()[]{}"
# Numbers as people write them are no codes: 10,000, $1000, 1990s, 500mg, 100%, 2019-2020, 12:30.
_NUMBER = r"(?:\d{1,3}(?:[.,]\d{3})+|\d+(?:[.,]\d+)?)"
_QUANTITY = re.compile(rf"[$+~<>=-]*{_NUMBER}(?:[-/:]{_NUMBER})?[a-zA-Z%]{{0,3}}")
_LONGEST_PHRASE = 12  # of pairs, in words: longer runs are sentences
_LONGEST_NAME = 8  # in characters of scripts without spaces
# A word of so many letters or more also matches by all but its last two: one of another script, or in a query with
# accents; and one in a query that other words tell to be of another language. Measured on twelve languages.
_LETTERS_OF_LONG = 6
_LETTERS_OF_LONG_ASCII = 8
_ENDING = 2
# FTS5's own.
_K1 = 1.2
_LEAST_RARITY = 1e-6

_DIGIT = re.compile(r"\d")
_PHRASE = re.compile(r'["“„”]([^"“„”]+)["“”]')
_SPACED_NAME = re.compile(r"(?<!\S)(\w{1,2}) & (\w{1,2})(?!\S)")
_EMPTY_WORDS = frozenset(
    "a about am an and any are as at be been but by can could did do does for from had has have how i if in into is it "
    "its me my of on or our s should so t than that the their them then there these they this those to us was we were "
    "what when where which who whose why will with would you your".split()
)
_ENGLISH_WORDS = frozenset("the of and what which who how does do is are with from that this these your their".split())
# Of German, Spanish, French, Italian, Portuguese, Dutch, Romanian, Polish, Turkish and Indonesian; none is English too.
_OTHER_WORDS = frozenset(
    "aber auch aus bei beim dem der das ein eine einen einer eines fur ist kann mein mit nach nicht oder und vom "
    "von welche wenn wer werden wie wird zum zur como cual cuando donde el ella los las muy que quien sin sobre una "
    "unos avec dans elle est il les leur mais nous ou par pas pour quand quel quelle qui sont sur une vous che chi "
    "cosa degli della delle gli nel nella non perche sono com ela ele foi mais nao onde quais qual quem uma een het "
    "hoe naar niet waar wanneer welke zijn care este cum din este pentru sau sunt czy dla jak jest kto oraz gdzie "
    "bir bu icin kim nasil nedir neden nerede ve veya yang dan untuk dengan apa adalah dari pada bagaimana".split()
)


def word_count(text: str) -> int:
    """How many words of a text are searched."""
    return sum(len(run.words) for run in cut(text))


def terms(query: str) -> list[str]:
    """What a query is searched by: its words and its phrases, each an FTS5 expression, none twice."""
    query = _SPACED_NAME.sub(r"\1&\2", query)
    chunks = [list(cut(chunk)) for chunk in query.split()]
    if len(chunks) == 1 and len(chunks[0]) == 1 and chunks[0][0].kind == "name":
        return [_phrase(chunks[0][0].words[-1:])]
    found: dict[str, None] = {}
    for runs in [*chunks, *(list(cut(phrase)) for phrase in _PHRASE.findall(query))]:
        for run in runs:
            found |= dict.fromkeys(_terms_of(run))
        if sum(len(run.words) for run in runs) > 1 and (whole := _whole(runs)):
            found[whole] = None
    single = [word for run in cut(query) for word in run.words if not run.paired]
    for pair in pairwise(single):
        if _DIGIT.search("".join(pair)) and all(map(_may_be_of_a_code, pair)):
            found[_phrase(pair)] = None
    content = [term for term in found if term.strip('"') not in _EMPTY_WORDS]
    long = _letters_of_long(query, single)
    return list(dict.fromkeys([*(content or found), *(_beginning(word) for word in single if _is_long(word, long))]))


def is_name(query: str) -> bool:
    """Whether a query is one word, one code, as it is or with spaces as in `CR 7891234`, or one quoted phrase."""
    if _PHRASE.fullmatch(query.strip()) is not None:
        return True
    if sum(len(run.words) for run in cut(query) if run.paired) > _LONGEST_NAME:
        return False
    chunks = query.split()
    letters = [chunk for chunk in chunks if _DIGIT.search(chunk) is None]
    return len(chunks) == 1 or (len(letters) < 2 <= len(chunks) and all(map(_may_be_of_a_code, chunks)))


def has_code(query: str) -> bool:
    """Whether a query holds a code as `CR-7891342` or `67-56-1`: of three digits or more, and no number or range."""
    words = (word.strip(_AROUND) for word in _ASCII.findall(query))
    return any(len(_DIGIT.findall(word)) >= _DIGITS_OF_CODE and _QUANTITY.fullmatch(word) is None for word in words)


def _terms_of(run: Run) -> list[str]:
    """What a run of a chunk is searched by, by itself."""
    if not run.paired:
        return [_phrase([word]) for word in run.words]
    pairs = run.words[:-1]
    if not pairs:
        return [f"{_phrase(run.words)} *"]
    if run.kind == "t" and len(pairs) > 1:
        return [_phrase(two) for two in pairwise(pairs)]
    return [_phrase([pair]) for pair in pairs]


def _whole(runs: Sequence[Run]) -> str:
    """A chunk as one phrase; nothing for a long run without spaces. What follows the chunk in a text may be written to
    it, so its last character stands for all pairs that begin with it."""
    words = [word for run in runs for word in run.words]
    if not any(run.paired for run in runs):
        return _phrase(words)
    if len(words) > _LONGEST_PHRASE:
        return ""
    if not runs[-1].paired:
        return _phrase(words)
    return f"{_phrase(words)} *" if len(runs[-1].words) == 1 else _phrase(words[:-1])


def _phrase(words: Sequence[str]) -> str:
    return '"' + " ".join(words) + '"'


def _letters_of_long(query: str, words: Sequence[str]) -> int:
    """From how many letters on a word in Latin letters also matches by its beginning: where the query tells that it is
    of another language than English, whose words have their stems already."""
    if _ENGLISH_WORDS.intersection(words):
        return MAX_CHARS
    if any(char.isalpha() and not char.isascii() and folded(char).isascii() for char in query):
        return _LETTERS_OF_LONG
    return _LETTERS_OF_LONG_ASCII if _OTHER_WORDS.intersection(words) else MAX_CHARS


def _is_long(word: str, letters: int) -> bool:
    return len(word) >= (letters if word.isascii() else _LETTERS_OF_LONG) and _DIGIT.search(word) is None


def _beginning(word: str) -> str:
    """The FTS5 expression for the beginning of a long word."""
    return f"{_phrase([word[:-_ENDING]])} *"


def _may_be_of_a_code(word: str) -> bool:
    return _DIGIT.search(word) is not None or (len(word) <= _CODE_LETTERS and word not in _EMPTY_WORDS)


def any_of(terms: Iterable[str]) -> str:
    """The FTS5 expression that one of the terms at least has to match."""
    return " OR ".join(terms)


def affordable(terms: Sequence[str], count: Callable[[str, int], int], budget: int) -> dict[str, int]:
    """The rarest terms, as many as match `budget` passages together, and one at the least; in their order, each with
    how many passages match it, counted up to the budget.

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
    return {term: counts[term] for term in terms if term in kept}


def most_bm25(matching: Iterable[int], passages: int) -> float:
    """BM25 of a passage that holds all terms without end, as FTS5 weighs them: what none can reach.

    Args:
        matching: how many passages match each term.
        passages: how many there are.
    """
    rarities = (math.log((passages - count + 0.5) / (count + 0.5)) for count in matching)
    return sum((_K1 + 1) * max(rarity, _LEAST_RARITY) for rarity in rarities)
