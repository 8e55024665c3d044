from __future__ import annotations

import operator
import sqlite3
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nestling import Document
from nestling.errors import QueryError
from nestling.library.store import schema
from nestling.library.store.filters import parse, to_sql

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
    schema.create(db)
    rows_of = "INSERT INTO documents (key, id, title, metadata, source) VALUES (?, ?, '', '', '')"
    db.executemany(rows_of, ((n, str(n)) for n in range(len(rows))))
    for n, row in enumerate(rows):
        db.executemany("INSERT INTO metadata VALUES (?, ?, ?, ?)", schema.metadata_rows(row, n))
    sql, parameters = to_sql(where) or ("1", [])
    select = f"SELECT document FROM (SELECT key AS document FROM documents) WHERE {sql} ORDER BY document"
    return [row[0] for row in db.execute(select, parameters)]


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
        ({"x": ("<", None)}, "the filter on 'x' has a NoneType, expected str, int, float, bool or date"),
        ({"x": b"a"}, "the filter on 'x' has a bytes, expected str, int, float, bool or date"),
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
    sql, parameters = to_sql(where) or ("1", [])
    assert (sql.count("document IN"), parameters) == (2, ["year", 2000, "year", 2010])
    assert matching([{"year": year} for year in (2000, 2001, 2009, 2010)], where) == [1, 2]


def test_a_text_that_no_document_can_hold_is_refused() -> None:
    with pytest.raises(QueryError, match=r"^the filter on 'a' holds a lone surrogate at 1; remove it$"):
        to_sql({"a": "x\ud800"})
    with pytest.raises(QueryError, match=r"^a filter's key holds a lone surrogate at 0; remove it$"):
        to_sql({"\ud800": 1})
    with pytest.raises(QueryError, match=r"^the filter on 'a' has nan, expected a finite number$"):
        to_sql({"a": float("nan")})


NOON = datetime(2024, 5, 2, 12, tzinfo=timezone.utc)


def test_a_date_compares_as_its_iso_text() -> None:
    days = [date(2023, 12, 31), date(2024, 1, 1), date(2024, 5, 2), date(2024, 10, 1)]
    rows = [dict(Document("a", "", metadata={"day": day}).metadata) for day in days]
    assert rows[1] == {"day": "2024-01-01"}
    assert matching(rows, {"day": (">=", date(2024, 1, 1))}) == [1, 2, 3]
    assert matching(rows, {"day": date(2024, 5, 2)}) == matching(rows, {"day": ("=", "2024-05-02")}) == [2]
    assert matching(rows, {"day": ("in", [date(2024, 10, 1), "2023-12-31"])}) == [0, 3]


def test_a_time_compares_in_utc_to_the_second() -> None:
    zone = timezone(timedelta(hours=2))
    times = [NOON, NOON.astimezone(zone), NOON + timedelta(seconds=1), datetime(2024, 5, 2, 12, 0, 0, 999)]
    rows = [dict(Document("a", "", metadata={"at": time}).metadata) for time in times]
    assert [row["at"] for row in rows] == [
        "2024-05-02T12:00:00Z",
        "2024-05-02T12:00:00Z",
        "2024-05-02T12:00:01Z",
        "2024-05-02T12:00:00",
    ]
    assert matching(rows, {"at": NOON.astimezone(zone)}) == [0, 1]
    assert matching(rows, {"at": (">", NOON)}) == [2]


def test_a_list_of_values_may_be_of_any_length_and_mixed() -> None:
    rows = [{"x": 7}, {"x": "7"}, {"x": True}, {"x": None}, {}]
    assert matching(rows, {"x": ("in", [*range(-50_000, 50_000), "7", None])}) == [0, 1, 3]
    assert matching(rows, {"x": ("in", [True, "a\0"])}) == [2]
    assert matching(rows, {"x": ("in", ["a\0"])}) == matching(rows, {"x": ("in", [])}) == []


def test_more_conditions_than_are_applied_are_refused() -> None:
    to_sql({"x": [("!=", n) for n in range(100)]})
    with pytest.raises(QueryError, match=r"^where has 101 conditions, at most 100 are applied; give fewer$"):
        to_sql({"x": [("!=", n) for n in range(101)]})
