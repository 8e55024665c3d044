"""How text is cut into words: one rule for the full-text index and for a query, with a version that a library keeps.

A text becomes words in a row with spaces between, which FTS5 takes apart and brings to their stems (Porter's, of
English). Letters that are written in several ways become one: Unicode's normal forms, compatibility forms and cases
(Unicode Standard Annex 15, NFKD; full case folding), accents, vowel points of Arabic and Hebrew, digits of all scripts.
Vowel signs of Indic scripts stay, as they make other words. From Arabic words the article is taken off, with what is
written before it, and "and" (the prefixes of light10, Larkey, Ballesteros & Connell 2002; its suffixes found less where
long words match by their beginnings). Scripts that are written without spaces, and Korean, whose
endings are written to the words, are cut into overlapping pairs of characters. Names such as C++ and R&D, and e-mail
addresses, are words as a whole beside their parts.
"""

from __future__ import annotations

import json
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePath
from typing import NamedTuple

from ...scripts import CHINESE, KOREAN, THAI

VERSION = "2"  # a library of another has its full text made anew from its texts
TOKENIZER = "porter unicode61 remove_diacritics 0 categories 'L* N* Co Mn Mc'"

Span = tuple[int, int]


class Run(NamedTuple):
    """A part of a text that was cut by itself.

    Attributes:
        words: as they are indexed.
        spans: where each stands in the text.
        kind: `a` for a word, `x` for a sign that is one, `name` for one such as C++, which comes after its parts, and
            `c`, `k`, `t` for scripts whose words are pairs of characters, and the last character alone: Chinese and
            Japanese, Korean, Thai and its neighbours.
    """

    words: list[str]
    spans: list[Span]
    kind: str

    @property
    def paired(self) -> bool:
        """Whether the words are pairs of characters."""
        return self.kind in _PAIRED


def indexed(text: str) -> str:
    """What FTS5 is given for a text: its words, with spaces between."""
    if (text.isascii() or _IS_PLAIN.fullmatch(text)) and not _may_hold_names(text):
        return text  # FTS5 cuts it into the same words
    return " ".join([word for run in cut(text) for word in run.words])


def _may_hold_names(text: str) -> bool:
    return any(sign in text for sign in ("&", "@", "#", "++")) or _DOT.search(text) is not None


def indexed_title(title: str, source: str, copies: str) -> str:
    """The same for a document's title, and for the names of files that hold the same, where the title is such a name.

    Args:
        copies: the paths of these files, as JSON.
    """
    named = copies != "[]" and title == stem(source)
    return indexed(" ".join([title, *map(stem, json.loads(copies))]) if named else title)


@lru_cache(maxsize=16)  # asked for each passage of a document
def stem(path: str) -> str:
    """The name of a file without its folder and suffix."""
    return PurePath(path).stem


def located(text: str, words: str, ranges: Sequence[Span]) -> tuple[Span, ...]:
    """Ranges of a text's words as ranges of the text, in their order, those that overlap as one.

    Args:
        words: as `indexed` gives them for the text.
    """
    if words is text or not ranges:
        return tuple(ranges)
    begin, offsets, spans = 0, [], []
    for run in cut(text):
        for word, span in zip(run.words, run.spans, strict=True):
            offsets.append(begin)
            spans.append(span)
            begin += len(word) + 1
    found: list[Span] = []
    for start, stop in ranges:
        inside = spans[bisect_left(offsets, start) : bisect_left(offsets, stop)]
        if inside:
            first, last = min(one for one, _ in inside), max(one for _, one in inside)
            if found and first < found[-1][1]:
                first, last = min(first, found[-1][0]), max(last, found.pop()[1])
            found.append((first, last))
    return tuple(found)


def cut(text: str) -> Iterator[Run]:
    """A text in runs, in their order."""
    shape = text.translate(_SHAPES)
    for found in _RUN.finditer(shape):
        start, stop = found.span()
        kind = shape[start]
        if found.lastgroup is not None:
            yield from _name(text, shape, start, stop)
        elif kind in "ax":
            if words := _bare(text[start:stop]):
                yield Run(words, [(start, stop)] * len(words), kind)
        elif pairs := _pairs(text, shape, start, stop):
            yield pairs


def _name(text: str, shape: str, start: int, stop: int) -> Iterator[Run]:
    """A name with signs in it: its parts, and all of it with the signs as letters, which FTS5 keeps together."""
    parts = [(part.start(), part.end()) for part in _PART.finditer(shape, start, stop)]
    words = [_PREFIX.sub("", folded(text[begin:end])) for begin, end in parts]
    whole = folded(text[start:stop].replace(" ", "").translate(_SIGNS))
    yield Run([*words, whole], [*parts, (start, stop)], "name")


def _pairs(text: str, shape: str, start: int, stop: int) -> Run | None:
    """The overlapping pairs of characters of a run, each with its marks, and the last of them alone."""
    units: list[str] = []
    spans: list[Span] = []
    for unit in _UNIT.finditer(shape, start, stop):
        begin, end = unit.span()
        if word := folded(text[begin:end]):
            units.append(word)
            spans.append((begin, end))
    if not units:
        return None
    words = [first + second for first, second in pairwise(units)]
    joined = [(first[0], second[1]) for first, second in pairwise(spans)]
    return Run([*words, units[-1]], [*joined, spans[-1]], shape[start])


@lru_cache(maxsize=1 << 15)
def folded(text: str) -> str:
    """A word with all that is written in several ways brought to one; empty where nothing is left."""
    if text.isascii():
        return text.lower()
    text = _MARKS.sub("", unicodedata.normalize("NFKD", text).translate(_LETTERS)).casefold()
    text = _MARKS.sub("", unicodedata.normalize("NFKD", text).translate(_LETTERS))
    text = _DIGIT.sub(lambda digit: str(unicodedata.digit(digit[0], digit[0])), unicodedata.normalize("NFC", text))
    return "".join(char if _is_of_word(char) else " " if char in "\u2044 " else "" for char in text).strip()


def _bare(text: str) -> list[str]:
    """What a run of letters is indexed by: mostly one word."""
    return [_PREFIX.sub("", word) for word in folded(text).split()]


def _is_of_word(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNM" or "\ue000" <= char <= "\uf8ff"


class _Shapes(dict[int, str]):
    """By code point, what a character is to the rule; found at its first use."""

    def __missing__(self, point: int) -> str:
        self[point] = shape = _shape(point)
        return shape


def _shape(point: int) -> str:
    """One letter: a of a word, x a word by itself, c, k and t of scripts to be paired, m and j marks, f unseen; a space
    for what stands between words; the signs of names as they are."""
    char, category = chr(point), unicodedata.category(chr(point))
    if char in _OF_NAMES:
        return char
    if _is_within(point, _JOINED):
        return "j"
    if category[0] == "M":
        return "m"
    if category == "Cf":
        return "f"
    if category[0] in "NS" and category not in ("Nd", "Nl"):
        form = unicodedata.decomposition(char).split(" ")[0]
        if form not in ("", "<super>", "<sub>") and any(map(str.isalnum, unicodedata.normalize("NFKD", char))):
            return "x"
    if (category[0] not in "LN" and category != "Co") or _is_within(point, _APOSTROPHES):
        return " "
    if category[0] == "L":
        for kind, ranges in _PAIRED.items():
            if _is_within(point, ranges):
                return kind
    return "a"


def _is_within(point: int, ranges: tuple[Span, ...]) -> bool:
    return any(first <= point <= last for first, last in ranges)


_OF_NAMES = "+#.&@-_"
_SIGNS = {ord(sign): 0xE000 + ord(sign) for sign in _OF_NAMES}  # for private use: letters to FTS5
_APOSTROPHES = ((0x2B9, 0x2BD), (0x2C8, 0x2C8))
# Marks of letters that are paired, some of which Unicode calls letters: voiced sounds of kana,
# vowels and finals of decomposed Korean.
_JOINED = ((0x3099, 0x309A), (0xFF9E, 0xFF9F), (0x1160, 0x11FF), (0xD7B0, 0xD7FF))
_PAIRED: dict[str, tuple[Span, ...]] = {"c": CHINESE, "k": KOREAN, "t": THAI}
# What has no decomposition in Unicode and is one letter to those who search.
_LETTERS = str.maketrans(
    {
        **dict.fromkeys("łŁ", "l"),
        **dict.fromkeys("øØ", "o"),
        **dict.fromkeys("đĐðÐ", "d"),
        **dict.fromkeys("ħĦ", "h"),
        **dict.fromkeys("ŧŦ", "t"),
        **dict.fromkeys("œŒ", "oe"),
        **dict.fromkeys("æÆ", "ae"),
        **dict.fromkeys("þÞ", "th"),
        "ı": "i",
        "ـ": "",
        "ی": "ي",
        "ى": "ي",
        "ې": "ي",
        "ک": "ك",
        "ة": "ه",
        "ہ": "ه",
        "ھ": "ه",
        "ە": "ه",
        "ٱ": "ا",
        "ँ": "ं",
        "ৎ": "ত্",
        **dict(zip("ൺൻർൽൾൿ", ("ണ്", "ന്", "ര്", "ല്", "ള്", "ക്"), strict=True)),
    }
)
# Marks that are left out by many who write: accents (but for the breve of й and ў, the dots of ї, and the acute of ѓ
# and ќ, which are letters of their own), points of Hebrew and Arabic, Devanagari's dot below; and what is unseen.
_MARKS = re.compile(
    "(?<![иуИУ])\u0306|(?<![іІ])\u0308|(?<![гкГК])\u0301|[\u0300\u0302-\u0305\u0307\u0309-\u036f\u1ab0-\u1aff"
    "\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u08d3-\u08ff\u093c"
    "\u00ad\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff]"
)
# Of Arabic; three letters must be left, which of الله are not. The letter of "and" goes behind the article as well, so
# that الوزير is وزير.
_PREFIX = re.compile(r"\A(?:[وف]?(?:[بك]?ال|لل)(?=...))?(?:و(?=...))?")
_DIGIT = re.compile(r"(?![0-9])\d")
_SHAPES = _Shapes()
_LETTER = "am{0,4}"
_NAMES = (
    r"(?P<mail>a[am._+\-]{0,63}@a[am\-]{0,63}(?:\.a[am\-]{0,63}){1,8})"
    rf"|(?P<both>(?<![am])(?:{_LETTER}){{1,4}}&(?:{_LETTER}){{1,4}}(?![am&]))"
    rf"|(?P<spaced>(?<![am])(?:{_LETTER}){{1,2}} & (?:{_LETTER}){{1,2}}(?![am&]))"
    rf"|(?P<sharp>(?<![am])(?:(?:{_LETTER}){{1,64}}\+\+|(?:{_LETTER}){{1,2}}#)(?![am+#]))"
    rf"|(?P<dot>(?<![am.)\]])\.(?:{_LETTER}){{2,64}}(?![am]))"
)
_RUN = re.compile(rf"{_NAMES}|a[amf]*|c[cmjf]*|k[kmjf]*|t[tmjf]*|x")
_PART = re.compile("a[am]*")
_UNIT = re.compile("[ckt][mjf]*")
# ASCII and what is punctuation to FTS5 as well.
_IS_PLAIN = re.compile(
    "[\x00-\x7f\u00a0-\u00a9\u00ab\u00ac\u00ae-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7"
    "\u2010-\u2027\u2030-\u205e\u20a0-\u20c0]*"
)
_DOT = re.compile(r"\.[A-Za-z0-9](?<![\w.)\]].[A-Za-z0-9])[A-Za-z0-9]")  # begins with a sign: it is sought sooner
