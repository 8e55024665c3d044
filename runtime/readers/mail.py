"""Mail: a message a document, its subject the title, who and when as metadata."""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from ..document import Document, Scalar, Skip, clean
from .html import page_text
from .text import Unreadable, limited, read_bytes

_MAX_HEADER = 8192


class _Policy(policy.EmailPolicy):
    """As `policy.default`, with headers cut: the time that it takes for one grows faster than its length."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        return super().header_fetch_parse(name, value[:_MAX_HEADER])


_POLICY = _Policy()


def read_eml(path: Path) -> Iterator[Document | Skip]:
    """One message."""
    message = _message(read_bytes(path))
    yield _document(message, str(path), path.stem, str(path))


def read_mbox(path: Path) -> Iterator[Document | Skip]:
    """A mailbox: a document for each message, named by its Message-ID where it has one, else by its number."""
    limited(path)
    box = mailbox.mbox(path, factory=None, create=False)
    try:
        empty = True
        for number, key in enumerate(box.keys(), start=1):
            empty = False
            where = f"{path}:{number}"
            try:
                message = _message(box.get_bytes(key))
                id = " ".join(str(message.get("Message-ID", "")).split())
                yield _document(message, f"{path}:{clean(id)}" if id else where, f"message {number}", str(path))
            except Unreadable as reason:
                yield Skip(where, str(reason))
            except Exception as error:  # of the parser, for which the message was too much
                yield Skip(where, f"cannot be parsed ({type(error).__name__}: {error})")
        if empty:
            raise Unreadable("holds no message")
    finally:
        box.close()


def _message(data: bytes) -> EmailMessage:
    message = message_from_bytes(data, policy=_POLICY)
    assert isinstance(message, EmailMessage)
    return message


def _document(message: EmailMessage, id: str, name: str, source: str) -> Document:
    subject = clean(" ".join(str(message.get("Subject", "")).split()))
    text = clean(_text(message)).strip()
    if not f"{subject}{text}":
        raise Unreadable("holds no text")
    metadata: dict[str, Scalar] = {}
    for key in ("from", "to"):
        if value := clean(" ".join(str(message.get(key, "")).split())):
            metadata[key] = value
    with suppress(TypeError, ValueError):
        metadata["date"] = parsedate_to_datetime(str(message["Date"])).isoformat()
    return Document(id, text, subject or name, metadata, source)


def _content(body: Any) -> Any:
    try:
        return body.get_content()
    except LookupError:  # of a character set that nobody knows
        return body.get_payload(decode=True).decode("utf-8", "replace")


def _text(message: EmailMessage) -> str:
    """The message as a person reads it, and the names of what is attached."""
    body = message.get_body(("plain", "html"))
    content = "" if body is None else _content(body)
    if not isinstance(content, str):
        content = ""
    if body is not None and body.get_content_subtype() == "html":
        content = page_text(content)[1]
    attached = [name for part in message.iter_attachments() if (name := part.get_filename())]
    return "\n".join([content.replace("\r\n", "\n"), *(f"[{' '.join(name.split())}]" for name in attached)])
