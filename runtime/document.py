"""`Document` goes in, `Hit` comes out: values that check once, when they are made."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from typing import Any

from .errors import NestlingError

Scalar = str | int | float | bool | None
Value = Scalar | list[Scalar] | tuple[Scalar, ...]

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
        metadata: values to filter by: str, int, float, bool or None under str keys, or a list or tuple of them, which
            becomes a list; a date or a datetime becomes its ISO 8601 text, to the second and in UTC where it has a
            time zone, and compares as that.
        source: the file's path, or another origin; empty if there is none.

    Raises:
        TypeError, ValueError: a field is of another type, the id is empty, a text holds NUL or a lone surrogate,
            or a number is not finite or over 64 bits.
    """

    id: str
    text: str
    title: str = ""
    metadata: Mapping[str, Value] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        _text("id", self.id)
        if not self.id.strip():
            raise ValueError("a document's id is empty, expected a name that is unique in the library")
        for name in ("text", "title", "source"):
            _text(f"document {self.id!r}: {name}", getattr(self, name))
        if not isinstance(self.metadata, Mapping):
            raise TypeError(f"document {self.id!r}: metadata is {type(self.metadata).__name__}, expected a dict")
        if any(isinstance(value, (date, list, tuple)) for value in self.metadata.values()):
            object.__setattr__(self, "metadata", {key: plain(value) for key, value in self.metadata.items()})
        for key, value in self.metadata.items():
            _text(f"document {self.id!r}: a metadata key", key)
            for one in value if isinstance(value, list) else [value]:
                _scalar(f"document {self.id!r}: metadata {key!r}", one)


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


@dataclass(frozen=True)
class Skip:
    """A file, or a part of one, that could not be read, and why; the rest went on.

    Attributes:
        source: the file, with the line where there is one, as `notes.jsonl:12`.
        reason: why, in a few words.
        transient: whether reading it again may succeed with the file unchanged, as after a change of permissions.
    """

    source: str
    reason: str
    transient: bool = False

    def to_json(self) -> dict[str, Any]:
        """As it stands in a library's file and in what `--json` prints."""
        return {"source": self.source, "reason": self.reason, "passing": self.transient}

    @staticmethod
    def from_json(values: dict[str, Any]) -> Skip:
        """The skip that `to_json` gave."""
        return Skip(values["source"], values["reason"], values.get("passing", False))


@dataclass(frozen=True)
class Report:
    """What a call of `add`, `sync`, `remove`, `forget` or `refine` changed in a library.

    Attributes:
        added, changed, unchanged, removed: numbers of documents.
        skipped: what could not be taken in, in the order of reading.
        refined: passages that were encoded again at the library's document width.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: tuple[Skip, ...] = ()
    refined: int = 0

    def __add__(self, other: Report) -> Report:
        return Report(
            self.added + other.added,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.removed + other.removed,
            self.skipped + other.skipped,
            self.refined + other.refined,
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


def plain(value: Any) -> Any:
    """A date or a datetime as its ISO 8601 text, whose order is theirs, also in a list; every other value as it is."""
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            value = value.astimezone(timezone.utc).replace(tzinfo=None)
            return value.isoformat(timespec="seconds") + "Z"
        return value.isoformat(timespec="seconds")
    return value.isoformat() if isinstance(value, date) else value


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


def _scalar(what: str, value: object) -> None:
    if isinstance(value, str):
        _text(what, value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{what} is {value}, expected a finite number")
    elif isinstance(value, int):
        if abs(value) > _MAX_INTEGER:
            raise ValueError(f"{what} is over 64 bits, expected a smaller number or a str")
    elif value is not None:
        raise TypeError(f"{what} is {type(value).__name__}, expected str, int, float, bool or None")
