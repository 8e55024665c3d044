from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nestling.errors import QueryError
from nestling.library.store.expressions import parse
from nestling.library.store.filters import to_sql


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
        ("title=rock & roll, or-not android", {"title": ("=", "rock & roll, or-not android")}),
        ('title="black and white"', {"title": ("=", "black and white")}),
        ('title="she said ""owl"""', {"title": ("=", 'she said "owl"')}),
        ('title=5" nail', {"title": ("=", '5" nail')}),
        ("title=f(x, y) again", {"title": ("=", "f(x, y) again")}),
        ("smile=:)", {"smile": ("=", ":)")}),
        ("lang in en,de, fr", {"lang": ("in", ["en", "de", "fr"])}),
        ("lang in (en, de)", {"lang": ("in", ["en", "de"])}),
        ('name in "Smith, John",Doe', {"name": ("in", ["Smith, John", "Doe"])}),
        ('name not in "Smith, John" , 7', {"name": ("not in", ["Smith, John", 7])}),
        ("name NOT IN a", {"name": ("not in", ["a"])}),
        ("draft exists", {"draft": ("exists", True)}),
        ("tags contains owl", {"tags": ("contains", "owl")}),
        ('tags contains "007"', {"tags": ("contains", "007")}),
        ('"a key"=1', {"a key": ("=", 1)}),
        ('"not" exists', {"not": ("exists", True)}),
        ("not=1", {"not": ("=", 1)}),
        ("not != 1", {"not": ("!=", 1)}),
        ("or=1", {"or": ("=", 1)}),
        ("in in in", {"in": ("in", ["in"])}),
        ("price(eur)>5", {"price(eur)": (">", 5)}),
        ("(a=1)", {"a": ("=", 1)}),
        ("not not a=1", {"a": ("=", 1)}),
    ],
)
def test_a_condition_of_the_command_line(expression: str, expected: dict[str, Any]) -> None:
    assert parse([expression]) == {key: [condition] for key, condition in expected.items()}
    to_sql(parse([expression]))


A, B, C = ({name: [("=", 1)]} for name in "abc")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a=1 and b=1", A | B),
        ("a=1 AND b=1", A | B),
        ("a=1 or b=1", {"$or": [A, B]}),
        ("a=1 or not b in x,y", {"$or": [A, {"$not": {"b": [("in", ["x", "y"])]}}]}),
        ("a=1 or b=1 and c=1", {"$or": [A, B | C]}),
        ("(a=1 or b=1) and c=1", C | {"$and": [{"$or": [A, B]}]}),
        ("not (a=1 and b=1)", {"$not": A | B}),
        ("not(a=1 or(b=1))", {"$not": {"$or": [A, B]}}),
        ("not a=1 and b=1", B | {"$and": [{"$not": A}]}),
        ("not a=1 and not b=1", {"$and": [{"$not": A}, {"$not": B}]}),
        ("a>1 and a<3", {"a": [(">", 1), ("<", 3)]}),
        ("(name in x,y) or (d exists)", {"$or": [{"name": [("in", ["x", "y"])]}, {"d": [("exists", True)]}]}),
        ('name="a or b" or a=1', {"$or": [{"name": [("=", "a or b")]}, A]}),
        ("name=(x) and (a=1)", {"name": [("=", "(x)")]} | A),
        ("$or=1 or $$and exists", {"$or": [{"$$or": [("=", 1)]}, {"$$$and": [("exists", True)]}]}),
    ],
)
def test_conditions_that_are_joined(expression: str, expected: dict[str, Any]) -> None:
    assert parse([expression]) == expected
    to_sql(parse([expression]))


def test_several_expressions_must_all_hold() -> None:
    assert parse([]) == {}
    assert parse(["a=1 or b=1", "c=1", "c<2"]) == {"c": [("=", 1), ("<", 2)], "$and": [{"$or": [A, B]}]}
    assert parse(["a=1 or b=1", "not c=1"]) == {"$and": [{"$or": [A, B]}, {"$not": C}]}


@pytest.mark.parametrize(
    "expression",
    [
        "", "year", ">=3", "year 2020", "year exists now", "year==2020", "year=>2020", "a=1 and", "a=1 or or b=1",
        "and a=1", "(a=1", "a=1 and (b=1", "not", "()", 'a="x" y', 'a="x', 'a in "x"y', "a not 3", "a in (b,c",
        "title=black and white",
    ],
)  # fmt: skip
def test_an_expression_that_cannot_be_read_is_named(expression: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse([expression])
    assert str(caught.value).startswith(f"cannot read the filter {expression!r}, expected for example year>=2020")


def test_it_is_said_how_far_an_expression_is_understood() -> None:
    with pytest.raises(QueryError) as caught:
        parse(["title=black and white"])
    assert str(caught.value) == (
        "cannot read the filter 'title=black and white', expected for example year>=2020, lang in en,de or "
        "not (title contains \"black and white\" or draft exists); from 'white' on it is not understood"
    )


def test_brackets_that_lie_too_deep_are_refused() -> None:
    assert parse(["(" * 20 + "a=1" + ")" * 20]) == A
    for deep in (21, 100_000):
        with pytest.raises(QueryError, match=r"lies over 20 brackets deep; give less of it$"):
            parse(["not (" * deep + "a=1" + ")" * deep])


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from([*'ab1 =<>!,()"\n', " and ", " or ", " not ", " in ", " exists "]), max_size=12))
def test_whatever_is_typed_is_read_or_refused(parts: list[str]) -> None:
    try:
        where = parse(["".join(parts)])
    except QueryError:
        return
    to_sql(where)


@pytest.mark.parametrize("part", ["(", "a", " ", '"', '""', " or ", "a=1 or ", "not ", ",", "a in b,", ")"])
def test_reading_takes_no_longer_than_the_text_is_long(part: str) -> None:
    begin = time.perf_counter()
    try:
        parse(["a=" + part * 30_000, part * 30_000][:1])
        parse([part * 30_000])
    except QueryError:
        pass
    assert time.perf_counter() - begin < 3


@pytest.mark.parametrize("text", ["a in", "a in b,", "a in ,b", "a not in", "a contains", 'a contains ""', "a in ()"])
def test_what_needs_a_value_says_so_where_there_is_none(text: str) -> None:
    with pytest.raises(QueryError, match=r"^cannot read the filter "):
        parse([text])
