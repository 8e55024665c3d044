"""What hits have in common, counted, so that a list of them can be narrowed; and when they are from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from ...document import Hit
from ...library.store.filters import escaped

MOST_VALUES = 12
_MOST_CHARS = 60
_OWN = frozenset({"path", "modified", "date"})  # which have facets of their own
_YEAR = re.compile(r"(\d{4})-\d\d")

Value = tuple[str, str, str]  # the facet's name, the value's type, the value


def facets(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """The values that some hits have, by what they are values of, each with its count and the `where` that keeps it.

    Left out is what all hits have: it does not divide them.
    """
    counts: Counter[Value] = Counter()
    wheres: dict[Value, Mapping[str, Any]] = {}
    for hit in hits:
        values = {(name, kind, value): where for name, kind, value, where in _values(hit)}
        counts.update(values.keys())
        wheres |= values
    found: dict[str, list[dict[str, Any]]] = {}
    for key, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        rows = found.setdefault(key[0], [])
        if count < len(hits) and len(rows) < MOST_VALUES:
            rows.append({"value": key[2], "count": count, "where": wheres[key]})
    return [{"name": name, "values": rows} for name, rows in sorted(found.items(), key=_placed) if rows]


def date_of(hit: Hit) -> str:
    """When a hit is from, ISO 8601: its `date`, else when its file was modified; empty where nothing says it."""
    for name in ("date", "modified"):
        value = hit.metadata.get(name)
        if isinstance(value, str):
            return value if _YEAR.match(value) else ""
    return ""


def _placed(facet: tuple[str, Any]) -> tuple[int, str]:
    known = ("folder", "kind", "year")
    return (known.index(facet[0]), "") if facet[0] in known else (len(known), facet[0])


def _values(hit: Hit) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    """What a hit has to be narrowed by: a facet's name, the type and text of a value, and the `where` that keeps it."""
    path = hit.metadata.get("path")
    if isinstance(path, str) and path:
        file = PurePath(path)
        for parent in file.parents:
            if parent.name:  # but the root, and the folder that is not named
                begin = path[: len(str(parent)) + 1]
                below = {">=": begin, "<": begin[:-1] + chr(ord(begin[-1]) + 1)}
                yield "folder", "str", str(parent), {"path": below}
        if file.suffix:
            yield "kind", "str", file.suffix[1:].lower(), {"path": {"ends with": file.suffix}}
    if year := _YEAR.match(date_of(hit)):
        within = {">=": year[1], "<": f"{int(year[1]) + 1:04d}"}
        undated = {"date": {"exists": False}, "modified": within}
        yield "year", "str", year[1], {"$or": [{"date": within}, undated]}
    for name, value in hit.metadata.items():
        for one in value if isinstance(value, list) else [value]:
            if name not in _OWN and isinstance(one, (str, bool, int)) and 0 < len(str(one)) <= _MOST_CHARS:
                yield f"metadata {name}", type(one).__name__, str(one), {escaped(name): {"=": one}}
