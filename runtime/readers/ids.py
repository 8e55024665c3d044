"""What a file of many parts gives each: an id that stays its own when others come and go, and its metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ..document import Skip, Value, clean

_MAX_VALUES = 1000
_MAX_SHOWN = 100


class Ids:
    """Gives the parts of one file their ids.

    A part is called by the name that it has in the file; where it has none, by what it holds. Equal ones are numbered.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Hashes in the place of names: what a large file's parts are called may be much.
        self._given = Counter[bytes]()
        self._held: set[bytes] = set()
        self._repeated: tuple[int, str] = (0, "")  # how many, and the first
        self._same: tuple[int, str] = (0, "")

    def of(self, name: str, content: bytes) -> str:
        """An id that no other part of the file has.

        Args:
            name: what the part is called in the file; empty for nothing.
            content: what it holds.
        """
        return self._numbered(f"{self._path}:{clean(' '.join(name.split())) or _hash(content)}")

    def given(self, id: str, content: bytes) -> str | None:
        """The id that a part has from who wrote it, or one with what the part holds where another has that already;
        None for a part that was there already as it is.

        Args:
            id: as it stands in the file; empty for none.
            content: what the part holds.
        """
        if not id:
            return self.of("", content)
        own = f"{id} ({_hash(content)})"
        is_first, is_new = self._count(id) == 1, self._count(own) == 1
        if is_first:
            return id
        if is_new:
            self._repeated = (self._repeated[0] + 1, self._repeated[1] or id)
            return own
        self._same = (self._same[0] + 1, self._same[1] or id)
        return None

    def of_new(self, name: str, content: bytes) -> str | None:
        """The same where equal parts are copies, one of which is enough: None for one that was there.

        Another part of a name that was given is called by what it holds as well.
        """
        held = _hash(content)
        key = _key(f"{held} {name}")
        if key in self._held:
            return None
        self._held.add(key)
        first = clean(" ".join(name.split()))
        if first and self._given[_key(f"{self._path}:{first}")]:
            first = f"{first} {held}"
        return self.of(first, content)

    def said(self) -> Iterator[Skip]:
        """What a report is to say of ids that came again."""
        for (count, first), what, so in (
            (self._repeated, "have the id of another", "each is taken in under an id of its own"),
            (self._same, "are the same as another", "they are taken in once"),
        ):
            if count:
                yield Skip(
                    str(self._path), f"{count} of its parts {what}, first {first[:_MAX_SHOWN]!r}; {so}", within=True
                )

    def _numbered(self, id: str) -> str:
        count = self._count(id)
        return id if count == 1 else f"{id} ({count})"

    def _count(self, id: str) -> int:
        key = _key(id)
        self._given[key] += 1
        return self._given[key]


def _key(text: str) -> bytes:
    return blake2b(text.encode(errors="replace"), digest_size=8).digest()


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()


def metadata_of(found: Mapping[str, list[str]]) -> dict[str, Any]:
    """Metadata of what was found under each key: one value by itself, several as a list of the first 1,000."""
    return {
        key: values[0] if len(values) == 1 else values[:_MAX_VALUES] for key, values in found.items() if any(values)
    }


def value_line(value: Value) -> str:
    """A value of metadata as text, on one line; several between commas."""
    values = value if isinstance(value, (list, tuple)) else [value]
    said = (str(one).lower() if isinstance(one, bool) else str(one) for one in values if one is not None)
    return " ".join(", ".join(said).split())
