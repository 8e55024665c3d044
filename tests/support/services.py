"""A service as a process of its own, and what asks it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from processes import guarded_environment

LOOPBACK = "NESTLING_TESTS_LOOPBACK"


@dataclass(frozen=True)
class Answer:
    """An answer: its status, its headers by lower-case name, and its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Service:
    """A running service.

    Attributes:
        address: as it was printed, with the token.
    """

    address: str
    process: subprocess.Popen[str]

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`."""
        return urlsplit(self.address).netloc

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.address).query)["token"][0]

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = "", query: Mapping[str, Any] = {},
        headers: Mapping[str, str] = {},
    ) -> Answer:  # fmt: skip
        """Ask it once, with its own token unless told otherwise; None for without one."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        given = {} if token is None else {"Authorization": f"Bearer {token or self.token}"}
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        target = f"{path}?{urlencode(query, doseq=True)}" if query else path
        try:
            connection.request(method, target, data, {**given, **headers})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()


@contextmanager
def serving(*arguments: object) -> Iterator[Service]:
    """`nestling serve` with some arguments, stopped at the end; it may open sockets of this machine alone."""
    command = [sys.executable, "-m", "nestling.cli", "serve", *map(str, arguments)]
    environment = {**guarded_environment(), LOOPBACK: "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            assert process.stderr is not None
            raise AssertionError(process.stderr.read())
        yield Service(address, process)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


@contextmanager
def loopback() -> Iterator[None]:
    """Let this process ask a service of this machine."""
    before = os.environ.get(LOOPBACK, "")
    os.environ[LOOPBACK] = "1"
    try:
        yield
    finally:
        os.environ[LOOPBACK] = before


def library_at(path: Path, documents: list[Any]) -> Path:
    """A library with some documents."""
    from nestling import Library

    with Library(path) as library:
        library.add(documents)
    return path
