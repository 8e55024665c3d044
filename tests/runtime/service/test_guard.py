"""Who is let in, and who is not; attacks are tried against the running service."""

from __future__ import annotations

import os
import time
from pathlib import Path
from urllib.parse import urlsplit

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
    error = answer.json["error"]
    told = error["message"] if path.startswith("/v1/") else error  # as OpenAI's clients read it
    assert told == f"{NEEDS}, or send it as: Authorization: Bearer TOKEN"
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


def test_a_browser_is_started_with_what_opens_the_page_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All users of a machine can see what programs are started with."""
    seen, opener = tmp_path / "seen", tmp_path / "xdg-open"
    opener.write_text(f'#!/bin/sh\necho "$1" > {seen}.part && mv {seen}.part {seen}\n')
    opener.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with serving(library_at(tmp_path / "a.nest", LETTERS), "--open") as opened:
        end = time.monotonic() + 30
        while not seen.exists() and time.monotonic() < end:
            time.sleep(0.05)
        address = urlsplit(seen.read_text().strip())
        assert address.netloc == opened.host and opened.token not in address.query
        target = f"/?{address.query}"
        assert opened.ask("GET", "/?ticket=", token=None).status == 401
        first = opened.ask("GET", target, token=None)
        assert (first.status, first.headers["location"]) == (303, "/")
        given = {"Cookie": first.headers["set-cookie"].partition(";")[0]}
        assert opened.ask("GET", "/api/libraries", token=None, headers=given).status == 200
        assert opened.ask("GET", target, token=None).status == 401


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


@pytest.mark.parametrize("others", ['a={"x":1}; ', "a=é; ", "a b=c; ", "; ; =; "])
def test_cookies_of_other_programs_do_not_lock_the_page_out(service: Service, others: str) -> None:
    opened = service.ask("GET", "/", token=None, query={"token": service.token})
    own = opened.headers["set-cookie"].partition(";")[0]
    given = {"Cookie": (others + own).encode("utf-8").decode("latin-1")}
    assert service.ask("GET", "/api/libraries", token=None, headers=given).status == 200


def test_who_is_refused_keeps_no_connection(service: Service) -> None:
    for answer in (service.ask("GET", "/api/libraries", token=None), service.ask("GET", "/", headers={"Host": "x"})):
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("method", "path", "body", "sentence"),
    [
        ("GET", "/api/documents?id=%00", None, "id holds NUL at 0; remove it"),
        ("DELETE", "/api/documents?id=%00", None, "id holds NUL at 0; remove it"),
        ("GET", "/api/file?id=a%00", None, "id holds NUL at 1; remove it"),
        ("GET", "/api/search?q=%00", None, "q holds NUL at 0; remove it"),
        ("POST", "/embed", b'{"inputs": "\\ud800"}', "inputs holds a lone surrogate at 0; remove it"),
        ("POST", "/api/embed", b'{"model": "nestling-en", "input": "\\ud800"}', "input holds a lone surrogate at 0"),
        ("POST", "/api/jobs", b'{"path": "/tmp/\\ud800"}', "path holds a lone surrogate at 5; remove it"),
        ("POST", "/embed", b'{"inputs": "a", "normalize": false}', "normalize is false, but vectors are unit here"),
        ("POST", "/embed", b'{"inputs": "a", "truncation_direction": "Left"}', "truncation_direction is not right"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(
    service: Service, method: str, path: str, body: bytes | None, sentence: str
) -> None:
    answer = service.ask(method, path, body)
    assert answer.status == 400
    assert answer.json["error"].startswith(sentence)
    assert answer.headers["content-security-policy"]
