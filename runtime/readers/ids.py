"""What a file of many parts gives each: an id that stays its own when others come and go, and its metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ..document import Skip, clean

_MAX_VALUES = 1000


class Ids:
    """Gives the parts of one file their ids.

    A part is called by the name that it has in the file; where it has none, by what it holds. Equal ones are numbered.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Hashes in the place of names: what a large file's parts are called may be much.
        self._given = Counter[bytes]()
        self._repeated = 0
        self._first_repeated = ""

    def of(self, name: str, content: bytes) -> str:
        """An id that no other part of the file has.

        Args:
            name: what the part is called in the file; empty for nothing.
            content: what it holds.
        """
        return self._numbered(f"{self._path}:{clean(' '.join(name.split())) or _hash(content)}")

    def given(self, id: str, content: bytes) -> str:
        """The id that a part has from who wrote it, or one with what the part holds where another has that already.

        Args:
            id: as it stands in the file; empty for none.
            content: what the part holds.
        """
        if not id:
            return self.of("", content)
        if self._count(id) == 1:
            return id
        self._repeated += 1
        self._first_repeated = self._first_repeated or id
        return self._numbered(f"{id} ({_hash(content)})")

    def said(self) -> Iterator[Skip]:
        """What a report is to say of ids that came again."""
        if self._repeated:
            what = f"{self._repeated} of its parts have the id of another, first {self._first_repeated!r}"
            yield Skip(str(self._path), f"{what}; each is taken in under an id of its own", within=True)

    def _numbered(self, id: str) -> str:
        count = self._count(id)
        return id if count == 1 else f"{id} ({count})"

    def _count(self, id: str) -> int:
        key = blake2b(id.encode(), digest_size=8).digest()
        self._given[key] += 1
        return self._given[key]


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()


def metadata_of(found: Mapping[str, list[str]]) -> dict[str, Any]:
    """Metadata of what was found under each key: one value by itself, several as a list of the first 1,000."""
    return {
        key: values[0] if len(values) == 1 else values[:_MAX_VALUES] for key, values in found.items() if any(values)
    }
