"""The bytes of a part as they were before a program encoded them to be sent, and the text that others put around."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from dataclasses import dataclass
from email.message import Message
from typing import Any

_HEADER = "Content-Transfer-Encoding"
_COMMENT = re.compile(r"\([^()]*\)")
_NO_LETTERS = re.compile(r"[^a-z0-9]")
# At the end of a line it joins the next, also where a program put a space behind it.
_JOINED = re.compile(rb"=[ \t]+(?=\r?\n)")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]")
_LONG = 40
_UU_BEGIN = re.compile(rb"begin [0-7]{3,4} ")


@dataclass(frozen=True)
class Content:
    """What a part holds.

    Attributes:
        data: its bytes.
        around: text that is not encoded although the part says so: a footer that a mailing list put behind it.
        is_damaged: whether signs that its encoding does not have stand within it, and were passed over.
    """

    data: bytes
    around: bytes = b""
    is_damaged: bool = False


def content(part: Message[Any, Any]) -> Content:
    """What a part holds that has no parts of its own; where nobody knows its encoding, as it stands.

    The part says no more then how it was encoded.
    """
    said = _COMMENT.sub("", str(part.get(_HEADER, ""))[:200]).lower()
    del part[_HEADER]  # so that its bytes are given as they stand
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return Content(b"")
    name = _NO_LETTERS.sub("", said)
    if name == "base64":
        return _of_base64(raw)
    if name == "quotedprintable":
        return Content(quopri.decodestring(_JOINED.sub(b"=", raw)))
    return _of_uu(raw) if name.removeprefix("x") in ("uuencode", "uue") else Content(raw)


def _of_base64(raw: bytes) -> Content:
    written = raw.strip().split(b"\n")
    lines = [line.strip() for line in written]
    if all(not line or _BASE64.fullmatch(line) for line in lines):
        return Content(_bytes(lines))
    if not _BASE64.fullmatch(lines[0]):
        return Content(raw)
    width = len(lines[0])
    alike = (n for n, line in enumerate(lines) if len(line) == width >= _LONG and _BASE64.fullmatch(line))
    last = max(alike, default=0)
    end = last + _end(lines[last:], width)
    is_damaged = any(line and not _BASE64.fullmatch(line) for line in lines[:end])
    return Content(_bytes(lines[:end]), b"\n".join(written[end:]), is_damaged)


def _end(lines: list[bytes], width: int) -> int:
    """How many lines are base64, where others follow: one that is filled up or shorter is the last."""
    for number, line in enumerate(lines):
        if not _BASE64.fullmatch(line) or len(line) > width:
            return number
        if line.endswith(b"="):
            return number + 1
        if len(line) < width:
            return number + (len(line) % 4 == 0)
    return len(lines)


def _bytes(lines: list[bytes]) -> bytes:
    """Lines of base64, of which some programs fill up each; what is missing at the end of one is filled up here."""
    runs = _BASE64.findall(_NO_BASE64.sub(b"", b"".join(lines)))
    whole = (run.rstrip(b"=") for run in runs)
    sound = (run[: len(run) - (len(run) % 4 == 1)] for run in whole)
    return b"".join(base64.b64decode(run + b"=" * (-len(run) % 4)) for run in sound)


def _of_uu(raw: bytes) -> Content:
    """A file between lines that say `begin` and `end`; as it stands where there is none."""
    lines = raw.splitlines()
    begin = next((number for number, line in enumerate(lines) if _UU_BEGIN.match(line)), len(lines))
    end = next((number for number in range(begin, len(lines)) if lines[number].strip() == b"end"), len(lines))
    if begin == len(lines):
        return Content(raw)
    data, is_damaged = bytearray(), end == len(lines)
    for line in lines[begin + 1 : end]:
        try:
            data += _uu_line(line)
        except binascii.Error:
            is_damaged = True
    return Content(bytes(data), b"\n".join([*lines[:begin], *lines[end + 1 :]]).strip(), is_damaged)


def _uu_line(line: bytes) -> bytes:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:  # what stands behind its length, by broken programs
        return binascii.a2b_uu(line[: (((line[0] - 32) & 63) * 4 + 5) // 3]) if line else b""
