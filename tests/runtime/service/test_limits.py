"""What a request may bring, and how slowly."""

from __future__ import annotations

import socket
import time

import anyio
import pytest
from services import Service
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from nestling.service.protection.limits import Limits


def raw(service: Service, *parts: bytes, pause: float = 0.0) -> bytes:
    """What comes back for bytes that are sent as they are."""
    host, _, port = service.host.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        found = b""
        while more := connection.recv(65536):
            found += more
        return found


def head(service: Service, *lines: str) -> bytes:
    given = (f"Host: {service.host}", f"Authorization: Bearer {service.token}", "Connection: close", *lines)
    return "\r\n".join(("POST /api/documents HTTP/1.1", *given, "", "")).encode()


@pytest.mark.parametrize("declared", ["32000001", "9" * 15, "9" * 5000])
def test_a_body_that_says_it_is_too_large_is_not_read(service: Service, declared: str) -> None:
    answer = raw(service, head(service, f"Content-Length: {declared}"))
    assert answer.startswith((b"HTTP/1.1 413", b"HTTP/1.1 400"))


def sent(parts: list[bytes], pause: float = 0.0) -> tuple[int, bytes]:
    """Status and body of what answers a body in parts, where 10 bytes in half a second are the limit."""
    answer: list[Message] = []

    async def service(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse((await receive())["body"])(scope, receive, send)

    async def receive() -> Message:
        await anyio.sleep(pause)
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Message) -> None:
        answer.append(message)

    scope: Scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    anyio.run(Limits(service, 10, 0.5), scope, receive, send)
    return answer[0]["status"], answer[1]["body"]


def test_a_body_is_read_up_to_its_limits() -> None:
    assert sent([b"0123", b"456789"]) == (200, b"0123456789")
    sentence = b"the body has over 10 bytes, which is all that is read; send less at once"
    assert sent([b"0123", b"4567", b"890", b"never asked for"]) == (413, b'{"error":"' + sentence + b'"}')
    sentence = b"the body did not arrive within 0.5 seconds; send it again"
    assert sent([b"0"] * 9, pause=0.2) == (408, b'{"error":"' + sentence + b'"}')


def test_a_head_that_does_not_come_is_not_waited_for(service: Service) -> None:
    begin = time.perf_counter()
    assert raw(service, b"GET /health HT") == b""
    assert time.perf_counter() - begin < 20


def test_others_are_answered_while_some_are_slow(service: Service) -> None:
    host, _, port = service.host.rpartition(":")
    slow = [socket.create_connection((host, int(port)), timeout=60) for _ in range(100)]
    try:
        for connection in slow:
            connection.sendall(head(service, "Content-Length: 10"))
        begin = time.perf_counter()
        assert service.ask("GET", "/api/search?q=owls").status == 200
        assert time.perf_counter() - begin < 5
    finally:
        for connection in slow:
            connection.close()
