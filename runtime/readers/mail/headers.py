"""The headers of a message as a person reads them: decoded, addresses taken apart, the date an instant.

The standard library's own parser of headers takes time with the square of their length, and loses what is broken.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from email.message import Message
from typing import Any

from ...document import clean
from ..charset import decoded
from .dates import instant_of

MAX_HEADER = 1 << 16
_WORD = re.compile(r"=\?([^?*\s]{1,60})(?:\*[^?\s]{0,60})?\?([bBqQ])\?([^?]*)\?=")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")


def header(message: Message[Any, Any], name: str) -> str:
    """The first header of a name, on one line; empty where there is none."""
    return " ".join(_decoded(next(_raw(message, name), "")).split())


def addresses(message: Message[Any, Any], name: str) -> list[str]:
    """Whom the headers of a name tell of, as `Ana Lima <ana@example.org>` each."""
    return list(dict.fromkeys(filter(None, map(_address, _split(", ".join(_raw(message, name))[:MAX_HEADER])))))


def instant(message: Message[Any, Any]) -> str | None:
    """When a message was sent, as metadata has it, see `instant_of`; None where its date tells no time."""
    return instant_of(header(message, "date"))


def is_cut(message: Message[Any, Any]) -> bool:
    """Whether a header is longer than is read of one."""
    return any(len(value) > MAX_HEADER for _, value in message.raw_items())


def filename(part: Message[Any, Any]) -> str:
    """The name of a part, without the folders that it may be told with; empty where it has none."""
    try:
        name = part.get_filename("") or ""
    except (ValueError, LookupError, TypeError):  # of a name that is encoded in no way
        name = ""
    return re.split(r"[/\\]", " ".join(_decoded(str(name)).split()))[-1].strip()


def _raw(message: Message[Any, Any], name: str) -> Iterator[str]:
    return (str(value)[:MAX_HEADER] for key, value in message.raw_items() if key.lower() == name)


def _decoded(raw: str) -> str:
    """A header's text: of bytes beyond ASCII by a guess, of encoded words by what they name."""
    if not raw.isascii():
        data = raw.encode("utf-8", "surrogateescape")
        found = decoded(data)
        raw = found.text if found is not None else data.decode("utf-8", "replace")
    raw = raw.replace("\r", "").replace("\n", "")
    if "=?" not in raw:
        return clean(raw)
    parts: list[str] = []
    charset, waiting, end = "", b"", 0
    for word in _WORD.finditer(raw):
        between = raw[end : word.start()]
        same = word[1].lower() == charset and not between.strip()
        if not same:  # a character may be cut by the end of a word
            parts.append(_text(waiting, charset))
            charset, waiting = word[1].lower(), b""
        if between.strip() or not end:
            parts.append(between)
        waiting += _bytes(word[2], word[3])
        end = word.end()
    return clean("".join([*parts, _text(waiting, charset), raw[end:]]))


def _bytes(kind: str, text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    if kind in "qQ":
        return _HEX.sub(lambda code: bytes([int(code[1], 16)]), data.replace(b"_", b" "))
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    try:
        return base64.b64decode(letters[: len(letters) - (len(letters) % 4 == 1)] + b"=" * (-len(letters) % 4))
    except binascii.Error:
        return data


def _text(data: bytes, charset: str) -> str:
    found = decoded(data, charset) if data else None
    return found.text if found is not None else data.decode("utf-8", "replace")


def _split(raw: str) -> Iterator[str]:
    """The addresses of a list: commas and semicolons part them, but in quotes, brackets and comments."""
    start, quoted, escaped, angle, depth = 0, False, False, False, 0
    for place, char in enumerate(raw):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = quoted or depth > 0
        elif char == '"':
            quoted = not quoted and not depth
        elif quoted:
            continue
        elif char == "(":
            depth += 1
        elif char == ")":
            depth = max(0, depth - 1)
        elif depth:
            continue
        elif char in "<>":
            angle = char == "<"
        elif char in ",;" or (char == ":" and not angle):  # a colon ends the name of a group
            yield raw[start:place]
            start, angle = place + 1, False
    yield raw[start:]


def _address(raw: str) -> str:
    name, bracket, rest = raw.strip().partition("<") if not raw.strip().startswith('"') else _quoted(raw.strip())
    address = " ".join(_decoded(rest.partition(">")[0]).split())
    name = " ".join(_decoded(name.strip()).split())
    if name.startswith('"') and name.endswith('"') and len(name) > 1:
        name = re.sub(r"\\(.)", r"\1", name[1:-1]).strip()
    name = name.strip("'") if name.startswith("'") and name.endswith("'") else name
    if not bracket or not address or name == address:
        return name or address
    return f"{name} <{address}>" if name else address


def _quoted(raw: str) -> tuple[str, str, str]:
    """A name in quotes, which may hold brackets, and what stands behind it."""
    end = re.compile(r'"(?:[^"\\]|\\.)*"').match(raw)
    stop = raw.find("<", end.end() if end is not None else 0)
    return (raw[:stop], "<", raw[stop + 1 :]) if stop >= 0 else (raw, "", "")
