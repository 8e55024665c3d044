"""A tokenizer of the Unigram kind (Kudo 2018, arXiv 1804.10959), whose vocabulary of 150,000 pieces loads at once.

It gives what the tokenizers library gives for the same vocabulary behind `Nmt`, `NFKC`, squeezed spaces, `Metaspace`,
in a fifth of the memory: that library keeps a tree of hash tables, this one a table of strings. A text is split at its
spaces, and the pieces of a word are those whose scores have the highest sum (Viterbi's best path); words that were seen
before are looked up.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..arrays import Ids, Mask, Rows
from ..bundle import archive
from ..errors import BundleError
from ..scripts import CHINESE, THAI
from .tokenizer import Read

SPACE = "▁"  # what stands for the space in front of a word

_SPECIAL = ("unknown", "head", "tail", "control")
_ARRAYS = ("pieces", "scores", *_SPECIAL)
# A character that no piece has costs so much more than the least likely piece.
_UNKNOWN_PENALTY = 10.0
_MOST_WORDS = 1 << 16
_LONGEST_WORD = 32
LONGEST_PIECE = 64
MOST_PIECES = 1 << 20
_MOST_BYTES = 64 << 20
# A longer run without a space is normalized part by part: marks without a letter between take time as their square.
_LONGEST_RUN = 1024
_DROPPED = (*range(1, 9), 0xB, *range(0xE, 0x20), 0x7F, 0x8F, 0x9F)
_SPACES = (
    9, 0xA, 0xC, 0xD, 0x1680, *range(0x200B, 0x2010), 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD,
)  # fmt: skip
# What sentencepiece's rules of "nmt" do before NFKC.
_PLAIN: dict[int, str | None] = {**dict.fromkeys(_DROPPED), **dict.fromkeys(_SPACES, " ")}
_SEVERAL_SPACES = re.compile(" {2,}")
_BLANK = ord(" ")
_PARTS = re.compile(r"[ \t\n\f\r]+|[^ \t\n\f\r]+")
_UNSPACED = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in (*CHINESE, *THAI)) + "]")
# Vowels of Thai and Lao that belong to the letter before them and are no marks.
_VOWELS_BEHIND = frozenset("ะาำๅະາຳ")
# Vowels and last consonants of Korean that make one character with those before them.
_JAMO = range(0x1160, 0x1200)


class Pieces(NamedTuple):
    """The tokens of a word, or of a text.

    Attributes:
        ids: of the tokens.
        sizes: characters of each.
    """

    ids: tuple[int, ...]
    sizes: tuple[int, ...]


class Located(NamedTuple):
    """The tokens of a text, special ones left out.

    Attributes:
        ids: (n,) int64.
        chars: (n, 2) int64, first character and one past the last character of each.
        starts: (n,) bool, before which the text may be cut, see `tokens.Spans`.
    """

    ids: Ids
    chars: Rows
    starts: Mask


class Unigram:
    """A vocabulary of pieces with scores.

    Args:
        pieces: by id; none twice.
        scores: logarithms of their probabilities, float32 (n,).
        unknown: the id of what no piece has.
        head, tail: ids before and behind every text.
        control: ids that no text has, whatever it holds.
    """

    def __init__(
        self,
        pieces: list[str],
        scores: npt.NDArray[np.float32],
        unknown: int,
        head: list[int],
        tail: list[int],
        control: Sequence[int] = (),
    ) -> None:
        special = {unknown, *head, *tail, *control}
        self._ids = {piece: id for id, piece in enumerate(pieces) if id not in special}
        self._scores: list[float] = scores.tolist()
        self._unknown = unknown
        self._head, self._tail = np.asarray(head, dtype=np.int64), np.asarray(tail, dtype=np.int64)
        self._unknown_score = min(self._scores) - _UNKNOWN_PENALTY
        # The longest piece that begins with a character: nothing longer needs to be looked up.
        self._longest: dict[str, int] = {}
        for piece in self._ids:
            if len(piece) > self._longest.get(piece[:1], 0):
                self._longest[piece[:1]] = len(piece)
        self._known: dict[str, Pieces] = {}

    def ids(self, text: str) -> Ids:
        """The ids of a whole text, (n,) int64, special tokens included."""
        found = [id for word in _words(_normalized(text)) for id in self._pieces(word).ids]
        return self.framed(np.array(found, dtype=np.int64))

    def looked_up(self, text: str) -> Ids | None:
        """See `tokenizer.Tokenizer`; it is always right."""
        return self.ids(text)

    def spans(self, text: str) -> tuple[Rows, Mask]:
        """See `tokenizer.Tokenizer`."""
        found = self.located(text)
        return found.chars, found.starts

    def read(self, text: str) -> Read:
        """See `tokenizer.Tokenizer`."""
        found = self.located(text)
        return Read(found.ids, lambda: found.chars)

    def located(self, text: str) -> Located:
        """The tokens of a text and where they lie."""
        normalized, places = _aligned(text)
        ids: list[int] = []
        bounds: list[int] = []
        starts: list[bool] = []
        at = 0
        for word in _words(normalized):
            at = normalized.index(word, at) if word else len(normalized)
            pieces = self._pieces(word)
            begin = at - 1  # where the sign for its space stands
            for number, size in enumerate(pieces.sizes):
                first = max(begin, at)
                bounds += (first, max(begin + size, at))
                starts.append(number == 0 or _is_unspaced(normalized[first : first + 1]))
                begin += size
            ids += pieces.ids
            at += len(word)
        chars = places[np.array(bounds, dtype=np.int64).reshape(-1, 2)]
        return Located(np.array(ids, dtype=np.int64), chars, np.array(starts, dtype=np.bool_))

    def framed(self, ids: Ids) -> Ids:
        """Ids with the special tokens before and behind them."""
        return np.concatenate([self._head, ids, self._tail])

    @property
    def special_tokens(self) -> int:
        """How many there are in every text."""
        return len(self._head) + len(self._tail)

    @property
    def unknown(self) -> int:
        """The id of what no piece has."""
        return self._unknown

    @property
    def highest_id(self) -> int:
        """The highest id that a text can have."""
        return len(self._scores) - 1

    def _pieces(self, word: str) -> Pieces:
        """The pieces of a word, the sign for the space before it included."""
        found = self._known.get(word)
        if found is None:
            found = self._cut(SPACE + word)
            if len(word) <= _LONGEST_WORD:
                if len(self._known) >= _MOST_WORDS:
                    self._known.clear()
                self._known[word] = found
        return found

    def _cut(self, word: str) -> Pieces:
        """The best path through a word; of several as good ones that whose last piece begins first."""
        count = len(word)
        best, begins, ids = [0.0] + [-math.inf] * count, [0] * (count + 1), [0] * (count + 1)
        known, scores, longest = self._ids, self._scores, self._longest
        for begin in range(count):
            till, alone = best[begin], False
            for end in range(begin + 1, min(count, begin + longest.get(word[begin], 0)) + 1):
                id = known.get(word[begin:end])
                if id is not None:
                    score = till + scores[id]
                    if score > best[end]:
                        best[end], begins[end], ids[end] = score, begin, id
                    alone = alone or end == begin + 1
            if not alone and till + self._unknown_score > best[begin + 1]:
                best[begin + 1], begins[begin + 1], ids[begin + 1] = till + self._unknown_score, begin, self._unknown
        path: list[tuple[int, int]] = []
        end = count
        while end:
            begin, id = begins[end], ids[end]
            if path and id == self._unknown == path[-1][0]:
                path[-1] = (id, path[-1][1] + end - begin)  # what is unknown is one token
            else:
                path.append((id, end - begin))
            end = begin
        path.reverse()
        return Pieces(tuple(id for id, _ in path), tuple(size for _, size in path))


def _normalized(text: str) -> str:
    """A text as pieces are made of it, spaces squeezed."""
    if len(text) <= _LONGEST_RUN or text.isascii():
        return _SEVERAL_SPACES.sub(" ", _folded(text))
    return _SEVERAL_SPACES.sub(" ", "".join(map(_folded, _parts(text))))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text.translate(_PLAIN))


def _parts(text: str) -> list[str]:
    """A text's runs with and without spaces in their order, long ones cut where nothing is joined in normalizing."""
    found: list[str] = []
    for run in _PARTS.findall(text):
        while len(run) > _LONGEST_RUN:
            cuts = range(_LONGEST_RUN, _LONGEST_RUN // 2, -1)
            cut = next((cut for cut in cuts if not _joins(run[cut])), _LONGEST_RUN)
            found.append(run[:cut])
            run = run[cut:]
        found.append(run)
    return found


def _joins(letter: str) -> bool:
    """Whether a character may become one with those before it."""
    plain = unicodedata.normalize("NFKD", letter.translate(_PLAIN))[:1]
    return not plain or unicodedata.category(plain)[0] == "M" or ord(plain) in _JAMO


def _is_unspaced(letter: str) -> bool:
    """Whether a character begins a syllable of a script that is written without spaces."""
    return (
        _UNSPACED.match(letter) is not None and letter not in _VOWELS_BEHIND and unicodedata.category(letter)[0] != "M"
    )


def _words(normalized: str) -> list[str]:
    """The parts between spaces; a space at the end has a part of its own, one at the beginning has none."""
    if not normalized:
        return []
    words = normalized.split(" ")
    return words[1:] if not words[0] else words


def _aligned(text: str) -> tuple[str, npt.NDArray[np.int64]]:
    """A text normalized, and where in the text each of its characters, and its end, comes from, (n + 1,) int64."""
    plain = text.translate(_PLAIN) if text.isascii() or len(text) <= _LONGEST_RUN else ""
    if len(plain) == len(text) and unicodedata.is_normalized("NFKC", plain):
        normalized, places = plain, np.arange(len(text) + 1)
    else:
        parts = _parts(text)
        found = [_placed(part) for part in parts]
        normalized = "".join([form for form, _ in found])
        begins = np.cumsum([0, *map(len, parts)])
        places = np.concatenate([*(begin + own for begin, (_, own) in zip(begins, found, strict=False)), begins[-1:]])
    letters = np.frombuffer(normalized.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kept = np.ones(len(places), dtype=np.bool_)
    kept[1:-1] = (letters[1:] != _BLANK) | (letters[:-1] != _BLANK)
    return _SEVERAL_SPACES.sub(" ", normalized), places[kept]


def _placed(part: str) -> tuple[str, npt.NDArray[np.int64]]:
    """A run normalized, and where in it each character comes from: what is joined to a letter is where the letter is,
    or behind it."""
    plain = part.translate(_PLAIN)
    if len(plain) == len(part) and unicodedata.is_normalized("NFKC", plain):
        return plain, np.arange(len(part))
    begins = [at for at, letter in enumerate(part) if at == 0 or not _joins(letter)]
    ends = [*begins[1:], len(part)]
    forms = [_folded(part[begin:end]) for begin, end in zip(begins, ends, strict=True)]
    places = [
        begin + np.arange(len(form)) * (end - begin) // max(1, len(form))
        for begin, end, form in zip(begins, ends, forms, strict=True)
    ]
    return "".join(forms), np.concatenate(places) if places else np.zeros(0, dtype=np.int64)


def unigram_file(
    pieces: Sequence[str],
    scores: npt.NDArray[np.float32],
    unknown: int,
    head: Sequence[int],
    tail: Sequence[int],
    control: Sequence[int],
) -> dict[str, npt.NDArray[Any]]:
    """The arrays that `read_unigram` reads; the arguments are those of `Unigram`."""
    special = dict(zip(_SPECIAL, ([unknown], head, tail, control), strict=True))
    return {
        "pieces": np.frombuffer("\n".join(pieces).encode(), dtype=np.uint8),
        "scores": scores.astype(np.float32),
        **{name: np.array(ids, dtype=np.int64) for name, ids in special.items()},
    }


def read_unigram(path: Path) -> Unigram:
    """Read a vocabulary, an archive of numpy's with

        pieces   uint8, UTF-8 with a line feed between
        scores   (n,) float32
        unknown  (1,) int64, the id of what no piece has
        head, tail  (any,) int64, ids before and behind every text
        control  (any,) int64, ids that no text has

    Raises:
        BundleError: the file is missing or is not what it must be.
    """
    try:
        with archive.opened(path, _MOST_BYTES) as stored:
            if set(stored.files) != set(_ARRAYS):
                raise ValueError(f"it has {sorted(stored.files)}, expected {', '.join(_ARRAYS)}")
            arrays = {name: stored[name] for name in stored.files}
        if arrays["pieces"].dtype != np.uint8 or arrays["scores"].dtype != np.float32:
            raise ValueError("its pieces are no uint8, or its scores no float32")
        pieces = bytes(arrays["pieces"]).decode().split("\n")
        scores = arrays["scores"]
        if scores.shape != (len(pieces),) or not np.isfinite(scores).all():
            raise ValueError(f"it has {len(pieces)} pieces and scores of shape {scores.shape}, expected a number each")
        if len(pieces) > MOST_PIECES:
            raise ValueError(f"it has {len(pieces)} pieces, expected {MOST_PIECES} or fewer")
        if max(map(len, pieces)) > LONGEST_PIECE or len(set(pieces)) < len(pieces):
            raise ValueError(f"a piece is there twice, or longer than {LONGEST_PIECE} characters")
        special = [arrays[name].astype(np.int64).reshape(-1).tolist() for name in _SPECIAL]
        if len(special[0]) != 1 or any(not 0 <= id < len(pieces) for ids in special for id in ids):
            raise ValueError("its special tokens are no pieces")
        return Unigram(pieces, scores, special[0][0], *special[1:])
    except Exception as error:  # damaged archives raise nearly anything, from zlib.error to RecursionError
        reason = str(error) or type(error).__name__
        raise BundleError(f"{path}: holds no vocabulary of pieces ({reason}); build the bundle again") from error
