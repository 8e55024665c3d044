"""A mailbox of any size, a message at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

from ...document import Document, Skip
from ..ids import Ids
from ..text import MAX_FILE_BYTES, Unreadable, limited
from .message import read_message
from .parts import Read

# What stands before each message: who sent it and when, in the order of ctime; programs differ in what else they add.
_START = re.compile(rb"From (?:.* )?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? .*\d{1,2}:\d\d(?::\d\d)?(?: .*)?\d{4}")
_START_BEHIND_BLANK = re.compile(rb"From \S+ .*\d{1,2}:\d\d")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_MAX_LINE = 1 << 16
_ANY_SIZE = 1 << 62


def read_mbox(path: Path, read: Read, can_read: Callable[[str], bool]) -> Iterator[Document | Skip]:
    """A mailbox: a document for each message, named by its Message-ID; one that has none, by what it says.

    A message that is there again word for word is read once.
    """
    limited(path, _ANY_SIZE)
    ids, empty = Ids(path), True
    with path.open("rb") as stream:
        for number, data in enumerate(messages(stream), start=1):
            empty, where, source = False, f"{path}:{number}", str(path)
            try:
                for item in read_message(data, "", f"message {number}", source, read, can_read, where):
                    if isinstance(item, Skip):
                        yield item
                        continue
                    name = "" if item.id == where else item.id.removeprefix(f"{source}:")
                    content = f"{item.metadata.get('date')}\0{item.title}\0{item.text}"
                    if (id := ids.of_new(name, content.encode())) is not None:
                        yield replace(item, id=id)
            except Unreadable as reason:
                yield Skip(where, str(reason))
            except Exception as error:  # of the parser, for which the message was too much
                yield Skip(where, f"cannot be parsed ({type(error).__name__}: {error})")
        if empty:
            stream.seek(0)
            if stream.read(_MAX_LINE).strip():
                raise Unreadable("holds no message")


def messages(stream: IO[bytes]) -> Iterator[bytes]:
    """The bytes of each message, up to a limit."""
    data = bytearray()
    begins, blank, first = True, True, True
    while line := stream.readline(_MAX_LINE):
        if begins and line.startswith(b"From ") and _is_start(line, blank, first=first):
            if data.strip():
                yield _message(data)
            data, blank, first = bytearray(), False, False
            continue
        if len(data) <= MAX_FILE_BYTES:
            data += line
        blank, first = begins and not line.strip(), False
        begins = line.endswith(b"\n")
    if data.strip():
        yield _message(data)


def _is_start(line: bytes, blank: bool, *, first: bool) -> bool:
    return first or bool(_START.match(line) or (blank and _START_BEHIND_BLANK.match(line)))


def _message(data: bytearray) -> bytes:
    """A message as it was sent: what a mailbox quotes in it is unquoted."""
    return _QUOTED.sub(rb"\1", data) if b">From " in data else bytes(data)
