"""Outlook's own files (.msg), by olefile: made into the message that any other mail program would have written."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.encoders import encode_base64
from email.header import Header
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.parser import HeaderParser
from email.utils import format_datetime, formataddr
from pathlib import Path
from typing import Any

from ...document import Document, Skip
from ..charset import decoded
from ..text import Unreadable, limited
from .message import read_message
from .parts import Read

MAX_BYTES = 64 * 1024 * 1024

_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAX_DEPTH = 8
_KEPT = ("From", "To", "Cc", "Bcc", "Date", "Subject", "Message-ID")
_RECIPIENTS = {1: "To", 2: "Cc", 3: "Bcc"}
# Numbers of properties, by [MS-OXPROPS].
_HEADERS, _SUBJECT, _MESSAGE_ID, _SENT, _DELIVERED = 0x007D, 0x0037, 0x1035, 0x0039, 0x0E06
_BODY, _HTML, _RTF, _CODE_PAGES = 0x1000, 0x1013, 0x1009, (0x3FDE, 0x3FFD)
_NAME, _SMTP, _ADDRESS, _ROLE = 0x3001, 0x39FE, 0x3003, 0x0C15
# Names of who sent it, and addresses: that of SMTP before that of an Exchange server, which nobody else knows.
_SENDERS = ((0x0042, (0x5D02, 0x0065)), (0x0C1A, (0x5D01, 0x0C1F)))
_DATA, _FILE_NAMES, _KIND = 0x3701, (0x3707, 0x3704, 0x3001), 0x370E
_STRING, _BYTES, _WIDE, _TIME, _NUMBER = 0x001E, 0x0102, 0x001F, 0x0040, 0x0003
_EPOCH = datetime(1601, 1, 1, tzinfo=timezone.utc)
_UTF8 = 65001


def read_msg(path: Path, read: Read, can_read: Callable[[str], bool]) -> Iterator[Document | Skip]:
    """One message as Outlook saves it."""
    yield from read_message(message_bytes(path), str(path), path.stem, str(path), read, can_read)


def message_bytes(path: Path) -> bytes:
    """A file of Outlook as the bytes of an RFC 5322 message, with its attachments and the messages in it.

    Raises:
        Unreadable: it is no such file, over 64 MiB, or damaged.
    """
    from olefile import OleFileIO
    from olefile.olefile import OleFileError

    limited(path, MAX_BYTES)
    with path.open("rb") as stream:
        if stream.read(len(_SIGNATURE)) != _SIGNATURE:
            raise Unreadable("is no message of Outlook")
    try:
        with OleFileIO(path) as file:
            if not file.exists("__properties_version1.0"):
                raise Unreadable("is no message of Outlook")
            return _mime(_Storage(file, (), 32), 0).as_bytes()
    except OleFileError as error:
        raise Unreadable(f"is damaged ({error})") from error


class _Storage:
    """A message, a recipient or an attachment: a folder of the file with properties.

    Args:
        file: an `OleFileIO`.
        place: the names of the folders that lead to it.
        header: how many bytes stand before its list of properties.
    """

    def __init__(self, file: Any, place: tuple[str, ...], header: int) -> None:
        self._file, self._place = file, place
        listed = self._stream("__properties_version1.0")[header:]
        rows = (struct.unpack_from("<HHI8s", listed, at) for at in range(0, len(listed) - 15, 16))
        self._fixed = {number: (kind, value) for kind, number, _, value in rows}

    def within(self, prefix: str, header: int) -> Iterator[_Storage]:
        """The folders in this one whose names begin so."""
        depth = len(self._place)
        below = (one for one in self._file.listdir() if len(one) > depth + 1 and tuple(one[:depth]) == self._place)
        for name in sorted({one[depth] for one in below if one[depth].startswith(prefix)}):
            yield _Storage(self._file, (*self._place, name), header)

    def text(self, number: int) -> str:
        if data := self._stream(f"__substg1.0_{number:04X}{_WIDE:04X}"):
            return data.decode("utf-16-le", "replace").rstrip("\0")
        return self._decoded(self._stream(f"__substg1.0_{number:04X}{_STRING:04X}")).rstrip("\0")

    def data(self, number: int) -> bytes:
        return self._stream(f"__substg1.0_{number:04X}{_BYTES:04X}")

    def html(self) -> str:
        return self._decoded(self.data(_HTML)) or self.text(_HTML)

    def number(self, number: int) -> int:
        kind, value = self._fixed.get(number, (0, b""))
        return int(struct.unpack_from("<i", value)[0]) if kind == _NUMBER else 0

    def time(self, number: int) -> datetime | None:
        kind, value = self._fixed.get(number, (0, b""))
        try:
            return _EPOCH + timedelta(microseconds=struct.unpack("<Q", value)[0] // 10) if kind == _TIME else None
        except OverflowError:
            return None

    def _stream(self, name: str) -> bytes:
        place = [*self._place, name]
        if not self._file.exists(place):
            return b""
        return bytes(self._file.openstream(place).read())

    def _decoded(self, data: bytes) -> str:
        pages = [page for number in _CODE_PAGES if (page := self.number(number))]
        found = decoded(data, *("utf-8" if page == _UTF8 else f"cp{page}" for page in pages)) if data else None
        return data.decode("utf-8", "replace") if found is None else found.text


def _mime(message: _Storage, depth: int) -> Message:
    bodies = [MIMEText(text, kind, "utf-8") for kind, text in _bodies(message)]
    whole: Message = bodies[0] if len(bodies) == 1 else MIMEMultipart("alternative", _subparts=bodies)
    if attached := list(_attached(message, depth)):
        whole = MIMEMultipart("mixed", _subparts=[whole, *attached])
    for name, value in _headers(message).items():
        whole[name] = value
    return whole


def _bodies(message: _Storage) -> list[tuple[str, str]]:
    bodies = (("plain", message.text(_BODY)), ("html", message.html()))
    found = [(kind, text.replace("\r\n", "\n")) for kind, text in bodies if text.strip()]
    return found or [("plain", "")]


def _headers(message: _Storage) -> dict[str, str]:
    """The headers that it came with; those of what was written here, from its properties."""
    came = HeaderParser().parsestr(message.text(_HEADERS))
    made: dict[str, str] = {"Message-ID": message.text(_MESSAGE_ID)}
    subject = message.text(_SUBJECT)
    made["Subject"] = Header(subject, "utf-8").encode(maxlinelen=0) if subject else ""
    senders = (_person(message.text(name), _address(message, addresses)) for name, addresses in _SENDERS)
    made["From"] = next(filter(None, senders), "")
    people: dict[str, list[str]] = {}
    for one in message.within("__recip_version1.0_", 8):
        person = _person(one.text(_NAME), _address(one, (_SMTP, _ADDRESS)))
        people.setdefault(_RECIPIENTS.get(one.number(_ROLE), "To"), []).append(person)
    for name, several in people.items():
        made[name] = ", ".join(filter(None, several))
    sent = message.time(_SENT) or message.time(_DELIVERED)
    made["Date"] = format_datetime(sent) if sent else ""
    known = {name: " ".join(str(came[name]).split()) for name in _KEPT if came[name]}
    return {name: value for name, value in (made | known).items() if value}


def _address(holder: _Storage, numbers: tuple[int, ...]) -> str:
    return next((text for number in numbers if "@" in (text := holder.text(number))), "")


def _person(name: str, address: str) -> str:
    name = " ".join(name.split())
    if not address:
        return Header(name, "utf-8").encode(maxlinelen=0) if name else ""
    return formataddr((name if name != address else "", address))


def _attached(message: _Storage, depth: int) -> Iterator[Message]:
    """What is attached, and the text where it is kept as RTF alone."""
    if not (message.text(_BODY).strip() or message.html().strip()) and (packed := message.data(_RTF)):
        yield _file("application/rtf", "message.rtf", _unpacked(packed))
    for one in message.within("__attach_version1.0_", 8):
        inner = next(one.within("__substg1.0_3701000D", 24), None)
        if inner is not None and depth < _MAX_DEPTH:
            yield MIMEMessage(_mime(inner, depth + 1))
            continue
        name = next((text for number in _FILE_NAMES if (text := " ".join(one.text(number).split()))), "attachment")
        yield _file(one.text(_KIND), name, one.data(_DATA))


def _file(kind: str, name: str, data: bytes) -> Message:
    main, _, sub = kind.strip().partition("/")
    is_file = bool(main and sub) and main not in ("multipart", "message")
    part = MIMEBase(main, sub) if is_file else MIMEBase("application", "octet-stream")
    part.set_payload(data)
    encode_base64(part)
    part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", name))
    return part


def _unpacked(packed: bytes) -> bytes:
    """RTF as it was before Outlook packed it; as it is where it is damaged, so that its reader says so."""
    from compressed_rtf import decompress

    try:
        return bytes(decompress(packed))
    except Exception:  # it raises whatever the packed bytes lead to
        return packed
