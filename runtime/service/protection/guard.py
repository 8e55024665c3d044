"""Who may ask: this machine's user and whom he gives the token, and no web page that he happens to look at.

A page of any site can send requests to a port of this machine, and by a name that it points here (DNS rebinding) read
the answers. So the host that a request names must be this service's own; whatever a browser says came from another page
is refused; and all but `/health`, and what tells browsers how to search, wants the token: as a Bearer header from
programs, from the page as a cookie that it is exchanged for where the printed address is opened. Answers tell browsers
to run nothing that is not the service's.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..answers import refusal

PUBLIC = frozenset({"/health", "/opensearch.xml"})
_HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_CLOSES = {"connection": "close"}
_OWN_PAGE = frozenset({"same-origin", "none"})  # `none`: typed or opened by the user, not by a page


@dataclass(frozen=True)
class Access:
    """What lets a request in.

    Attributes:
        hosts: what its Host header may be, as `127.0.0.1:8765`.
        token: what programs send, and what the opened address holds.
        session: what the page's cookie holds; another than the token, since a browser sends the cookies of one port of
            a machine to its other ports too.
        ticket: what opens the page instead of the token, once: a browser is started with it, and all users of a machine
            can see what programs are started with.
    """

    hosts: frozenset[str]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    ticket: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def cookie(self) -> str:
        """The cookie's name, one of its own for each port."""
        return f"nestling-{min(self.hosts).rpartition(':')[2]}"


class Guard:
    """ASGI middleware that lets in what `Access` allows, and gives all answers the headers above."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._tickets = {access.ticket}  # that were not used yet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = self._refusal(scope)
        await (refused or self._app)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        """What answers instead of the service; None where the request is let in."""
        headers, path = Headers(scope=scope), scope["path"]
        host = headers.get("host", "")
        # The address that the request came in at is this machine's own, whatever name was asked for.
        name, port = scope.get("server") or ("", 0)
        if host.lower() not in self._access.hosts | {f"{name}:{port}"}:
            expected = min(self._access.hosts)
            return _refused(path, 403, f"the host {host[:80]!r} is not this service's, expected {expected}")
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if (site or "none") not in _OWN_PAGE or (origin or f"http://{host}") != f"http://{host}":
            return _refused(path, 403, "the request comes from another web page; open the address that was printed")
        if path in PUBLIC or self._is_known(headers):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1"))
        token, ticket = (given.pop(name, [""])[0] for name in ("token", "ticket"))
        if path == "/" and scope["method"] == "GET" and (_same(token, self._access.token) or self._is_unused(ticket)):
            rest = urlencode(given, doseq=True)
            response = RedirectResponse(f"/?{rest}" if rest else "/", status_code=303)
            response.set_cookie(self._access.cookie, self._access.session, httponly=True, samesite="strict", path="/")
            return response
        sentence = "this needs the token of the address that `nestling serve` printed; open that address"
        if path == "/":
            return PlainTextResponse(f"{sentence}\n", status_code=401, headers=_CLOSES)
        return _refused(path, 401, f"{sentence}, or send it as: Authorization: Bearer TOKEN")

    def _is_unused(self, ticket: str) -> bool:
        """Whether a ticket is one that was not used yet; from now on it is."""
        used = {one for one in self._tickets if _same(ticket, one)}
        self._tickets -= used
        return bool(used)

    def _is_known(self, headers: Headers) -> bool:
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and _same(token.strip(), self._access.token):
            return True
        # Programs on other ports of this machine set cookies here too, of any form: one is read whatever others are.
        return _same(cookie_parser(headers.get("cookie", "")).get(self._access.cookie, ""), self._access.session)


def _same(given: str, expected: str) -> bool:
    """In a time that says nothing of where they differ."""
    return secrets.compare_digest(given.encode(), expected.encode())


def _refused(path: str, status: int, sentence: str) -> ASGIApp:
    """A refusal behind which the connection ends, so that nobody unknown keeps one."""
    return refusal(path, status, sentence, {**_CLOSES, **({"www-authenticate": "Bearer"} if status == 401 else {})})
