"""A `where` to typed, parameterised SQL over the table `metadata`, which has an index on every key.

    {"lang": "en", "year": (">=", 2020)}                      both hold
    {"year": [(">=", 2020), ("<", 2024)]}                     both hold; or {"year": {">=": 2020, "<": 2024}}
    {"$or": [{"lang": "en"}, {"$not": {"tags": "draft"}}]}    "$and" and "$or" take a list of wheres, "$not" takes one

A metadata key that is called `$or` itself is written `$$or`, one that is called `$$or` `$$$or`.

| operator | holds where the key is there and |
|---|---|
| `=` | the value is that, or is a list that holds it; with a list: is that list |
| `!=` | `=` does not hold |
| `<` `<=` `>` `>=` | the value, or one of a list, is of the same kind and compares so |
| `in` | `=` holds with one of those given |
| `not in` | `in` does not hold |
| `contains` | a list holds that, or a text has it within itself, in the same case |
| `ends with` | a text, or one of a list, ends with that, in whatever case of plain letters |
| `exists` | (with True; with False it holds where the key is not there) |

So a document without the key meets none of them but `exists` with False, and `$not` of any: `!=` and `not in` want
another value to be there, `$not` of `=` and `in` do not. None is a value, which equals itself alone. The kinds are
number, text, true and false, None: 1 is 1.0, but neither "1" nor True. Dates are texts in ISO 8601, whose order is that
of the days; with other texts they compare as texts do, by their characters. Of files of the same content the metadata,
and with it the path, is that of the one whose copies the others are.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...document import MAX_LIST, lone_surrogate, plain
from ...errors import QueryError
from .schema import LIST, kind_of, list_text, text_as_given

Where = Mapping[str, Any]

MAX_CONDITIONS = 100
MAX_DEPTH = 20
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
OPERATORS = (*COMPARISONS, "in", "not in", "contains", "ends with", "exists")
AND, OR, NOT = "$and", "$or", "$not"

_ESCAPED = re.compile(r"\$\$+(and|or|not)")
_RESERVED = re.compile(r"\$+(and|or|not)")
_FOUND = "document IN (SELECT document FROM metadata WHERE name = ?{})"
_NOT_FOUND = "document NOT IN (SELECT document FROM metadata WHERE name = ?{})"
# A row for each document that has the key: of a list the whole.
_ONE_ROW = " AND kind IN ('t', 'n', 'b', 'z', 'l')"

Sql = tuple[str, list[Any]]
Values = dict[str, list[Any]]  # by their kind


def to_sql(where: Where | None) -> Sql | None:
    """An SQL condition on a column `document`, and its parameters; None where there is no condition.

    Args:
        where: as described above; all that it has must hold.

    Raises:
        QueryError: it is not as described, has over 100 conditions, or lies over 20 deep.
    """
    sql, parameters, count = _all_of({} if where is None else where, 0, 0)
    return (sql, parameters) if count else None


def escaped(key: str) -> str:
    """A metadata key as a `where` has it."""
    return f"${key}" if _RESERVED.fullmatch(key) else key


def _all_of(where: Where, depth: int, count: int) -> tuple[str, list[Any], int]:
    """What holds where all of a where does, its parameters, and how many conditions there are with those before it."""
    if not isinstance(where, Mapping):
        expected = "expected a dict of key to value or (operator, value)"
        raise QueryError(f"where {'has' if depth else 'is'} {type(where).__name__}, {expected}")
    if depth > MAX_DEPTH:
        raise QueryError(f"where lies over {MAX_DEPTH} deep; give less of it")
    parts: list[str] = []
    parameters: list[Any] = []

    def add(sql: str, more: list[Any], now: int) -> None:
        nonlocal count
        if (count := now) > MAX_CONDITIONS:
            raise QueryError(f"where has over {MAX_CONDITIONS} conditions, which is all that are applied; give fewer")
        parts.append(sql)
        parameters.extend(more)

    for key, asked in where.items():
        if key in (AND, OR):
            add(*_group(key, asked, depth, count))
        elif key == NOT:
            sql, more, now = _all_of(asked, depth + 1, count)
            add(f"NOT {sql}", more, max(now, count + 1))
        else:
            name = _name(key)
            for operator, value in _conditions(name, asked):
                add(*_condition(name, operator, value), count + 1)
    if not parts:
        return "1", [], count
    return (parts[0] if len(parts) == 1 else f"({' AND '.join(parts)})"), parameters, count


def _group(key: str, wheres: Any, depth: int, count: int) -> tuple[str, list[Any], int]:
    if not isinstance(wheres, (list, tuple)) or not wheres:
        raise QueryError(f"{key} takes a list of wheres with at least one, not {_described(wheres)}")
    parts: list[str] = []
    parameters: list[Any] = []
    for where in wheres:
        sql, more, now = _all_of(where, depth + 1, count)
        parts.append(sql)
        parameters += more
        if (count := max(now, count + 1)) > MAX_CONDITIONS:
            break  # which the caller says
    return f"({f' {key[1:].upper()} '.join(parts)})", parameters, count


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise QueryError(f"a filter's key is {type(key).__name__}, expected str")
    _text("a filter's key", key)
    return str(plain(key[1:] if _ESCAPED.fullmatch(key) else key))


def _conditions(name: str, asked: Any) -> Iterable[tuple[Any, Any]]:
    """The operators and values that are asked for with one key."""
    if isinstance(asked, Mapping):
        if not asked:
            raise QueryError(f"the filter on {name!r} is an empty dict, expected operators with their values")
        return asked.items()
    if isinstance(asked, list) and asked and all(_is_pair(one) for one in asked):
        return asked
    return [asked if _is_pair(asked) else ("=", asked)]


def _is_pair(asked: Any) -> bool:
    return isinstance(asked, tuple) and len(asked) == 2


def _condition(name: str, operator: Any, value: Any) -> Sql:
    if not isinstance(operator, str) or operator not in OPERATORS:
        raise QueryError(f"unknown operator {operator!r} for {name!r}, expected one of {' '.join(OPERATORS)}")
    if operator == "exists":
        if not isinstance(plain(value), bool):
            raise QueryError(f"exists for {name!r} takes True or False, not {value!r}")
        return (_FOUND if value else _NOT_FOUND).format(""), [name]
    if operator in ("in", "not in"):
        if not isinstance(value, (list, tuple, set, frozenset)):
            raise QueryError(f"{operator} for {name!r} takes a list of values, not {type(value).__name__}")
        values = _by_kind(name, value)
        return _equal(name, values, _one_of) if operator == "in" else _other(name, values, _one_of)
    if operator in ("=", "!="):
        values = _by_kind(name, [value])
        return _equal(name, values, _same) if operator == "=" else _other(name, values, _same)
    if isinstance(value, (list, tuple)):
        raise QueryError(f"{operator} for {name!r} takes one value, not {_described(value)}")
    kind, value = _checked(name, value)
    if operator == "contains":
        within = " OR (kind = 't' AND instr(value, ?))" if kind == "t" else ""
        sql = f" AND ((kind = '{kind.upper()}' AND value = ?){within})"
        return _FOUND.format(sql), [name, value, value] if within else [name, value]
    if operator == "ends with":
        if kind != "t":
            raise QueryError(f"ends with for {name!r} takes a text, not {value!r}")
        ends = " AND kind IN ('t', 'T') AND lower(substr(value, -length(?))) = lower(?)"
        any_text = " AND kind IN ('t', 'T')"  # every one ends with nothing
        return (_FOUND.format(ends), [name, value, value]) if value else (_FOUND.format(any_text), [name])
    if kind == "z":
        raise QueryError(f"{operator} for {name!r} has None, which has no order; expected a number, a text or a date")
    return _FOUND.format(f" AND kind IN ('{kind}', '{kind.upper()}') AND value {operator} ?"), [name, value]


def _same(values: list[Any]) -> Sql:
    return f"value IN ({', '.join('?' * len(values))})", values


def _one_of(values: list[Any]) -> Sql:
    """So that there may be any number."""
    return "value IN (SELECT value FROM json_each(?))", [json.dumps(values)]


def _equal(name: str, values: Values, test: Callable[[list[Any]], Sql]) -> Sql:
    """Where a value, or one of a list, is one of some."""
    tests = {kind: test(some) for kind, some in values.items()}
    either = [f"(kind IN ('{kind}', '{kind.upper()}') AND {sql})" for kind, (sql, _) in tests.items()]
    given = [one for _, parameters in tests.values() for one in parameters]
    return _FOUND.format(f" AND ({' OR '.join(either) or 0})"), [name, *given]


def _other(name: str, values: Values, test: Callable[[list[Any]], Sql]) -> Sql:
    """Where there is a value and none of it is one of some. Those that are, often many, are not collected."""
    sql, parameters = _FOUND.format(_ONE_ROW), [name]
    if not values:
        return sql, parameters
    tests = {kind: test(some) for kind, some in values.items()}
    given = [one for _, parameters in tests.values() for one in parameters]
    whole = " OR ".join(f"(kind = '{kind}' AND {test})" for kind, (test, _) in tests.items())
    sql, parameters = _FOUND.format(f"{_ONE_ROW} AND NOT ({whole})"), [name, *given]
    if in_lists := {kind: test for kind, test in tests.items() if kind != LIST}:
        either = " OR ".join(f"(kind = '{kind.upper()}' AND {test})" for kind, (test, _) in in_lists.items())
        sql = f"({sql} AND {_NOT_FOUND.format(f' AND ({either})')})"
        parameters += [name, *(one for _, more in in_lists.values() for one in more)]
    return sql, parameters


def _by_kind(name: str, values: Iterable[Any]) -> Values:
    """Values as the table has them, by their kind; without those that no metadata can hold."""
    found: Values = {}
    for value in values:
        if isinstance(value, (list, tuple)):
            kind, either = LIST, _list(name, value)
        else:
            kind, one = _checked(name, value)
            either = [one]
        found.setdefault(kind, []).extend(one for one in either if not (isinstance(one, str) and "\0" in one))
    return {kind: values for kind, values in found.items() if values}


def _list(name: str, values: Sequence[Any]) -> list[str]:
    """A list as the table has it, and as that of an older library may."""
    if len(values) > MAX_LIST:
        raise QueryError(f"the filter on {name!r} has a list of {len(values)}, expected at most {MAX_LIST} values")
    checked = [None if kind == "z" else value for kind, value in (_checked(name, one) for one in values)]
    return list(dict.fromkeys((list_text(checked), text_as_given(checked))))


def _checked(name: str, value: Any) -> tuple[str, Any]:
    """The kind of a value, and the value as the table has it."""
    try:
        value = plain(value)
    except ValueError as error:
        raise QueryError(f"the filter on {name!r}: {error}") from error
    kind = kind_of(value)
    if kind is None:
        expected = "expected str, int, float, bool, None, a date, or a list of them"
        raise QueryError(f"the filter on {name!r} has a {type(value).__name__}, {expected}")
    if isinstance(value, str):
        _text(f"the filter on {name!r}", value)
    if isinstance(value, float) and not math.isfinite(value):
        raise QueryError(f"the filter on {name!r} has {value}, expected a finite number")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise QueryError(f"the filter on {name!r} has a number over 64 bits")
    return kind, "" if value is None else value


def _text(what: str, value: str) -> None:
    if (offset := lone_surrogate(value)) is not None:
        raise QueryError(f"{what} holds a lone surrogate at {offset}; remove it")


def _described(value: Any) -> str:
    return "an empty list" if value in ([], ()) else f"a {type(value).__name__}"
