"""How much a request may bring, and how long it may take to bring it: the rest of the service is there meanwhile."""

from __future__ import annotations

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..answers import refusal

MAX_BODY_BYTES = 32_000_000
BODY_SECONDS = 30.0
_MOST_DIGITS = 16
_CLOSES = {"connection": "close"}  # rather than read what is left


class Limits:
    """ASGI middleware that reads a request's body before the service sees it, and refuses one that is too large or
    too slow."""

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not _is_number(declared) or int(declared) > self._max_bytes:
            await self._too_large(scope["path"])(scope, receive, send)
            return
        parts, size = [], 0
        try:
            with anyio.fail_after(self._seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    parts.append(message.get("body", b""))
                    if (size := size + len(parts[-1])) > self._max_bytes:
                        await self._too_large(scope["path"])(scope, receive, send)
                        return
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            sentence = f"the body did not arrive within {self._seconds:g} seconds; send it again"
            await refusal(scope["path"], 408, sentence, _CLOSES)(scope, receive, send)
            return
        brought: list[Message] = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]

        async def replayed() -> Message:
            return brought.pop() if brought else await receive()

        await self._app(scope, replayed, send)

    def _too_large(self, path: str) -> ASGIApp:
        sentence = f"the body has over {self._max_bytes:,} bytes, which is all that is read; send less at once"
        return refusal(path, 413, sentence, _CLOSES)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS
