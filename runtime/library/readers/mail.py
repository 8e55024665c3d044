"""Mail: a message a document, its subject the title, who and when as metadata."""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

from ..document import Document, Scalar, Skip, clean
from .html import page_text
from .text import Unreadable, limited, read_bytes


def read_eml(path: Path) -> Iterator[Document | Skip]:
    """One message."""
    message = message_from_bytes(read_bytes(path), policy=policy.default)
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
            message = message_from_bytes(box.get_bytes(key), policy=policy.default)
            try:
                id = " ".join(str(message.get("Message-ID", "")).split())
                yield _document(message, f"{path}:{clean(id)}" if id else where, f"message {number}", str(path))
            except (Unreadable, ValueError, LookupError) as error:
                yield Skip(where, str(error) if isinstance(error, Unreadable) else f"cannot be parsed ({error})")
        if empty:
            raise Unreadable("holds no message")
    finally:
        box.close()


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


def _text(message: EmailMessage) -> str:
    """The message as a person reads it, and the names of what is attached."""
    body = message.get_body(("plain", "html"))
    content = "" if body is None else body.get_content()
    if not isinstance(content, str):
        content = ""
    if body is not None and body.get_content_subtype() == "html":
        content = page_text(content)[1]
    attached = [name for part in message.iter_attachments() if (name := part.get_filename())]
    return "\n".join([content.replace("\r\n", "\n"), *(f"[{' '.join(name.split())}]" for name in attached)])
