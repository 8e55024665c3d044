"""What a file of many parts gives each: an id that stays its own when others come and go, and its metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ..document import Value, clean

_MAX_VALUES = 1000


class Ids:
    """Gives the parts of one file their ids.

    A part is called by the name that it has in the file; where it has none, by what it holds. Equal ones are numbered.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Hashes in the place of names: what a large file's parts are called may be much.
        self._given = Counter[bytes]()
        self._held: set[bytes] = set()

    def of(self, name: str, content: bytes) -> str:
        """An id that no other part of the file has.

        Args:
            name: what the part is called in the file; empty for nothing.
            content: what it holds.
        """
        named = clean(" ".join(name.split())) or blake2b(content, digest_size=8).hexdigest()
        key = blake2b(named.encode(), digest_size=8).digest()
        self._given[key] += 1
        number = self._given[key]
        return f"{self._path}:{named}" if number == 1 else f"{self._path}:{named} ({number})"

    def of_new(self, name: str, content: bytes) -> str | None:
        """The same where equal parts are copies, one of which is enough: None for one that was there.

        Another part of a name that was given is called by what it holds as well.
        """
        held = blake2b(content, digest_size=8)
        key = blake2b(held.digest() + name.encode(errors="replace"), digest_size=8).digest()
        if key in self._held:
            return None
        self._held.add(key)
        first = clean(" ".join(name.split()))
        if first and self._given[blake2b(first.encode(), digest_size=8).digest()]:
            first = f"{first} {held.hexdigest()}"
        return self.of(first, content)


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
