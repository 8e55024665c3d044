"""Loaded by every process that the runtime suite starts: a socket is an error there as in the suite itself."""

import sys


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.__new__", "socket.connect", "socket.getaddrinfo", "socket.bind"):
        raise RuntimeError(f"the runtime opened a socket: {event} {arguments}")


sys.addaudithook(refuse)
