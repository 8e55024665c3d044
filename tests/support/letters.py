"""Messages as mail programs write them, and what is read of them."""

from __future__ import annotations

import base64
from pathlib import Path

from nestling.document import Document, Skip
from nestling.readers import read_here

HEADERS = "From: Ana <ana@example.org>\nSubject: s\nMIME-Version: 1.0\n"
FROM = "From: Ana <ana@example.org>\n\n"


def read(folder: Path, source: str | bytes, name: str = "a.eml") -> tuple[Document, list[tuple[str, str]]]:
    """The one document of a message, and what of it was skipped: what it is called, and the reason."""
    path = folder / name
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    document, *skips = read_here(path)
    assert isinstance(document, Document), document
    assert all(isinstance(skip, Skip) for skip in skips)
    return document, [(skip.source.removeprefix(f"{path}"), skip.reason) for skip in skips if isinstance(skip, Skip)]


def text(folder: Path, source: str | bytes) -> str:
    """The text of a message behind its header lines, all of which can be read."""
    document, skips = read(folder, source)
    assert skips == []
    assert document.text.startswith(FROM)
    return document.text.removeprefix(FROM)


def mixed(*inner: str, kind: str = "mixed", border: str = "X") -> str:
    """A body of several parts, with its header."""
    parts = "".join(f"--{border}\n{one}\n" for one in inner)
    return f"Content-Type: multipart/{kind}; boundary={border}\n\n{parts}--{border}--\n"


def attached(name: str, data: bytes, kind: str = "application/octet-stream") -> str:
    encoded = base64.encodebytes(data).decode()
    return (
        f'Content-Type: {kind}; name="{name}"\nContent-Transfer-Encoding: base64\n'
        f'Content-Disposition: attachment; filename="{name}"\n\n{encoded}'
    )


PLAIN, HTML = "Content-Type: text/plain\n\n", "Content-Type: text/html\n\n"
PICTURE = "Content-Type: image/png; name=p.png\nContent-Disposition: inline\n\nx"
