"""Who is let in, and who is not; attacks are tried against the running service."""

from __future__ import annotations

from pathlib import Path

import pytest
from services import Service, library_at, serving

from .conftest import LETTERS

NEEDS = "this needs the token of the address that `nestling serve` printed; open that address"
FOREIGN = "the request comes from another web page; open the address that was printed"
PRIVATE = [
    ("GET", "/api/search?q=owls"), ("GET", "/api/libraries"), ("GET", "/api/documents?id=owls"),
    ("POST", "/api/documents"), ("DELETE", "/api/documents?id=owls"), ("GET", "/v1/models"), ("POST", "/v1/embeddings"),
    ("POST", "/api/embed"), ("POST", "/embed"), ("POST", "/rerank"), ("GET", "/info"), ("GET", "/nowhere"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), PRIVATE)
@pytest.mark.parametrize("token", [None, "x", "é"])
def test_nothing_is_told_without_the_token(service: Service, method: str, path: str, token: str | None) -> None:
    answer = service.ask(method, path, {} if method == "POST" else None, token=token)
    assert answer.status == 401
    assert answer.json == {"error": f"{NEEDS}, or send it as: Authorization: Bearer TOKEN"}
    assert answer.headers["www-authenticate"] == "Bearer"


def test_anybody_may_ask_whether_it_is_there(service: Service) -> None:
    assert service.ask("GET", "/health", token=None).status == 200


def test_the_printed_address_is_exchanged_for_a_cookie(service: Service) -> None:
    opened = service.ask("GET", "/", token=None, query={"token": service.token, "q": "owls"})
    assert (opened.status, opened.headers["location"]) == (303, "/?q=owls")
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert service.token not in cookie
    given = {"Cookie": cookie.partition(";")[0]}
    assert service.ask("GET", "/api/search", token=None, query={"q": "owls"}, headers=given).status == 200
    assert service.ask("GET", "/", token=None, query={"token": "x"}).status == 401
    # The token is for the one address: elsewhere it would stay in logs and histories.
    assert service.ask("GET", "/api/search", token=None, query={"q": "owls", "token": service.token}).status == 401


def test_what_was_given_out_before_is_refused_by_the_next(service: Service, tmp_path: Path) -> None:
    with serving(library_at(tmp_path / "a.nest", LETTERS)) as other:
        cookie = other.ask("GET", "/", token=None, query={"token": other.token}).headers["set-cookie"]
        value = cookie.partition(";")[0].partition("=")[2]
        token = other.token
    name = f"nestling-{service.host.rpartition(':')[2]}"
    assert service.ask("GET", "/api/libraries", token=token).status == 401
    assert service.ask("GET", "/api/libraries", token=None, headers={"Cookie": f"{name}={value}"}).status == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "", "192.168.0.7:{port}"]
)
def test_another_host_is_refused(service: Service, host: str) -> None:
    port = service.host.rpartition(":")[2]
    answer = service.ask("GET", "/api/libraries", headers={"Host": host.format(port=port)})
    assert answer.status == 403
    assert answer.json["error"].endswith(f"is not this service's, expected 127.0.0.1:{port}")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/api/search?q=owls"), ("POST", "/api/documents"), ("GET", "/")])
def test_other_web_pages_are_refused(service: Service, method: str, path: str, headers: dict[str, str]) -> None:
    """Even with a token, and so with the cookie."""
    answer = service.ask(method, path, {} if method == "POST" else None, headers=headers)
    assert (answer.status, answer.json) == (403, {"error": FOREIGN})


def test_its_own_page_is_let_in(service: Service) -> None:
    own = {"Origin": f"http://{service.host}", "Sec-Fetch-Site": "same-origin"}
    assert service.ask("GET", "/api/libraries", headers=own).status == 200


def test_browsers_are_told_to_run_nothing_of_others(service: Service) -> None:
    for answer in (service.ask("GET", "/api/libraries"), service.ask("GET", "/api/libraries", token=None)):
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers
        assert "server" not in answer.headers
