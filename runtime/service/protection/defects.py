"""What a defect of Nestling's own looks like from outside: status 500 and a sentence; its traceback is for stderr."""

from __future__ import annotations

import sys
import traceback

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..answers import refusal

SENTENCE = "Nestling has a defect here, which it wrote to its stderr; nothing was lost"


class Defects:
    """ASGI middleware around the routes, within the one that guards all answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            if begun:
                raise
            await refusal(scope["path"], 500, SENTENCE)(scope, receive, send)
