"""A `where` to typed, parameterised SQL over the table `metadata`, which has an index on every key.

A condition holds where the key is there and its value, of the same kind, compares so: numbers with numbers,
text with text, true and false with themselves. So `!=` finds documents that have another value, not those
without the key. Dates are texts in ISO 8601, whose order is that of the days.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...document import lone_surrogate, plain, typed
from ...errors import QueryError
from .schema import kind_of

Where = Mapping[str, Any]

MAX_CONDITIONS = 100
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "in", "exists")

_EXPRESSION = re.compile(r"^\s*([^\s=!<>]+)\s*(?:(!=|<=|>=|=|<|>)\s*(.*)|\s(in)\s+(.*)|\s(exists)\s*)$", re.DOTALL)


def to_sql(where: Where | None) -> tuple[str, list[Any]] | None:
    """An SQL condition on a column `document`, and its parameters; None where there is no condition.

    Args:
        where: by metadata key, a value to equal, a pair `(operator, value)`, or a list of such pairs; all must hold.

    Raises:
        QueryError: an operator is unknown, or a value is of a kind that cannot be compared.
    """
    if where is not None and not isinstance(where, Mapping):
        raise QueryError(f"where is {type(where).__name__}, expected a dict of key to value or (operator, value)")
    conditions = [
        _condition(key, one)
        for key, asked in (where or {}).items()
        for one in (asked if isinstance(asked, list) else [asked])
    ]
    if len(conditions) > MAX_CONDITIONS:
        raise QueryError(f"where has {len(conditions)} conditions, at most {MAX_CONDITIONS} are applied; give fewer")
    if not conditions:
        return None
    sql = " AND ".join(condition for condition, _ in conditions)
    return sql, [parameter for _, parameters in conditions for parameter in parameters]


def parse(expressions: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """Conditions as typed on a command line, `year>=2020`, `lang in en,de`, `draft exists`, to a `where`.

    A value is a number or true or false where it reads as one (see `typed`); in double quotes it is always text.
    Several conditions on one key must all hold.

    Raises:
        QueryError: an expression is none of these.
    """
    where: dict[str, list[tuple[str, Any]]] = {}
    for expression in expressions:
        match = _EXPRESSION.match(expression)
        if match is None or (match[3] or "")[:1] in ("=", "<", ">"):
            raise QueryError(f"cannot read the filter {expression!r}, expected for example year>=2020 or lang in en,de")
        if match[2]:
            condition: tuple[str, Any] = (match[2], _value(match[3]))
        elif match[4]:
            condition = ("in", [_value(item) for item in match[5].split(",")])
        else:
            condition = ("exists", True)
        where.setdefault(match[1], []).append(condition)
    return where


def _condition(key: str, asked: Any) -> tuple[str, list[Any]]:
    if not isinstance(key, str):
        raise QueryError(f"a filter's key is {type(key).__name__}, expected str")
    _text("a filter's key", key)
    operator, value = asked if isinstance(asked, tuple) and len(asked) == 2 else ("=", asked)
    if operator not in OPERATORS:
        raise QueryError(f"unknown operator {operator!r} for {key!r}, expected one of {' '.join(OPERATORS)}")
    parameters: list[Any] = []
    if operator == "exists":
        if not isinstance(value, bool):
            raise QueryError(f"exists for {key!r} takes True or False, not {value!r}")
        sql = ""
    elif operator == "in":
        if not isinstance(value, (list, tuple, set, frozenset)):
            raise QueryError(f"in for {key!r} takes a list of values, not {type(value).__name__}")
        sql, parameters = _membership(key, value)
    else:
        comparison, parameters = _comparison(key, operator, value)
        sql = f" AND {comparison}"
    negated = "NOT " if operator == "exists" and not value else ""
    return f"document {negated}IN (SELECT document FROM metadata WHERE name = ?{sql})", [key, *parameters]


def _membership(key: str, values: Iterable[Any]) -> tuple[str, list[Any]]:
    """Equal to one of the values: a list for each kind, so that there may be any number."""
    of_kind: dict[str, list[Any]] = {}
    for value in values:
        sql, parameters = _comparison(key, "=", value)
        if not any("\0" in one for one in parameters if isinstance(one, str)):  # which no metadata holds
            of_kind.setdefault(sql[sql.index("'") + 1], []).extend(parameters or [""])
    one_of = "(kind = '{}' AND value IN (SELECT value FROM json_each(?)))"
    conditions = " OR ".join(one_of.format(kind) for kind in of_kind) or "0"
    return f" AND ({conditions})", [json.dumps(values) for values in of_kind.values()]


def _comparison(key: str, operator: str, value: Any) -> tuple[str, list[Any]]:
    value = plain(value)
    if value is None and operator in ("=", "!="):
        return f"kind {operator} 'z'", []
    kind = kind_of(value)
    if kind is None or value is None:
        raise QueryError(f"the filter on {key!r} has a {type(value).__name__}, expected str, int, float, bool or date")
    if isinstance(value, str):
        _text(f"the filter on {key!r}", value)
    if isinstance(value, float) and not math.isfinite(value):
        raise QueryError(f"the filter on {key!r} has {value}, expected a finite number")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise QueryError(f"the filter on {key!r} has a number over 64 bits")
    return f"(kind = '{kind}' AND value {operator} ?)", [value]


def _value(text: str) -> str | int | float | bool:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1]
    return typed(text)


def _text(what: str, value: str) -> None:
    if (offset := lone_surrogate(value)) is not None:
        raise QueryError(f"{what} holds a lone surrogate at {offset}; remove it")
