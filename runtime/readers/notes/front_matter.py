"""Front matter: what a note says of itself between rules at its top, in the part of YAML that people write, or TOML.

It is front matter where it is closed and every line of it reads so; else it is text. Nothing is lost: what reads so but
is not understood, as a mapping within another, is given back as lines of text.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from ...document import Scalar, Value, clean, plain, typed

_MAX_LINES = 2000
_MAX_CHARS = 1 << 16
_MAX_DEPTH = 5
_MAX_INTEGER = 2**63 - 1
_KEY = re.compile(r"""("[^"]+"|'[^']+'|[^\W\d][\w .\-/]{0,99}?)[ \t]*:(?:[ \t]+(.*)|[ \t]*)$""")
_ITEM = re.compile(r"[ \t]*-(?:[ \t]+(.*)|)$")
_BLOCK = re.compile(r"([|>])[+\-1-9]{0,2}(?:[ \t]+#.*)?$")
_QUOTED = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^']|'')*)'""")
_COMMENT = re.compile(r"[ \t]#.*")
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ][ ]*(\d\d?:\d\d(?::\d\d)?)(?:\.\d+)?[ ]*(?:([Zz])|([+-]\d\d?)(?::?(\d\d))?)?$"
)
_LISTS = frozenset("tags tag aliases alias keywords categories".split())
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\ufffd", "\\": "\\", '"': '"', "/": "/", " ": " ", "_": "\xa0"}


@dataclass(frozen=True)
class FrontMatter:
    """What a note says of itself.

    Attributes:
        values: by key, as they are written there.
        rest: lines that are not understood, and keys without a value.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    rest: tuple[str, ...] = ()


class _NotRead(Exception):
    """It is no front matter, or a value is none that is understood."""


def front_matter(text: str) -> tuple[FrontMatter, str]:
    """The front matter of a text, and the text behind it; nothing and the whole text where it has none."""
    first, _, behind = text.partition("\n")
    mark = first.rstrip()
    if mark not in ("---", "+++"):
        return FrontMatter(), text
    ends = ("---", "...") if mark == "---" else ("+++",)
    lines = behind[:_MAX_CHARS].split("\n")[:_MAX_LINES]
    end = next((number for number, line in enumerate(lines) if line.rstrip() in ends), None)
    if end is None:
        return FrontMatter(), text
    try:
        found = _yaml(lines[:end]) if mark == "---" else _toml("\n".join(lines[:end]))
    except _NotRead:
        return FrontMatter(), text
    return found, "\n".join(behind.split("\n")[end + 1 :])


def _yaml(lines: list[str]) -> FrontMatter:
    values: dict[str, Value] = {}
    rest: list[str] = []
    for key, value, below in _entries(lines):
        if key is None:
            rest.append(value)
            continue
        try:
            found = _value(value, below)
            if isinstance(found, str) and key.lower() in _LISTS and "," in found:
                found = [one for part in found.split(",") if (one := part.strip())]
            if key in values:
                raise _NotRead
            if found in (None, "", []):
                raise _NotRead
            values[clean(key)] = found
        except _NotRead:
            rest += [f"{key}: {value}".rstrip(), *(line.rstrip() for line in below if line.strip())]
    return FrontMatter(values, tuple(rest))


def _entries(lines: list[str]) -> Iterator[tuple[str | None, str, list[str]]]:
    """Each key with what stands behind it and the lines below it that belong to it; comments have no key.

    Raises:
        _NotRead: the lines are not of keys.
    """
    number, keys = 0, 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.strip():
            continue
        if line.startswith("#"):
            if line.strip("# "):
                yield None, line.strip("# \t"), []
            continue
        match = _KEY.match(line)
        if match is None:
            raise _NotRead
        below = []
        while number < len(lines) and (
            not lines[number].strip() or lines[number][0] in " \t]" or _is_item(lines[number])
        ):
            below.append(lines[number])
            number += 1
        keys += 1
        yield match[1].strip("\"'"), (match[2] or "").strip(), below
    if not keys:
        raise _NotRead


def _is_item(line: str) -> bool:
    return line == "-" or line.startswith("- ")


def _value(value: str, below: list[str]) -> Value:
    lines = [line for line in below if line.strip()]
    if (block := _BLOCK.match(value)) is not None:
        return clean(("\n" if block[1] == "|" else " ").join(line.strip() for line in below).strip())
    if value.startswith("#"):
        value = ""
    if value.startswith("["):
        return _flow(" ".join([value, *(line.strip() for line in lines)]))
    if not value and lines and _ITEM.match(lines[0]):
        items: list[str] = []
        for line in lines:
            item = _ITEM.match(line)
            if item is None and not line.lstrip().startswith("#"):
                raise _NotRead
            if item is not None:
                items.append(item[1] or "")
        if any(_KEY.match(item) for item in items):
            raise _NotRead
        return [found for item in items if (found := _scalar(item)) not in (None, "")]
    if lines and (not value or any(_KEY.match(line.strip()) for line in lines)):
        raise _NotRead  # a mapping within
    return _scalar(" ".join([value, *(line.strip() for line in lines)]))


def _flow(value: str) -> Value:
    """`[a, "b, c", 3]`."""
    items: list[Scalar] = []
    place = 1
    while True:
        while place < len(value) and value[place] in " \t,":
            place += 1
        if place >= len(value):
            raise _NotRead
        if value[place] == "]":
            break
        quoted = _QUOTED.match(value, place)
        if quoted is not None:
            place = quoted.end()
            items.append(_scalar(quoted[0]))
        else:
            stop = next((at for at in range(place, len(value)) if value[at] in ",]"), None)
            if stop is None or any(char in "[{" for char in value[place:stop]):
                raise _NotRead
            items.append(_scalar(value[place:stop]))
            place = stop
    behind = value[place + 1 :].strip()
    if behind and not behind.startswith("#"):
        raise _NotRead
    return [item for item in items if item not in (None, "")]


def _scalar(value: str) -> Scalar:
    value = value.strip()
    quoted = _QUOTED.match(value)
    if quoted is not None and not _COMMENT.sub("", value[quoted.end() :]).strip():
        if quoted[1] is not None:
            unescaped = re.sub(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", _unescaped, quoted[1])
            return clean(unescaped)
        return clean(quoted[2].replace("''", "'"))
    if value[:1] in "{&*!%@`" and value:
        raise _NotRead
    value = _COMMENT.sub("", f" {value}").strip()
    if value in ("", "~", "null", "Null", "NULL"):
        return None
    if value in ("True", "TRUE", "False", "FALSE"):
        return value.lower() == "true"
    if (moment := _TIME.match(value)) is not None:
        return _instant(moment) or clean(value)
    return typed(clean(value))


def _unescaped(escape: re.Match[str]) -> str:
    code = escape[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPES.get(code, code)


def _instant(moment: re.Match[str]) -> str | None:
    """A date with a time as Document writes one, in UTC where it has a zone."""
    day, clock, utc, hours, minutes = moment.groups()
    clock = clock.rjust(8 if clock.count(":") == 2 else 5, "0")
    zone = "+00:00" if utc else f"{hours[0]}{hours[1:]:0>2}:{minutes or '00'}" if hours else ""
    try:
        return str(plain(datetime.fromisoformat(f"{day}T{clock}{zone}")))
    except (ValueError, OverflowError):
        return None


def _toml(text: str) -> FrontMatter:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError:
            raise _NotRead from None
    try:
        told = tomllib.loads(text)
    except (ValueError, RecursionError):
        raise _NotRead from None
    values: dict[str, Value] = {}
    _flatten(told, "", values, 0)
    return FrontMatter(values)


def _flatten(told: Mapping[str, Any], before: str, values: dict[str, Value], depth: int) -> None:
    """Tables within tables as keys with dots, as `taxonomies.tags`."""
    for key, value in told.items():
        name = clean(f"{before}{key}")
        if isinstance(value, dict) and depth < _MAX_DEPTH:
            _flatten(value, f"{name}.", values, depth + 1)
        elif isinstance(value, list):
            values[name] = [_kept(one) for one in value]
        else:
            values[name] = _kept(value)


def _kept(value: Any) -> Scalar:
    if isinstance(value, (date, datetime)):
        return str(plain(value))
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) <= _MAX_INTEGER):
        return value
    if isinstance(value, float) and value - value == 0:  # neither infinite nor no number
        return value
    return clean(value.isoformat() if isinstance(value, time) else str(value))
