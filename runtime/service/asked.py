"""What a request asks for, checked: a refusal is one sentence with a status."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from starlette.requests import Request

from ..document import lone_surrogate

_SHOWN = 60
_NAMES = {
    bool: "true or false", str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object",
}  # fmt: skip


class Refused(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        sentence: what was found, what was expected, what to do next.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


async def body(request: Request) -> dict[str, Any]:
    """The JSON object that a request brings; raises Refused where it brings none."""
    try:
        found = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise Refused(400, "the body is no JSON; send an object") from error
    if not isinstance(found, dict):
        raise Refused(400, f"the body is {_kind(found)}, expected an object")
    return found


def text(values: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """A text; raises Refused where it is missing without a default, or is none."""
    found = values.get(name)
    if found is None:
        if default is None:
            raise Refused(400, f"{name} is missing, expected a text")
        return default
    if not isinstance(found, str):
        raise Refused(400, f"{name} is {_kind(found)}, expected a text")
    _require_text(name, found)
    return found


def one_of(values: Mapping[str, Any], name: str, known: Collection[str], default: str) -> str:
    """One of some texts; raises Refused where it is another."""
    found = text(values, name, default)
    if found not in known:
        raise Refused(400, f"{name} is {found[:_SHOWN]!r}, expected one of {', '.join(known)}")
    return found


def whole(values: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    """A whole number, also as a text of digits, within bounds; raises Refused where it is none or lies outside."""
    found = values.get(name, default)
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < len(str(most)) + 1:
        found = int(found)
    if isinstance(found, float) and found.is_integer():  # 1.0 is a whole number of JSON
        found = int(found)
    if type(found) is not int or not least <= found <= most:
        raise Refused(400, f"{name} is {str(found)[:_SHOWN]}, expected a whole number from {least} to {most}")
    return found


def flag(values: Mapping[str, Any], name: str, default: bool) -> bool:
    """true or false; raises Refused where it is something else."""
    found = values.get(name)
    if found is None:
        return default
    if not isinstance(found, bool):
        raise Refused(400, f"{name} is {_kind(found)}, expected true or false")
    return found


def texts(values: Mapping[str, Any], name: str, most: int) -> list[str]:
    """One text, or a list of some; raises Refused where there are none or too many, or something else."""
    found = values.get(name)
    given = [found] if isinstance(found, str) else found
    if not isinstance(given, list) or not given or not all(isinstance(one, str) for one in given):
        raise Refused(400, f"{name} is {_kind(found)}, expected a text or a list of texts with at least one")
    if len(given) > most:
        raise Refused(400, f"{name} has {len(given)} texts, at most {most} are taken at once; send fewer")
    for one in given:
        _require_text(name, one)
    return given


def _require_text(name: str, found: str) -> None:
    """Raise Refused for what no text may hold."""
    if (offset := lone_surrogate(found)) is not None:
        raise Refused(400, f"{name} holds a lone surrogate at {offset}; remove it")
    if "\0" in found:
        raise Refused(400, f"{name} holds NUL at {found.index(chr(0))}; remove it")


def _kind(value: object) -> str:
    if value is None:
        return "missing"
    return _NAMES.get(type(value), type(value).__name__)
