"""What hits have in common, counted, so that a list of them can be narrowed; and the order by date."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

from ..document import Hit
from ..library.store.filters import escaped

MOST_VALUES = 12
_MOST_CHARS = 60
_OWN = frozenset({"path", "modified"})  # which a sync gives every document
_DATES = ("date", "modified")
_YEAR = re.compile(r"(\d{4})-\d\d")


def facets(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """The values that some hits have, by what they are values of, each with its count and the `where` that keeps it.

    Left out is what does not divide the hits.
    """
    counts: dict[str, Counter[tuple[str, str]]] = {}
    wheres: dict[tuple[str, str], dict[str, Any]] = {}
    for hit in hits:
        for name, value, where in {(n, v): (n, v, w) for n, v, w in _values(hit)}.values():
            counts.setdefault(name, Counter())[name, value] += 1
            wheres[name, value] = where
    found = []
    for name, values in counts.items():
        if len(values) > 1 or next(iter(values.values())) < len(hits):
            most = sorted(values.items(), key=lambda one: (-one[1], one[0]))[:MOST_VALUES]
            rows = [{"value": key[1], "count": count, "where": wheres[key]} for key, count in most]
            found.append({"name": name, "values": rows})
    return found


def date_of(hit: Hit) -> str:
    """When a hit is from, ISO 8601; empty where nothing says it."""
    for name in _DATES:
        if isinstance(value := hit.metadata.get(name), str) and _YEAR.match(value):
            return value
    return ""


def _values(hit: Hit) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What a hit has to be narrowed by: the name of a facet, a value, and the `where` that keeps those that have it."""
    path = hit.metadata.get("path")
    if isinstance(path, str) and path:
        file = PurePath(path)
        yield "folder", str(file.parent), {"path": {"contains": f"{file.parent}{path[len(str(file.parent))]}"}}
        if file.suffix:
            kinds = sorted({file.suffix, file.suffix.lower(), file.suffix.upper()})
            yield "kind", file.suffix[1:].lower(), {"$or": [{"path": {"contains": one}} for one in kinds]}
    for name, value in hit.metadata.items():
        for one in value if isinstance(value, list) else [value]:
            if name in _DATES and isinstance(one, str) and (year := _YEAR.match(one)):
                yield "year", year[1], {escaped(name): {">=": year[1], "<": str(int(year[1]) + 1)}}
            elif name not in _OWN and isinstance(one, (str, bool, int)) and 0 < len(str(one)) <= _MOST_CHARS:
                yield f"metadata {name}", str(one), {escaped(name): {"=": one}}
