"""What a message carries, as text: its parts in their order, messages within it, and what is attached."""

from __future__ import annotations

import re
import tempfile
import time
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import Message
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ...document import Document, Skip, Value, clean
from ..charset import decoded
from ..html import decoded_page, page_text
from ..ids import value_line
from ..text import MAX_TEXT, Empty, Unreadable
from .alternatives import chosen
from .headers import addresses, filename, header
from .transfer import content

Read = Callable[[Path], Iterator[Document | Skip]]

MAX_DEPTH = 20
MAX_ATTACHED = 200
MAX_ATTACHED_BYTES = 64 * 1024 * 1024
# A message may take longer; what is attached to it is not begun any more then, so that the others of its box are read.
ATTACHED_SECONDS = 20.0

# What is left of a file that a program took out of a message: no file is so short, so that nothing is lost.
_STUB = 8
_WHOM = ("From", "To", "Cc", "Bcc")
_LOCKED = "is encrypted; its text cannot be read"
_ARMOUR = re.compile(r"-----BEGIN PGP MESSAGE-----(?:[^-]|-(?!----))*-----END PGP MESSAGE-----")
_SIGNED = re.compile(r"-----BEGIN PGP SIGNATURE-----(?:[^-]|-(?!----))*-----END PGP SIGNATURE-----")
_TAGS = re.compile(r"<param>[^<]*</param>|<[^<>]{1,100}>", re.IGNORECASE)
_BLANK = " \t\r\n\f\v\xa0\u200b\ufeff"
_NO_TEXT = ("image", "audio", "video", "font")
# What a page is drawn and moved by, and what Word keeps for itself beside one: no text of it.
_OF_PAGE = frozenset(
    "css javascript x-javascript ecmascript jscript vbscript xsl xml font-woff font-woff2 x-font-ttf x-font-woff "
    "vnd.ms-fontobject vnd.ms-officetheme x-mso".split()
)
_TABLES = (".csv", ".tsv", ".jsonl")
_PAGES = ("text/html", "text/x-amp-html", "text/watch-html", "application/xhtml+xml")
_SIGNATURES = ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")
_SUFFIXES = {
    "application/pdf": ".pdf",
    "application/msword": ".doc",
    "application/rtf": ".rtf",
    "text/rtf": ".rtf",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.presentation": ".odp",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/epub+zip": ".epub",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "text/markdown": ".md",
    "text/calendar": ".ics",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
    "text/directory": ".vcf",
}


def parsed(data: bytes) -> Message[Any, Any]:
    """The bytes of a message as its parts; what is broken in it is read as far as it goes."""
    return message_from_bytes(data.removeprefix(BOM_UTF8))


def header_lines(message: Message[Any, Any]) -> list[str]:
    """Who wrote to whom, a line each."""
    found = ((name, addresses(message, name.lower())) for name in _WHOM)
    return [f"{name}: {', '.join(whom)}" for name, whom in found if whom]


class Parts:
    """Reads one message.

    Args:
        where: the message, for skips.
        read: reads a file that was attached.
        can_read: whether there is a reader for a file of a suffix.

    Attributes:
        skips: what could not be read.
        encoding: what the encoding of a part was guessed to be; empty where none was.
        title: of the first page in it that has one.
    """

    def __init__(self, where: str, read: Read, can_read: Callable[[str], bool]) -> None:
        self._where = where
        self._read = read
        self._can_read = can_read
        self._attached: list[str] = []
        self._seen: dict[tuple[str, bytes], set[str]] = {}  # what the files are called that are equal
        self._count = 0
        self._bytes = 0
        self._begin = time.monotonic()
        self.skips: list[Skip] = []
        self.encoding = ""
        self.title = ""

    def text(self, message: Message[Any, Any]) -> str:
        """All text of a message: its own first, then each attachment under its name."""
        body = "\n\n".join(self._part(message, 0))
        text = "\n\n".join(part for part in (body, *self._attached) if part)
        if len(text) > MAX_TEXT:
            self._skip("", f"its text has over {MAX_TEXT} characters; the rest was not read")
        return text[:MAX_TEXT]

    def _part(self, part: Message[Any, Any], depth: int) -> list[str]:
        """The texts that stand in the message itself, in their order."""
        kind = part.get_content_type()
        if depth > MAX_DEPTH:
            self._skip(filename(part), f"stands in over {MAX_DEPTH} other parts and was not read")
            return []
        if not part.is_multipart():
            return self._leaf(part, kind, depth)
        inner = [one for one in part.get_payload() if isinstance(one, Message)]
        if kind == "multipart/encrypted":
            self._skip("", _LOCKED)
            return []
        if kind == "multipart/alternative":
            return self._alternative(inner, depth)
        if kind == "multipart/related":  # a page, with what draws it and moves it
            inner = [one for one in inner if one is inner[0] or not _is_of_page(one)]
        if kind in ("message/rfc822", "message/global"):
            return [text for one in inner for text in self._forwarded(_decoded_message(part, one), depth)]
        if kind.startswith("message/"):  # as a report of what was not delivered: headers in blocks
            return ["\n".join(f"{key}: {value}" for key, value in one.raw_items()) for one in inner]
        return [text for one in inner for text in self._part(one, depth + 1)]

    def _alternative(self, inner: list[Message[Any, Any]], depth: int) -> list[str]:
        """One text for all: the plain one where it is more than a stub of the last, as the best stands last."""
        read = [(one.get_content_type(), self._part(one, depth + 1)) for one in inner]
        texts = [(kind, text) for kind, text in read if any(part.strip(_BLANK) for part in text)]
        plain = next((text for kind, text in texts if kind == "text/plain"), [])
        rich = [text for kind, text in texts if kind != "text/plain"][-1:]
        return chosen(plain, rich[0]) if plain and rich else plain or next(iter(rich), [])

    def _forwarded(self, message: Message[Any, Any], depth: int) -> list[str]:
        """A message within the message, with what its reader is shown of its headers."""
        lines = header_lines(message)
        lines += [f"{name}: {said}" for name in ("Date", "Subject") if (said := header(message, name.lower()))]
        return ["\n".join(lines), *self._part(message, depth + 1)]

    def _leaf(self, part: Message[Any, Any], kind: str, depth: int) -> list[str]:
        name = filename(part)
        is_attached = part.get_content_disposition() == "attachment"
        if kind in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
            signed = str(part.get_param("smime-type", "")).lower() == "signed-data"
            self._skip(name, "is signed in a form that hides its text (S/MIME)" if signed else _LOCKED)
            return []
        if kind.startswith("message/") or (_is_text(kind) and not is_attached and kind not in _SUFFIXES):
            text = self._string(part, kind)
            return [f"[{name}]\n{text}" if name else text] if text.strip(_BLANK) else []
        if kind.startswith("multipart/"):  # without parts: its border is wrong
            return [self._string(part, "text/plain")]
        self._attachment(part, kind, name, depth)
        return []

    def _string(self, part: Message[Any, Any], kind: str) -> str:
        """The text of a part that is text, and what is put behind it that is not of its encoding."""
        data, around = self._content(part)
        return "\n\n".join(filter(None, (self._text(part, kind, data), around)))

    def _content(self, part: Message[Any, Any]) -> tuple[bytes, str]:
        """The bytes of a part, and the text around them that is not of its encoding."""
        found = content(part)
        if found.is_damaged:
            self._skip(filename(part), "is damaged where it is encoded; what is left of it was read")
        around = decoded(found.around) if found.around else None
        return found.data, found.around.decode("utf-8", "replace").strip() if around is None else around.text.strip()

    def _text(self, part: Message[Any, Any], kind: str, data: bytes) -> str:
        """The bytes of a part that is text, as text."""
        if not data:
            return ""
        charset = part.get_content_charset()
        if kind in _PAGES:
            try:
                page = decoded_page(data, self._where, charset)
            except Empty:
                return ""
            except Unreadable as reason:
                self._skip(filename(part), str(reason))
                return ""
            self.skips += page.skips
            self.encoding = self.encoding or str(page.metadata.get("encoding", ""))
            title, text = page_text(page.text)
            self.title = self.title or title
            return text
        found = decoded(data, charset)
        if found is None:
            self._skip(filename(part), "is no text, but says that it is")
            return ""
        self.encoding = self.encoding or found.guess
        if found.lost:
            self._skip(filename(part), f"{found.lost} of its characters are not in its encoding and cannot be read")
        text = clean(found.text.replace("\r\n", "\n").replace("\r", "\n"))
        if kind in ("text/enriched", "text/richtext"):
            text = _TAGS.sub("", text)
        if str(part.get_param("format", "")).lower() == "flowed":
            text = _flowed(text, delete=str(part.get_param("delsp", "")).lower() == "yes")
        if _ARMOUR.search(text):
            self._skip(filename(part), _LOCKED)
            text = _ARMOUR.sub("", text)
        return _SIGNED.sub("", text).strip("\n")

    def _attachment(self, part: Message[Any, Any], kind: str, name: str, depth: int) -> None:
        """Put what is attached behind the text, under its name."""
        is_named = bool(name)
        name = name or f"unnamed{_SUFFIXES.get(kind, '')}"
        suffix = Path(name).suffix.lower()
        if not self._can_read(suffix):
            suffix = _SUFFIXES.get(kind, suffix)
        data, around = self._content(part)
        part.set_payload("")  # its memory is needed for what is read next
        heading = f"[{name}]"
        same = data if b"\0" in data else b"".join(data.split())  # the lines of a text may end otherwise
        names = self._seen.setdefault((suffix, blake2b(same, digest_size=16).digest()), set())
        if names and data:  # as an invitation, which stands in a message twice
            told = [heading] if is_named and name not in names else []
            self._attached += [*told, around] if around else told
            names.add(name)
            return
        names.add(name)
        self._count += 1
        self._bytes += len(data)
        if self._count > MAX_ATTACHED or self._bytes > MAX_ATTACHED_BYTES:
            self._skip(name, f"was not read: over {MAX_ATTACHED} files or {MAX_ATTACHED_BYTES} bytes are attached")
        elif suffix in (".eml", ".emlx", ".mht", ".mhtml"):
            heading = "\n\n".join([heading, *self._forwarded(parsed(data), depth)])
        elif _is_text(kind) and not self._can_read(suffix):
            heading = f"{heading}\n{self._text(part, kind, data)}".strip()
        elif not self._can_read(suffix):
            if kind.partition("/")[0] not in _NO_TEXT and kind not in _SIGNATURES:
                self._skip(name, "is attached; files of its kind are not read")
        elif time.monotonic() - self._begin > ATTACHED_SECONDS:
            self._skip(name, "was not read: its message takes too long", transient=True)
        else:
            heading = "\n".join([heading, *self._texts(self._bytes_of(part, kind, data), suffix, name)])
        self._attached += [heading, around] if around else [heading]

    def _bytes_of(self, part: Message[Any, Any], kind: str, data: bytes) -> bytes:
        """What is attached, for its reader: text in UTF-8 with a mark, as the message tells its encoding."""
        charset = part.get_content_charset()
        found = decoded(data, charset) if kind.startswith("text/") and charset else None
        return data if found is None else found.text.encode("utf-8-sig", "replace")

    def _texts(self, data: bytes, suffix: str, name: str) -> Iterator[str]:
        """What the reader of a kind of file gives for one that was attached."""
        size = 0
        with tempfile.TemporaryDirectory(prefix="nestling-", ignore_cleanup_errors=True) as folder:
            path = Path(folder) / f"attached{suffix}"
            path.write_bytes(data)
            for item in self._read(path):
                if isinstance(item, Skip) and len(data) < _STUB:
                    continue
                if isinstance(item, Skip):
                    self._skip(f"{name}{item.source.removeprefix(str(path))}", item.reason, transient=item.transient)
                    continue
                text = f"{item.text}{_beside(item, path)}" if suffix in _TABLES else item.text
                size += len(text)
                if size > MAX_TEXT:
                    self._skip(name, f"has over {MAX_TEXT} characters; the rest was not read")
                    return
                title = "" if item.title in ("", path.stem) or item.title in item.text else f"{item.title}\n"
                yield f"{title}{text}"

    def _skip(self, name: str, reason: str, *, transient: bool = False) -> None:
        self.skips.append(Skip(clean(f"{self._where}:{name}" if name else self._where), reason, transient, within=True))


def _beside(row: Document, path: Path) -> str:
    """What a row of a table says beside its text, a line for each column: its id, where it is its own, and metadata."""
    said: dict[str, Value] = {} if row.id.startswith(f"{path}:") else {"id": row.id}
    said |= {key: value for key, value in row.metadata.items() if key != "encoding"}
    lines = ((key, value_line(value)) for key, value in said.items())
    return "".join(f"\n{key}: {line}" for key, line in lines if line)


def _is_text(kind: str) -> bool:
    return kind.startswith("text/") or kind in _PAGES


def _is_of_page(part: Message[Any, Any]) -> bool:
    """Whether a part beside a page is none of its text: a style, a script, or a picture that has no name."""
    if part.get_content_disposition() == "attachment":
        return False
    main, _, sub = part.get_content_type().partition("/")
    return sub in _OF_PAGE or (main in _NO_TEXT and not filename(part))


def _decoded_message(outer: Message[Any, Any], inner: Message[Any, Any]) -> Message[Any, Any]:
    """A message within a message that some programs encode, against the standard, so that it was not parsed."""
    name = str(outer.get("Content-Transfer-Encoding", "")).strip().lower()
    if name != "base64" or inner.is_multipart():
        return inner
    inner["Content-Transfer-Encoding"] = name
    return parsed(content(inner).data)


def _flowed(text: str, *, delete: bool) -> str:
    """Paragraphs of lines that a space at their end joins (RFC 3676), within each depth of quoting."""
    lines: list[str] = []
    before, open_ = "", False
    for line in text.split("\n"):
        bare = line.lstrip(">")
        depth = line[: len(line) - len(bare)]
        bare = bare[1:] if bare.startswith(" ") else bare
        if open_ and depth == before and bare != "-- ":
            lines[-1] += bare
        else:
            lines.append(f"{depth} {bare}" if depth else bare)
        open_ = bare.endswith(" ") and bare != "-- "
        if open_ and delete:
            lines[-1] = lines[-1][:-1]
        before = depth
    return "\n".join(lines)
