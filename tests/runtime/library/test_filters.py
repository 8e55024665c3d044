from __future__ import annotations

import json
import operator
import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nestling.errors import QueryError
from nestling.library.filters import parse, to_sql

KEYS = st.sampled_from(["year", "lang", "a b", "$.x", 'q"uote', "o'clock", "", "日本", "x; DROP TABLE documents"])
VALUES = st.one_of(
    st.integers(-5, 5), st.floats(-5, 5), st.booleans(), st.sampled_from(["a", "b", "'", '"', "1", "true", "%", "😀"])
)
COMPARE = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def kind(value: Any) -> str:
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def holds(metadata: dict[str, Any], key: str, op: str, value: Any) -> bool:
    """What a condition means, in Python."""
    if op == "exists":
        return (key in metadata) == value
    if key not in metadata:
        return False
    if op == "in":
        return any(holds(metadata, key, "=", item) for item in value)
    stored = metadata[key]
    if isinstance(stored, str) and isinstance(value, str):
        return bool(COMPARE[op](stored.encode(), value.encode()))
    return kind(stored) == kind(value) and bool(COMPARE[op](stored, value))


def matching(rows: list[dict[str, Any]], where: Any) -> list[int]:
    """Positions of the rows that real SQLite finds."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE documents (key INTEGER PRIMARY KEY, metadata TEXT)")
    db.executemany("INSERT INTO documents VALUES (?, ?)", [(n, json.dumps(row)) for n, row in enumerate(rows)])
    sql, parameters = to_sql(where)
    return [row[0] for row in db.execute(f"SELECT key FROM documents WHERE {sql} ORDER BY key", parameters)]


CONDITIONS = st.one_of(
    st.tuples(st.sampled_from(list(COMPARE)), VALUES),
    st.tuples(st.just("in"), st.lists(VALUES, max_size=3)),
    st.tuples(st.just("exists"), st.booleans()),
)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=4), max_size=6), st.dictionaries(KEYS, CONDITIONS, max_size=3))
def test_sqlite_finds_what_the_condition_means(rows: list[dict[str, Any]], where: dict[str, Any]) -> None:
    expected = [n for n, row in enumerate(rows) if all(holds(row, key, *asked) for key, asked in where.items())]
    assert matching(rows, where) == expected


def test_a_bare_value_must_be_equal() -> None:
    rows = [{"lang": "en"}, {"lang": "de"}, {}, {"lang": None}]
    assert matching(rows, {"lang": "en"}) == [0]
    assert matching(rows, {"lang": None}) == [3]
    assert matching(rows, {"lang": ("!=", "en")}) == [1]
    assert matching(rows, {}) == matching(rows, None) == [0, 1, 2, 3]


def test_true_is_not_one_and_text_is_not_a_number() -> None:
    rows = [{"x": True}, {"x": 1}, {"x": "1"}, {"x": 1.0}]
    assert matching(rows, {"x": True}) == [0]
    assert matching(rows, {"x": 1}) == [1, 3]
    assert matching(rows, {"x": "1"}) == [2]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"x": ("like", "a")}, "unknown operator 'like' for 'x', expected one of = != < <= > >= in exists"),
        ({"x": ("in", "abc")}, "in for 'x' takes a list of values, not str"),
        ({"x": ("exists", 1)}, "exists for 'x' takes True or False, not 1"),
        ({"x": ("<", None)}, "the filter on 'x' has a NoneType, expected str, int, float or bool"),
        ({"x": b"a"}, "the filter on 'x' has a bytes, expected str, int, float or bool"),
        ({"x": 2**63}, "the filter on 'x' has a number over 64 bits"),
        ({3: "a"}, "a filter's key is int, expected str"),
        (["x"], "where is list, expected a dict of key to value or (operator, value)"),
    ],
)
def test_a_condition_that_cannot_be_read_says_why(where: Any, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        to_sql(where)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("year>=2020", {"year": (">=", 2020)}),
        ("year >= 2020", {"year": (">=", 2020)}),
        ("weight<1.5", {"weight": ("<", 1.5)}),
        ("lang=en", {"lang": ("=", "en")}),
        ("lang != en", {"lang": ("!=", "en")}),
        ('code="007"', {"code": ("=", "007")}),
        ("draft=true", {"draft": ("=", True)}),
        ("name=", {"name": ("=", "")}),
        ("title=a = b", {"title": ("=", "a = b")}),
        ("lang in en,de, fr", {"lang": ("in", ["en", "de", "fr"])}),
        ("draft exists", {"draft": ("exists", True)}),
    ],
)
def test_expressions_of_the_command_line(expression: str, expected: dict[str, Any]) -> None:
    assert parse([expression]) == {key: [condition] for key, condition in expected.items()}
    to_sql(parse([expression]))


@pytest.mark.parametrize("expression", ["", "year", ">=3", "year 2020", "year exists now", "year==2020", "year=>2020"])
def test_an_expression_that_cannot_be_read_is_named(expression: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse([expression])
    assert str(caught.value).startswith(f"cannot read the filter {expression!r}, expected for example year>=2020")


def test_conditions_on_one_key_must_all_hold() -> None:
    where = parse(["year>2000", "year<2010"])
    assert where == {"year": [(">", 2000), ("<", 2010)]}
    sql, parameters = to_sql(where)
    assert (sql.count(" AND EXISTS"), parameters) == (1, ["year", 2000, "year", 2010])


def test_a_text_that_no_document_can_hold_is_refused() -> None:
    with pytest.raises(QueryError, match=r"^the filter on 'a' holds a lone surrogate at 1; remove it$"):
        to_sql({"a": "x\ud800"})
    with pytest.raises(QueryError, match=r"^a filter's key holds a lone surrogate at 0; remove it$"):
        to_sql({"\ud800": 1})
    with pytest.raises(QueryError, match=r"^the filter on 'a' has nan, expected a finite number$"):
        to_sql({"a": float("nan")})
