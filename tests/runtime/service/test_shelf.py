"""The shelf, by itself."""

from __future__ import annotations

import anyio
import pytest
from starlette.requests import Request
from starlette.types import Message

from nestling import Encoder
from nestling.service.asked import Refused
from nestling.service.shelf import Shelf


def request_of(there: bool) -> Request:
    """A request of a client that is there, or has gone."""

    async def receive() -> Message:
        if there:
            await anyio.sleep_forever()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "GET", "path": "/", "headers": []}, receive)


def test_nothing_is_searched_for_who_has_gone(encoder: Encoder) -> None:
    shelf, done = Shelf({}, encoder), list[str]()

    async def asked() -> None:
        with pytest.raises(Refused, match="the client has gone"):
            await shelf.answered(request_of(there=False), lambda: done.append("gone"))
        await shelf.answered(request_of(there=True), lambda: done.append("there"))

    anyio.run(asked)
    assert done == ["there"]
