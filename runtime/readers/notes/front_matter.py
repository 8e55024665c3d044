"""Front matter: what a note says of itself between rules at its top, in the part of YAML that people write, or TOML.

It is front matter where it is closed and most of it reads so; else it is text. Nothing is lost: what is not understood,
as a mapping within another, is given back as lines of text, and so is a remark. A library for YAML would take a whole
note for damaged where one line is, a version 1.10 for the number 1.1, and the end of `Notes on C #1` for a remark.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from ...document import MAX_LIST, Scalar, Value, clean, plain, typed

_MAX_LINES = 2000
_MAX_CHARS = 1 << 16
_MAX_DEPTH = 5
_MAX_INTEGER = 2**63 - 1
_KEY = re.compile(
    r"""("[^"]+"|'[^']+'|[^\s\-?#&*!|>%\[\]{},;:'"`][^,;"'`\[\]{}]{0,99}?)[ \t]*:(?:[ \t]+(.*)|[ \t]*)$"""
)
_NO_PROSE = re.compile(r"[^\s:]{1,100}:|[\s{}]")  # a key as others write it, or a part of one
_ITEM = re.compile(r"[ \t]*-(?:[ \t]+(.*)|)$")
_FLOW_ITEM = re.compile(r"(?:(?![ \t]#[ \t\n])[^,\[\]{}\n])+")
_FLOW_REMARK = re.compile(r"#(?:[ \t]+([^\n]*))?(?=\n|\Z)")
_BLOCK = re.compile(r"([|>])[+\-1-9]{0,2}(?:[ \t]+#(.*))?$")
_QUOTED = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^']|'')*)'""")
_REMARK = re.compile(r"(?:^|[ \t])#(?:[ \t]+(.*))?$")  # `#1` is none, though it is one in YAML
_TOML_REMARK = re.compile(
    r'''"""(?:\\.|[^\\])*?"""|\'{3}.*?\'{3}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#([^\n]*)''', re.DOTALL
)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ][ ]*(\d\d?:\d\d(?::\d\d)?)(?:\.\d+)?[ ]*(?:([Zz])|([+-]\d\d?)(?::?(\d\d))?)?$"
)
_LISTS = frozenset("tags tag aliases alias keywords categories".split())
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\ufffd", "\\": "\\", '"': '"', "/": "/", " ": " ", "_": "\xa0"}


@dataclass(frozen=True)
class FrontMatter:
    """What a note says of itself.

    Attributes:
        values: by key, of the type that they are written as.
        written: the same, as they are written there, without quotes and in one line.
        rest: lines that are not understood, keys without a value, and remarks.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
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
    written: dict[str, str] = {}
    rest: list[str] = []
    for key, value, below in _entries(textwrap.dedent("\n".join(lines)).split("\n")):
        if key is None:
            rest.append(value)
            continue
        more: list[str] = []
        try:
            found, text = _value(value, below, more)
            if isinstance(found, str) and key.lower() in _LISTS and "," in found:
                found = [one for part in found.split(",") if (one := part.strip())]
            if clean(key) in values or found in (None, "", []) or (isinstance(found, list) and len(found) > MAX_LIST):
                raise _NotRead
            values[clean(key)], written[clean(key)] = found, " ".join(text.split())
            rest += filter(None, more)
        except _NotRead:
            rest += [f"{key}: {value}".rstrip(), *(line.rstrip() for line in below if line.strip())]
    return FrontMatter(values, written, tuple(rest))


def _entries(lines: list[str]) -> Iterator[tuple[str | None, str, list[str]]]:
    """Each key with what stands behind it and the lines below it that belong to it; without one, what is no key.

    Raises:
        _NotRead: the lines are prose rather than keys.
    """
    number = keys = prose = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.strip():
            continue
        if line.startswith("#"):
            yield None, line.lstrip("# \t").rstrip(), []
            continue
        match = _KEY.match(line)
        if match is None:
            prose += _NO_PROSE.match(line) is None
            if prose and not keys:
                raise _NotRead
            yield None, line.rstrip(), []
            continue
        end = number
        while end < len(lines) and (not lines[end].strip() or lines[end][0] in "# \t]}" or _is_item(lines[end])):
            end += 1
        while end > number and lines[end - 1][:1] in ("", "#"):  # a remark on what follows
            end -= 1
        keys += 1
        yield match[1].strip("\"'"), (match[2] or "").strip(), lines[number:end]
        number = end
    if keys <= prose:
        raise _NotRead


def _is_item(line: str) -> bool:
    return line == "-" or line.startswith("- ")


def _value(value: str, below: list[str], more: list[str]) -> tuple[Value, str]:
    """What stands behind a key, and as it is written; remarks, and lines that are none of it, are added to more."""
    lines = [line.strip() for line in below if line.strip()]
    if (block := _BLOCK.match(value)) is not None:
        more.append((block[2] or "").strip())
        text = clean(("\n" if block[1] == "|" else " ").join(line.strip() for line in below).strip())
        return text, text
    if value.startswith("["):
        return _flow("\n".join([value, *lines]), more)
    if value.startswith(('"', "'")):
        more += lines if (is_whole := _QUOTED.match(value) is not None) else ()
        return _scalar(value if is_whole else " ".join([value, *lines]), more)
    if bare := _without_remark(value, more):
        if any(map(_KEY.match, lines)):
            more += lines
            lines = []
        return _scalar(" ".join([bare, *(_without_remark(line, more) for line in lines)]), more)
    items: list[str] = []
    for line in lines:
        item = _ITEM.match(line)
        if item is not None and not _KEY.match(item[1] or ""):
            items.append(item[1] or "")
        elif line.startswith("#"):
            more.append(line.lstrip("# \t"))
        else:
            raise _NotRead  # a mapping within
    return _listed(_scalar(item, more) for item in items)


def _flow(text: str, more: list[str]) -> tuple[Value, str]:
    """`[a, "b, c", 3]`."""
    items: list[tuple[Scalar, str]] = []
    place = 1
    while True:
        while place < len(text) and text[place] in " \t\n,":
            place += 1
        if place >= len(text):
            raise _NotRead
        if text[place] == "]":
            break
        if (remark := _FLOW_REMARK.match(text, place)) is not None:
            more.append((remark[1] or "").strip())
            place = remark.end()
            continue
        item = _QUOTED.match(text, place) or _FLOW_ITEM.match(text, place)
        if item is None:
            raise _NotRead
        place = item.end()
        items.append(_scalar(item[0], more))
    behind = text[place + 1 :].strip()
    if not behind or behind.startswith("#"):
        more.append(behind.lstrip("# \t"))
        return _listed(items)
    if "\n" in text:
        raise _NotRead
    text = clean(_without_remark(text, more))  # as in `[Draft] Report`
    return text, text


def _listed(items: Iterable[tuple[Scalar, str]]) -> tuple[Value, str]:
    kept = [(value, text) for value, text in items if value not in (None, "")]
    return [value for value, _ in kept], ", ".join(text for _, text in kept)


def _without_remark(line: str, more: list[str]) -> str:
    """A line without the remark at its end, which is added to more."""
    remark = _REMARK.search(line)
    if remark is None:
        return line.strip()
    more.append((remark[1] or "").strip())
    return line[: remark.start()].strip()


def _scalar(source: str, more: list[str]) -> tuple[Scalar, str]:
    """A value, and as it is written."""
    source = source.strip()
    quoted = _QUOTED.match(source)
    if quoted is not None and (source[quoted.end() :].lstrip() or "#").startswith("#"):
        more.append(source[quoted.end() :].lstrip("# \t"))
        if quoted[1] is not None:
            text = clean(re.sub(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", _unescaped, quoted[1]))
        else:
            text = clean(quoted[2].replace("''", "'"))
        return text, text
    if source.startswith(("{", "&", "*", "!")):
        raise _NotRead
    text = clean(_without_remark(source, more))
    if text in ("", "~", "null", "Null", "NULL"):
        return None, ""
    if text in ("True", "TRUE", "False", "FALSE"):
        return text.lower() == "true", text
    if (moment := _TIME.match(text)) is not None:
        return _instant(moment) or text, text
    return typed(text), text


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
        told = tomllib.loads(text, parse_float=Decimal)  # which keeps 1.10 as it is written
    except (ValueError, RecursionError, ArithmeticError):
        raise _NotRead from None
    values: dict[str, Value] = {}
    written: dict[str, str] = {}
    rest: list[str] = []
    for key, value in _flat(told, "", 0):
        items = value if isinstance(value, list) else [value]
        shown = " ".join(", ".join(map(_shown, items)).split())
        if len(items) > MAX_LIST:
            rest.append(f"{key}: {shown}")
        else:
            values[key], written[key] = list(map(_kept, items)) if items is value else _kept(value), shown
    rest += filter(None, ((remark[1] or "").strip("# \t") for remark in _TOML_REMARK.finditer(text)))
    return FrontMatter(values, written, tuple(rest))


def _flat(told: Mapping[str, Any], before: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Tables within tables as keys with dots, as `taxonomies.tags`."""
    for key, value in told.items():
        name = clean(f"{before}{key}")
        if isinstance(value, dict) and depth < _MAX_DEPTH:
            yield from _flat(value, f"{name}.", depth + 1)
        else:
            yield name, value


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return clean(value.isoformat() if isinstance(value, (date, time)) else str(value))


def _kept(value: Any) -> Scalar:
    if isinstance(value, (date, datetime)):
        return str(plain(value))
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) <= _MAX_INTEGER):
        return value
    if isinstance(value, Decimal) and (number := float(value)) - number == 0:  # neither infinite nor no number
        return number
    return _shown(value)
