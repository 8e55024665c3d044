"""Loaded by every process that the runtime suite starts: a socket is an error there as in the suite itself, but one to
this machine itself where a test of the service says so."""

import os
import sys

LOOPBACK = "NESTLING_TESTS_LOOPBACK"
_OWN = ("127.0.0.1", "::1", "localhost")


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.__new__", "socket.connect", "socket.getaddrinfo", "socket.bind"):
        if os.environ.get(LOOPBACK) and (event == "socket.__new__" or is_own(event, arguments)):
            return
        raise RuntimeError(f"the runtime opened a socket: {event} {arguments}")


def is_own(event: str, arguments: tuple[object, ...]) -> bool:
    """Whether an address is one of this machine."""
    address = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
    return address in _OWN or (isinstance(address, tuple) and address[0] in _OWN)


sys.addaudithook(refuse)
