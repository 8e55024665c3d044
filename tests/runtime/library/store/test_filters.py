from __future__ import annotations

import operator
import sqlite3
from datetime import date, datetime, timedelta, timezone
from enum import Enum
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nestling import Document
from nestling.errors import QueryError
from nestling.library.store import schema
from nestling.library.store.expressions import parse
from nestling.library.store.filters import to_sql

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
OPERATORS = "= != < <= > >= in not in contains ends with exists"
EXPECTED = "expected str, int, float, bool, None, a date, or a list of them"


class Colour(Enum):
    RED = "red"


def kind(value: Any) -> str:
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def same(stored: Any, value: Any) -> bool:
    return kind(stored) == kind(value) and bool(stored == value)


def holds(metadata: dict[str, Any], key: str, op: str, value: Any) -> bool:
    """What a condition means, in Python."""
    if op == "exists":
        return (key in metadata) == value
    if key not in metadata:
        return False
    stored = metadata[key]
    if op in ("!=", "not in"):
        return not holds(metadata, key, {"!=": "=", "not in": "in"}[op], value)
    if op == "in":
        return any(holds(metadata, key, "=", item) for item in value)
    values = stored if isinstance(stored, list) else [stored]
    if op == "=":
        return any(same(one, value) for one in values)
    if op == "contains":
        within = isinstance(stored, str) and isinstance(value, str) and value in stored
        return within or (isinstance(stored, list) and any(same(one, value) for one in stored))
    if isinstance(value, str):
        return any(isinstance(one, str) and COMPARE[op](one.encode(), value.encode()) for one in values)
    return any(kind(one) == kind(value) and COMPARE[op](one, value) for one in values)


def meets(metadata: dict[str, Any], where: dict[str, Any]) -> bool:
    """What a whole where means."""
    return all(
        any(meets(metadata, one) for one in asked)
        if key == "$or"
        else all(meets(metadata, one) for one in asked)
        if key == "$and"
        else not meets(metadata, asked)
        if key == "$not"
        else holds(metadata, key, *asked)
        for key, asked in where.items()
    )


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


STORED = st.one_of(VALUES, st.none(), st.lists(VALUES | st.none(), max_size=3))
CONDITIONS = st.one_of(
    st.tuples(st.sampled_from(list(COMPARE)), VALUES),
    st.tuples(st.sampled_from(["=", "!=", "contains"]), st.none() | VALUES),
    st.tuples(st.sampled_from(["in", "not in"]), st.lists(VALUES | st.none(), max_size=3)),
    st.tuples(st.just("exists"), st.booleans()),
)
WHERES = st.recursive(
    st.dictionaries(KEYS, CONDITIONS, max_size=3),
    lambda inner: (
        st.dictionaries(st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=1, max_size=3))
        | st.fixed_dictionaries({"$not": inner})
    ),
    max_leaves=5,
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(st.dictionaries(KEYS, STORED, max_size=4), max_size=6), WHERES)
def test_sqlite_finds_what_the_condition_means(rows: list[dict[str, Any]], where: dict[str, Any]) -> None:
    assert matching(rows, where) == [n for n, row in enumerate(rows) if meets(row, where)]


ROWS: dict[str, dict[str, Any]] = {
    "owl": {"x": "owl"},
    "barn owl": {"x": "barn owl"},
    "7": {"x": 7},
    "text 7": {"x": "7"},
    "true": {"x": True},
    "none": {"x": None},
    "tags": {"x": ["owl", "night", 7]},
    "empty": {"x": []},
    "missing": {"y": 1},
}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("=", "owl"), ["owl", "tags"]),
        (("=", 7), ["7", "tags"]),
        (("=", None), ["none"]),
        (("=", ["owl", "night", 7]), ["tags"]),
        (["owl", "night", 7], ["tags"]),
        (("=", ("night", "owl", 7)), []),
        ([], ["empty"]),
        (("!=", "owl"), ["barn owl", "7", "text 7", "true", "none", "empty"]),
        (("!=", 7), ["owl", "barn owl", "text 7", "true", "none", "empty"]),
        (("!=", None), ["owl", "barn owl", "7", "text 7", "true", "tags", "empty"]),
        (("!=", []), ["owl", "barn owl", "7", "text 7", "true", "none", "tags"]),
        (("<", 8), ["7", "tags"]),
        (("<", "b"), ["text 7"]),
        ((">=", "night"), ["owl", "tags"]),
        (("<=", True), ["true"]),
        (("in", ["owl", 7]), ["owl", "7", "tags"]),
        (("in", [None, []]), ["none", "empty"]),
        (("in", []), []),
        (("not in", ["owl", 7]), ["barn owl", "text 7", "true", "none", "empty"]),
        (("not in", []), ["owl", "barn owl", "7", "text 7", "true", "none", "tags", "empty"]),
        (("contains", "owl"), ["owl", "barn owl", "tags"]),
        (("contains", "OWL"), []),
        (("contains", "igh"), []),
        (("contains", 7), ["tags"]),
        (("contains", ""), ["owl", "barn owl", "text 7"]),
        (("ends with", "OWL"), ["owl", "barn owl", "tags"]),
        (("ends with", "n owl"), ["barn owl"]),
        (("ends with", "a barn owl"), []),
        (("ends with", ""), ["owl", "barn owl", "text 7", "tags"]),
        (("exists", True), ["owl", "barn owl", "7", "text 7", "true", "none", "tags", "empty"]),
        (("exists", False), ["missing"]),
        ({">=": 5, "<": 8}, ["7", "tags"]),
    ],
)
def test_each_operator_finds_what_its_row_of_the_table_says(asked: Any, found: list[str]) -> None:
    rows = list(ROWS.values())
    assert [list(ROWS)[n] for n in matching(rows, {"x": asked})] == found
    assert [list(ROWS)[n] for n in matching(rows, {"$not": {"x": asked}})] == [one for one in ROWS if one not in found]


def test_groups_hold_as_they_are_nested() -> None:
    rows = [{"a": a, "b": b} for a in (1, 2) for b in ("x", "y", "z")]
    assert matching(rows, {"$or": [{"a": 1}, {"$not": {"b": ("in", ["x", "y"])}}]}) == [0, 1, 2, 5]
    assert matching(rows, {"a": 2, "$or": [{"b": "x"}, {"b": "z"}]}) == [3, 5]
    assert matching(rows, {"$and": [{"a": 2}, {"$or": [{"b": "x"}]}]}) == [3]
    assert matching(rows, {"$not": {"a": 1, "b": "x"}}) == [1, 2, 3, 4, 5]
    assert matching(rows, {"$or": [{}]}) == [0, 1, 2, 3, 4, 5]
    assert matching(rows, {"$not": {}}) == []


def test_a_key_that_is_called_as_a_group_is_written_with_one_dollar_more() -> None:
    rows: list[dict[str, Any]] = [{"$or": 1}, {"$$or": 1}, {"or": 1}, {"$not": 1}, {"$nor": 1}]
    assert [matching(rows, {key: 1}) for key in ("$$or", "$$$or", "or", "$$not", "$nor")] == [[0], [1], [2], [3], [4]]
    assert [matching(rows, parse([f"{key}=1"])) for key in ("$or", "$$or", "or", "$not")] == [[0], [1], [2], [3]]


def test_values_of_numpy_and_of_enums_are_compared_as_pythons() -> None:
    rows = [{"x": 3}, {"x": "red"}, {"x": True}]
    assert matching(rows, {"x": np.int64(3)}) == [0]
    assert matching(rows, {"x": ("in", [np.float32(3), Colour.RED])}) == [0, 1]
    assert matching(rows, {"x": ("=", np.bool_(True))}) == [2]
    assert matching(rows, {"x": ("exists", np.bool_(False))}) == []


def test_a_bare_value_must_be_equal() -> None:
    rows = [{"lang": "en"}, {"lang": "de"}, {}, {"lang": None}]
    assert matching(rows, {"lang": "en"}) == [0]
    assert matching(rows, {"lang": None}) == [3]
    assert matching(rows, {"lang": ("!=", "en")}) == [1, 3]
    assert matching(rows, {}) == matching(rows, None) == [0, 1, 2, 3]


def test_true_is_not_one_and_text_is_not_a_number() -> None:
    rows = [{"x": True}, {"x": 1}, {"x": "1"}, {"x": 1.0}]
    assert matching(rows, {"x": True}) == [0]
    assert matching(rows, {"x": 1}) == [1, 3]
    assert matching(rows, {"x": "1"}) == [2]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            {"x": ("like", "a")},
            f"unknown operator 'like' for 'x', expected one of {OPERATORS}",
        ),
        ({"x": ("in", "abc")}, "in for 'x' takes a list of values, not str"),
        ({"x": ("exists", 1)}, "exists for 'x' takes True or False, not 1"),
        ({"x": ("<", None)}, "< for 'x' has None, which has no order; expected a number, a text or a date"),
        ({"x": ("<", [1])}, "< for 'x' takes one value, not a list"),
        ({"x": ("contains", ["a"])}, "contains for 'x' takes one value, not a list"),
        ({"x": b"a"}, f"the filter on 'x' has a bytes, {EXPECTED}"),
        ({"x": ["a", b"a"]}, f"the filter on 'x' has a bytes, {EXPECTED}"),
        ({"x": [[">", 1], ["<", 3]]}, f"the filter on 'x' has a list, {EXPECTED}"),
        ({"x": {}}, "the filter on 'x' is an empty dict, expected operators with their values"),
        (
            {"x": {"$gt": 1}},
            f"unknown operator '$gt' for 'x', expected one of {OPERATORS}",
        ),
        (
            {"x": (["="], 1)},
            f"unknown operator ['='] for 'x', expected one of {OPERATORS}",
        ),
        ({"$or": []}, "$or takes a list of wheres with at least one, not an empty list"),
        ({"$and": {"a": 1}}, "$and takes a list of wheres with at least one, not a dict"),
        ({"$not": [{"a": 1}]}, "where has list, expected a dict of key to value or (operator, value)"),
        ({"x": list(range(10_001))}, "the filter on 'x' has a list of 10001, expected at most 10000 values"),
        ({"x": 2**63}, "the filter on 'x' has a number over 64 bits"),
        ({3: "a"}, "a filter's key is int, expected str"),
        (["x"], "where is list, expected a dict of key to value or (operator, value)"),
    ],
)
def test_a_condition_that_cannot_be_read_says_why(where: Any, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        to_sql(where)
    assert str(caught.value) == message


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


OVER = r"^where has over 100 conditions, which is all that are applied; give fewer$"


def test_more_conditions_than_are_applied_are_refused() -> None:
    to_sql({"x": [("!=", n) for n in range(100)]})
    to_sql({"$or": [{"x": n} for n in range(100)]})
    for where in (
        {"x": [("!=", n) for n in range(101)]},
        {"$or": [{"x": n} for n in range(101)]},
        {"$and": [{}] * 10**6},
        {"$or": [{"$or": [{"$or": [{"x": 1}] * 50}] * 50}] * 50},
    ):
        with pytest.raises(QueryError, match=OVER):
            to_sql(where)


def test_what_lies_too_deep_is_refused() -> None:
    def nested(depth: int) -> dict[str, Any]:
        where: dict[str, Any] = {"x": 1}
        for _ in range(depth):
            where = {"$not": where}
        return where

    assert matching([{"x": 1}, {"x": 2}], nested(20)) == [0]
    itself: dict[str, Any] = {}
    itself["$or"] = [itself]
    for where in (nested(21), nested(500), itself):
        with pytest.raises(QueryError, match=r"^where lies over 20 deep; give less of it$"):
            to_sql(where)


def test_what_is_given_is_never_part_of_the_statement() -> None:
    evil = "x' OR 1=1 --"
    for asked in (evil, ("!=", evil), ("<", evil), ("in", [evil, [evil]]), ("not in", [evil]), ("contains", evil)):
        sql, parameters = to_sql({evil: asked, "$not": {evil: asked}}) or ("", [])
        assert "OR 1=1" not in sql
        assert any(evil in one for one in parameters)


def test_values_are_looked_up_in_the_index() -> None:
    db = sqlite3.connect(":memory:")
    schema.create(db)
    for asked, index in {
        ("=", "a"): "(name=? AND kind=? AND value=?)",
        ("<", 3): "(name=? AND kind=? AND value<?)",
        ("in", (1, 2)): "(name=? AND kind=? AND value=?)",
        ("!=", "a"): "(name=? AND kind=?)",
        ("contains", 3): "(name=? AND kind=? AND value=?)",
    }.items():
        sql, parameters = to_sql({"x": asked}) or ("", [])
        plan = db.execute(f"EXPLAIN QUERY PLAN SELECT key FROM passages WHERE {sql}", parameters)
        assert f"SEARCH metadata USING PRIMARY KEY {index}" in [row[3] for row in plan]
