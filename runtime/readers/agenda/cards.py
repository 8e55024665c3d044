"""Contacts (.vcf, vCard 2.1 to 4.0): a card a document, its title the name."""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...document import Document, Skip, clean
from ..charset import Decoded, decoded, known, mark_of
from ..ids import Ids, metadata_of
from ..text import Unreadable, lost, read_bytes, text_of
from .folds import with_whole_characters

_LABELS = {
    "N": "Name", "NICKNAME": "Nickname", "ORG": "Organization", "TITLE": "Job", "ROLE": "Role", "EMAIL": "Email",
    "TEL": "Phone", "ADR": "Address", "LABEL": "Address", "URL": "Web", "IMPP": "Messenger", "BDAY": "Birthday",
    "ANNIVERSARY": "Anniversary", "CATEGORIES": "Categories", "RELATED": "Related", "LANG": "Language",
    "GENDER": "Gender", "TZ": "Time zone", "NOTE": "Note",
}  # fmt: skip
# Of programs for programs, or no text.
_QUIET = frozenset(
    "BEGIN END VERSION PRODID REV UID FN PHOTO LOGO SOUND KEY SORT-STRING MAILER GEO SOURCE CLASS KIND PROFILE NAME "
    "CLIENTPIDMAP XML X-ABLABEL X-ABUID X-ABADR X-ABSHOWAS X-IMAGETYPE X-IMAGEHASH".split()
)
_PARTS = frozenset({"N", "ADR", "ORG", "GENDER"})  # values in parts, between semicolons
_ENCODINGS = frozenset({"QUOTED-PRINTABLE", "BASE64", "B"})
_NO_KINDS = frozenset("INTERNET PREF VOICE QUOTED-PRINTABLE BASE64 B 8BIT 7BIT OTHER DOM INTL POSTAL PARCEL".split())
_LINE = re.compile(rb"(?:([\w-]+)\.)?([\w-]+)((?:;(?:[^\":;]|\"[^\"]*\")*)*):(.*)", re.DOTALL)
_PARAM = re.compile(r";((?:[^\";]|\"[^\"]*\")*)")
_TOKEN = re.compile(r"\\.|[;,]|[^\\;,]+|\\", re.DOTALL)
_DAY = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:T.*)?")
_OWN_LABEL = re.compile(r"_\$!<(.*)>!\$_")
_MAX_OPEN = 20


@dataclass
class _Card:
    """A card that is being read: its lines unfolded, one a property."""

    line: int
    lines: list[bytearray] = field(default_factory=list)
    is_old: bool = False  # of version 2.1, whose folded lines keep their white space


@dataclass(frozen=True)
class _Property:
    group: str
    name: str
    kinds: tuple[str, ...]
    value: str
    lost: int  # characters that could not be decoded


def read_vcf(path: Path) -> Iterator[Document | Skip]:
    """Contacts: a document for each card, named by its UID.

    Its title is the name; its text has what the card says, a line for each; metadata are `email`, `phone`,
    `organization`, `categories` and `birthday`, as far as they are given.
    """
    data = with_whole_characters(read_bytes(path))
    file = text_of(data, str(path))
    guess = str(file.metadata.get("encoding", ""))
    is_utf8 = not guess  # but for what is broken in it
    if mark_of(data) is not None or b"\0" in data:
        data = file.text.encode()
        yield from file.skips
    ids = Ids(path)
    found = False
    for card, whole in _cards(data):
        found = True
        properties = [one for line in card.lines if (one := _property(line, guess, is_utf8=is_utf8)) is not None]
        named = next((one.value for one in properties if one.name == "UID"), "")
        where = f"{path}:{card.line}"
        document = _document(properties, ids.of(named, _content(properties)), path, file.metadata)
        yield Skip(where, "is a card without text") if document is None else document
        if broken := sum(one.lost for one in properties):
            yield Skip(where, lost(broken), within=True)
        if not whole:
            yield Skip(where, "is cut off before its end; what is there of it was read", within=True)
    if not found:
        raise Unreadable("holds no contact (BEGIN:VCARD is missing)")


def _content(properties: list[_Property]) -> bytes:
    return "\n".join(f"{one.name}:{one.value}" for one in properties if one.name != "REV").encode(errors="replace")


def _cards(data: bytes) -> Iterator[tuple[_Card, bool]]:
    """The cards of a file, those within others before them, each with whether it has its end."""
    open_: list[_Card] = []
    for number, line in enumerate(re.split(rb"\r\n|\r|\n", data), start=1):
        edge = line.strip().upper().replace(b" ", b"")
        if edge.endswith(b"BEGIN:VCARD") and len(open_) < _MAX_OPEN:
            if open_ and not edge.startswith(b"AGENT") and not _is_agent(open_[-1]):
                yield open_.pop(), False
            open_.append(_Card(number))
        elif not open_:
            continue
        elif edge == b"END:VCARD":
            yield open_.pop(), True
        else:
            _continue(open_[-1], line)
    for card in reversed(open_):
        yield card, False


def _is_agent(card: _Card) -> bool:
    return bool(card.lines) and card.lines[-1].strip().upper() == b"AGENT:"


def _continue(card: _Card, line: bytes) -> None:
    """Take in a line: a property, or more of the one before."""
    last = card.lines[-1] if card.lines else bytearray()
    if last.endswith(b"=") and b"QUOTED-PRINTABLE" in last[: last.find(b":")].upper():
        last += b"\n" + line
    elif line[:1] in (b" ", b"\t"):
        last += line if card.is_old else line[1:]
    elif not line.strip():
        pass
    elif _LINE.match(line) is not None:
        card.is_old |= line.strip().upper() == b"VERSION:2.1"
        card.lines.append(bytearray(line))
    elif card.lines:  # a program that broke a line and did not say so
        last += b"\\n" + line


def _property(line: bytearray, guess: str, *, is_utf8: bool) -> _Property | None:
    """A line taken apart; None for what is no text."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    params = [param.partition("=") for param in _PARAM.findall(match[3].decode(errors="replace"))]
    given = {name.strip().upper(): value.strip('" ') for name, equals, value in params if equals}
    bare = [name for name, equals, _ in params if not equals]  # of version 2.1, which names values alone
    types = [value for name, _, value in params if name.strip().upper() == "TYPE"]
    kinds = [kind.strip('" ') for kind in ",".join([*types, *bare]).split(",")]
    encoding = given.get("ENCODING", next((one for one in bare if one.upper() in _ENCODINGS), "")).upper()
    if encoding in ("B", "BASE64"):
        return None
    is_quoted = encoding == "QUOTED-PRINTABLE"  # in an encoding of its own
    value = quopri.decodestring(match[4]) if is_quoted else match[4]
    read = _decoded(value, given.get("CHARSET"), guess, is_utf8=is_utf8 and not is_quoted)
    kept = tuple(kind.lower() for kind in kinds if kind and kind.upper() not in _NO_KINDS)
    text = read.text.replace("\r\n", "\n").strip()
    return _Property((match[1] or b"").decode().upper(), match[2].decode().upper(), kept, text, read.lost)


def _decoded(value: bytes, charset: str | None, guess: str, *, is_utf8: bool) -> Decoded:
    """A value as text: in the encoding that it tells, else in that of its file; else by a guess."""
    found = None if is_utf8 and not known(charset) else decoded(value, charset, guess or None)
    if found is not None:
        return found
    text = value.decode(errors="replace")
    return Decoded(text, "", text.count("\ufffd"))


def _document(properties: list[_Property], id: str, path: Path, metadata: dict[str, Any]) -> Document | None:
    own = {one.group: _OWN_LABEL.sub(r"\1", one.value) for one in properties if one.group and one.name == "X-ABLABEL"}
    values: dict[str, list[str]] = {}
    for one in properties:
        if value := _value(one):
            values.setdefault(one.name, []).append(value)
    title = next((values[name][0] for name in ("FN", "N", "ORG", "EMAIL", "TEL") if name in values), "")
    lines = []
    for one in properties:
        value = _value(one)
        known = one.name in _QUIET or (one.name == "N" and set(value.split()) <= set(title.split()))
        if value and not known:
            label = _LABELS.get(one.name) or one.name.removeprefix("X-").replace("-", " ").capitalize()
            kinds = [own[one.group]] if own.get(one.group) else [*dict.fromkeys(one.kinds)]
            lines.append(f"{label} ({', '.join(kinds)}): {value}" if kinds else f"{label}: {value}")
    if not title and not lines:
        return None
    birthday = next(iter(values.get("BDAY", [])), "")
    found = {
        "email": values.get("EMAIL", []),
        "phone": values.get("TEL", []),
        "organization": values.get("ORG", []),
        "categories": [one for value in values.get("CATEGORIES", []) for one in value.split(", ")],
        "birthday": ["-".join(day.groups()) if (day := _DAY.fullmatch(birthday)) else birthday] if birthday else [],
    }
    name = " ".join(title.split()) or path.stem
    return Document(id, clean("\n".join(lines)), name, {**metadata, **metadata_of(found)}, str(path))


def _value(one: _Property) -> str:
    """A property's value as a person writes it."""
    if one.name in _PARTS:
        parts = [" ".join(part.split()) for part in _split(one.value, ";")]
        if one.name == "N":  # family, given, further, before, behind
            parts = [*parts[3:4], *parts[1:3], *parts[:1], *parts[4:5]]
        return clean((" " if one.name == "N" else ", ").join(filter(None, parts)))
    if one.name == "CATEGORIES":
        return clean(", ".join(filter(None, (" ".join(part.split()) for part in _split(one.value, ",")))))
    (value,) = _split(one.value, "")
    if one.name in ("TEL", "EMAIL"):
        value = re.sub(r"(?i)^(?:tel|mailto):", "", value)
    return clean(value if one.name in ("NOTE", "LABEL") else " ".join(value.split()))


def _split(value: str, separator: str) -> list[str]:
    """The parts of a value between separators that are not escaped, without their escapes."""
    parts: list[list[str]] = [[]]
    for token in _TOKEN.findall(value):
        if token == separator:
            parts.append([])
        elif len(token) == 2 and token[0] == "\\":
            parts[-1].append("\n" if token[1] in "nN" else token[1] if token[1] in "\\;,:" else token)
        else:
            parts[-1].append(token)
    return ["".join(part) for part in parts]
