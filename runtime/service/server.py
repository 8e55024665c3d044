"""Listen on a port of this machine and answer, until the program is stopped."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import NestlingError

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 7437
HEADER_SECONDS = 10.0
_PLAIN_PORT = 80  # which browsers leave out
_KEPT_ALIVE_SECONDS = 15
_STOPPING_SECONDS = 5
_MOST_CONNECTIONS = 512


def listening(host: str, port: int | None) -> socket.socket:
    """A socket that is bound and listens.

    Args:
        host: a name or an address of this machine.
        port: None for the default one, or a free one where that is taken.

    Raises:
        NestlingError: the port is taken or may not be used, or the host is none of this machine.
    """
    try:
        return _bound(host, DEFAULT_PORT if port is None else port)
    except OSError as error:
        if port is None and error.errno in (errno.EADDRINUSE, errno.EACCES):
            return _bound(host, 0)
        raise NestlingError(_why_not(host, port or DEFAULT_PORT, error)) from error


def is_loopback(host: str) -> bool:
    """Whether an address, or a name, can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def hosts_of(host: str, port: int) -> frozenset[str]:
    """What a Host header may be of a service that is bound so: addresses and names of this machine."""
    names = {LOOPBACK, "localhost", "[::1]"}
    names.add(f"[{host}]" if ":" in host else host.lower())
    if not is_loopback(host):
        own = socket.gethostname().lower()
        names |= {own, f"{own}.local"}
    return frozenset({f"{name}:{port}" for name in names} | (names if port == _PLAIN_PORT else set()))


def run(app: ASGIApp, bound: socket.socket) -> None:
    """Answer until a signal ends it; requests that are being answered are finished first, for up to 5 seconds."""
    config = uvicorn.Config(
        app,
        http=_Prompt,
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=_KEPT_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOPPING_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[bound])


class _Prompt(H11Protocol):
    """HTTP of clients that send the head of a request within a time; uvicorn alone waits for ever."""

    _patience: Any = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._wait_no_more()
        elif self._patience is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._patience = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # a port that was ours a moment ago is free; elsewhere this would share it
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_MOST_CONNECTIONS)
    except OSError:
        made.close()
        raise
    return made


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken by another program; give another with --port"
    if error.errno == errno.EACCES:
        return f"port {port} may not be used by this user; give one above 1023 with --port"
    return f"{host} is no address of this machine ({error.strerror or error}); give another with --host"
