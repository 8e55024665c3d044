"""`Document` goes in, `Hit` comes out: values that check once, when they are made."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timezone
from enum import Enum
from typing import Any

from .errors import NestlingError

Scalar = str | int | float | bool | None
Value = Scalar | list[Scalar]

MAX_LIST = 10_000
_SCALARS = (str, int, float, bool, type(None))
_MAX_INTEGER = 2**63 - 1
_MAX_DIGITS = 24
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]{1,300})?")


@dataclass(frozen=True)
class Document:
    """A text to be searched, with its id, title and metadata.

    Attributes:
        id: the caller's name for it, unique in a library, not empty.
        text: what is searched; may be of any length.
        title: shown with hits, and searched too.
        metadata: values to filter by, under str keys: str, int, float, bool, None, or a list of at most 10,000 of them.
            A tuple becomes a list, a member of an Enum its value, a scalar of NumPy that of Python; a date or a
            datetime its ISO 8601 text, to the second and in UTC where it has a time zone, and compares as that.
        source: the file's path, or another origin; empty if there is none. A sync changes and removes what it made of a
            file itself, and no other document that has the file as its source.

    Raises:
        TypeError, ValueError: a field is of another type, the id is empty, a text holds NUL or a lone surrogate,
            a number is not finite or over 64 bits, or a list is too long.
    """

    id: str
    text: str
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        checked_id(self.id)
        if not self.id.strip():
            raise ValueError("a document's id is empty, expected a name that is unique in the library")
        for name in ("text", "title", "source"):
            _text(f"document {self.id!r}: {name}", getattr(self, name))
        if not isinstance(self.metadata, Mapping):
            raise TypeError(f"document {self.id!r}: metadata is {type(self.metadata).__name__}, expected a dict")
        kept = {}
        for key, value in self.metadata.items():
            _text(f"document {self.id!r}: a metadata key", key)
            kept[plain(key)] = _value(f"document {self.id!r}: metadata {key!r}", value)
        object.__setattr__(self, "metadata", kept)


@dataclass(frozen=True)
class Hit:
    """One answer, best first in the list that `Library.search` returns.

    Attributes:
        id: the document's id.
        score: what the hits are ordered by; comparable within one list only.
        title: the document's title.
        text: the passage that answers best.
        source: where the document came from.
        metadata: the document's metadata.
        passage: the passage's number in its document, 0 for the first.
        place: its page, slide or heading, as `page 12, Dosage`; empty if unknown.
        snippet: the part of `text` with the most words of the query, each between two asterisks.
        marks: offsets of the query's words in `text`, `(start, stop)` each.
        dense_rank: its rank by meaning, 1 for the best; None if dense search did not find it.
        lexical_rank: its rank by words; None if lexical search did not find it.
        copies: the other files with the same content, which are searched as this one.
        relevance: how likely it is relevant, from 0 to 1: of hits with such scores, by meaning and by words, the share
            that people judged relevant; None where the bundle says nothing of it.
        fits: false where `relevance` is below the bundle's bound: where no hit fits, there may be no answer.
    """

    id: str
    score: float
    title: str
    text: str
    source: str
    metadata: dict[str, Any]
    passage: int
    place: str
    snippet: str
    marks: tuple[tuple[int, int], ...]
    dense_rank: int | None
    lexical_rank: int | None
    copies: tuple[str, ...] = ()
    relevance: float | None = None
    fits: bool = True


@dataclass(frozen=True)
class Skip:
    """A file, or a part of one, that could not be read, and why; the rest went on.

    Attributes:
        source: the file, with the line where there is one, as `notes.jsonl:12`.
        reason: why, in a few words.
        transient: whether reading it again may succeed with the file unchanged, as after a change of permissions.
        within: whether it is a part of a document of which the rest was read, as an attachment.
    """

    source: str
    reason: str
    transient: bool = False
    within: bool = False

    def to_json(self) -> dict[str, Any]:
        """As it stands in a library's file and in what `--json` prints."""
        return {"source": self.source, "reason": self.reason, "passing": self.transient, "within": self.within}

    @staticmethod
    def from_json(values: dict[str, Any]) -> Skip:
        """The skip that `to_json` gave."""
        return Skip(values["source"], values["reason"], values.get("passing", False), values.get("within", False))


@dataclass(frozen=True)
class Report:
    """What a call of `add`, `sync`, `remove`, `forget` or `refine` changed in a library.

    Attributes:
        added, changed, unchanged, removed: numbers of documents.
        skipped: what could not be taken in, in the order of reading.
        refined: passages that were encoded again at the library's document width.
        copies: files that hold what another file does, whose documents stand for them.
        passed_over: how many files a sync came upon that there is no reader for, by suffix, the most first.
        foreign: documents of those added or changed that are in a script which the encoder does not know; they are
            found by their words alone.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: tuple[Skip, ...] = ()
    refined: int = 0
    copies: int = 0
    passed_over: tuple[tuple[str, int], ...] = ()
    foreign: int = 0

    def to_json(self) -> dict[str, Any]:
        """As `--json` and the service give it."""
        skipped = [skip.to_json() for skip in self.skipped]
        return {**asdict(self), "skipped": skipped, "passed_over": dict(self.passed_over)}

    def __add__(self, other: Report) -> Report:
        return Report(
            self.added + other.added,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.removed + other.removed,
            self.skipped + other.skipped,
            self.refined + other.refined,
            self.copies + other.copies,
            tuple((Counter(dict(self.passed_over)) + Counter(dict(other.passed_over))).most_common()),
            self.foreign + other.foreign,
        )


def distinct(documents: Iterable[Document]) -> list[Document]:
    """Documents as a list; raises where it is none, or two have one id."""
    if isinstance(documents, Document):
        raise TypeError("documents is one Document, expected a list; put it in a list")
    given = list(documents)
    seen: set[str] = set()
    for document in given:
        if not isinstance(document, Document):
            raise TypeError(f"documents hold {type(document).__name__}, expected Document")
        if document.id in seen:
            raise NestlingError(f"document id {document.id!r} is given twice in one call; ids must be unique")
        seen.add(document.id)
    return given


def checked_id(id: Any) -> str:
    """An id; raises TypeError or ValueError where it is no text that a file can hold, and so no document's."""
    _text("id", id)
    return str(id)


def plain(value: Any) -> Any:
    """A value as metadata has it: a member of an Enum as its value, a scalar of NumPy or of a class that stands on one
    of Python's as that of Python, a date or a datetime as its ISO 8601 text, whose order is theirs; any other as it is.
    """
    if type(value) in _SCALARS:
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if (kind := next((kind for kind in (str, int, float) if isinstance(value, kind)), None)) is not None:
        return kind.__getnewargs__(value)[0]  # whatever the class makes of `str()` or `int()`
    is_numpy = type(value).__module__ == "numpy" and type(value).__name__ != "ndarray" and hasattr(value, "dtype")
    return _of_numpy(value) if is_numpy else value


def _instant(time: datetime) -> str:
    if time != time:  # what pandas has for no time
        raise ValueError("a time is NaT, expected a time or None")
    if time.tzinfo is None:
        return time.isoformat(timespec="seconds")
    try:
        return time.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
    except OverflowError as error:
        raise ValueError(f"the time {time.isoformat()} is none of the years 1 to 9999 in UTC") from error


def _of_numpy(value: Any) -> Any:
    """A scalar of NumPy, which need not be loaded for this, as Python's; one that Python has no like of as it is."""
    if value.dtype.kind == "M":  # of nanoseconds `item` makes a number
        time = value.astype("datetime64[D]" if value.dtype.name == "datetime64[D]" else "datetime64[us]").item()
        return plain(time) if isinstance(time, date) else value
    found = value.item()
    return found if type(found) in _SCALARS else value


def clean(text: str) -> str:
    """A text that a document may hold: NUL and lone surrogates become U+FFFD, the sign for a lost character."""
    text = text.replace("\0", "\ufffd")
    if lone_surrogate(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def lone_surrogate(text: str) -> int | None:
    """The offset of the first half of a UTF-16 pair that stands alone, which no file can hold; None for none."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    return None


def typed(text: str) -> str | int | float | bool:
    """A value as typed in a table or on a command line: a plain decimal is a number, true and false are themselves.

    What would not be written so, as 007, 1_000, 1e5, nan, or a whole number over 64 bits, stays text.
    """
    stripped = text.strip()
    if stripped in ("true", "false"):
        return stripped == "true"
    if not _DECIMAL.fullmatch(stripped):
        return text
    if "." in stripped:
        return float(stripped)
    return int(stripped) if len(stripped) < _MAX_DIGITS and abs(int(stripped)) <= _MAX_INTEGER else text


def _text(what: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{what} is {type(value).__name__}, expected str")
    if "\0" in value:
        raise ValueError(f"{what} holds a NUL character at {value.index(chr(0))}; remove it")
    if (offset := lone_surrogate(value)) is not None:
        raise ValueError(f"{what} holds a lone surrogate at {offset}; remove it")


def _value(what: str, value: object) -> Value:
    if not isinstance(value, (list, tuple)):
        return _scalar(what, value)
    if len(value) > MAX_LIST:
        raise ValueError(f"{what} is a list of {len(value)}, expected at most {MAX_LIST} values")
    return [_scalar(f"{what}, value {position}", one) for position, one in enumerate(value)]


def _scalar(what: str, value: object) -> Scalar:
    try:
        value = plain(value)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error
    if isinstance(value, str):
        _text(what, value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{what} is {value}, expected a finite number")
    elif isinstance(value, int):
        if abs(value) > _MAX_INTEGER:
            raise ValueError(f"{what} is over 64 bits, expected a smaller number or a str")
    elif value is not None:
        expected = "str, int, float, bool, None, a date, or a list of them"
        raise TypeError(f"{what} is {type(value).__name__}, expected {expected}")
    return value
