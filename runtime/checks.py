"""Checks of values that come from outside, each written once; who calls them says what was asked and raises."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np


def as_whole(value: object) -> int | None:
    """A whole number, NumPy's among them, as an int; None for anything else, true and false among it."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        return None
    return int(value)


def require_keys(what: str, values: object, expected: Set[str], optional: Set[str] = frozenset()) -> dict[str, Any]:
    """An object of JSON or a table of TOML that has all expected keys, but for the optional ones, and no other.

    Args:
        what: what it is called in a message, as `a variant`.

    Raises:
        ValueError: it is something else, lacks a key, or has one that is not known; one clause.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{what} is {type(values).__name__}, expected keys with values")
    if unknown := sorted(set(values) - expected):
        raise ValueError(f"{what} has the unknown key {unknown[0]!r}, expected {', '.join(sorted(expected))}")
    if missing := sorted(expected - optional - set(values)):
        raise ValueError(f"{what} lacks the key {missing[0]!r}")
    return values


def require_type(what: str, value: object, kind: type) -> None:
    """Raise ValueError with one clause where a value is of another type, true and false being no numbers."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{what} is {type(value).__name__}, expected {kind.__name__}")
