"""The description of the service against the service itself."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from services import Service

from nestling.service.openapi import description

DIM = 384
PATHS = description(DIM)["paths"]
OPERATIONS = [(method.upper(), path, one) for path, methods in PATHS.items() for method, one in methods.items()]
ODD: list[Any] = [
    None, True, False, 0, -1, 1e308, 10**30, "", " ", "a" * 5000, "\0", "\ud800", "../../etc/passwd", "<script>",
    "\u202e", "year>=2020 and (", [], [None], [[]], {}, {"a": {"b": []}}, [1, "a"], "🦉", "nestling-en", "float",
    "notes", "owls",
]  # fmt: skip
REQUESTS = 1500


def test_it_is_served_and_names_all_routes(service: Service) -> None:
    assert service.ask("GET", "/openapi.json").json == json.loads(json.dumps(description(DIM)))
    for method, path, _ in OPERATIONS:
        answer = service.ask(method, path, b"{}" if method == "POST" else None)
        assert answer.status not in (404, 405, 500), (method, path)


@pytest.mark.parametrize("seed", range(2))
def test_odd_requests_are_answered_and_leave_the_service_whole(service: Service, seed: int) -> None:
    """Nothing that is sent is a defect: no status 500, and each answer is one that the description names."""
    chance = random.Random(seed)
    for _ in range(REQUESTS // 2):
        method, path, operation = chance.choice(OPERATIONS)
        query, body = {}, None
        for parameter in operation.get("parameters", []):
            if chance.random() < 0.7:
                value = chance.choice(ODD)
                text = value if isinstance(value, str) else json.dumps(value)
                query[parameter["name"]] = text.encode("utf-8", "surrogatepass")
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            names = [name for name in schema["properties"] if chance.random() < 0.8]
            body = json.dumps({name: chance.choice(ODD) for name in names}).encode()
            if chance.random() < 0.1:
                body = chance.choice([b"", b"[]", b"{", b"\xff", b"null", b"[" * 5000])
        answer = service.ask(method, path, body, query=query)
        assert str(answer.status) in operation["responses"], (method, path, query, body)
        assert answer.status != 500, (method, path, query, body, answer.body)
    assert service.process.poll() is None
    assert service.ask("GET", "/api/search", query={"q": "owls"}).status == 200
