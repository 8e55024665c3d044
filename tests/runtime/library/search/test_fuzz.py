"""Whatever is asked: hits, or an error of ours; never one of SQLite's, and nothing in the file changes."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nestling import Encoder, Hit, Library
from nestling.demo import demo_documents
from nestling.document import Document
from nestling.errors import QueryError
from nestling.library.store import expressions as conditions
from nestling.library.store import filters
from processes import Run

CASES = 250
ALLOWED = (QueryError, TypeError, ValueError)

PIECES = [
    '"', '""', "'", "''", '"""', "“", "„", "*", "^", "+", "-", "(", ")", "((((", "{", "}", ":", "title:", "body :",
    "NEAR(",
    "NEAR/2", " AND ", " OR ", " NOT ", "full_text", "rank", "\\", "%", "_", ";", "--", "/*", "?", "?1", ":a", "@a",
    "$a",
    "'; DROP TABLE documents; --", "' OR '1'='1", ") UNION SELECT text FROM documents --", "x') OR 1=1", "\0",
    "\x1b[2J",
    "\x07", "\x7f", "\x85", "\n", "\r\n", "\t", "\v", "\f", "\u2028", "\u202e", "\ufeff", "\ufdd0", "\uffff", "\ufffd",
    "\ud800", "\udfff", "\U0001f989", "\U0001f468\u200d\U0001f469", "e\u0301", "ß", "İ", "ﬁ", "日本語", "العربية",
    "owls",
    "vinegar", "CR-7891234", "T63.4", "a" * 300, " ", "=", "!=", "<=", ">=", "<", ">", "in", " in ", "exists",
    " exists",
    "year", "lang", "draft", "true", "false", "nan", "inf", "1e999", "-0", "0x10", "9" * 30, "3.10.2", "null", ",",
    ",,,",
]  # fmt: skip

LONG = {
    "a word": "a" * 100_000,
    "words": "owl " * 25_000,
    "1,999 words": " ".join(f"word{number}" for number in range(1999)),
    "2,001 words": " ".join(f"word{number}" for number in range(2001)),
    "quotes": '"' * 100_000,
    "quoted": '"a b" ' * 600,
    "quoted without end": '"a ' * 900,
    "typographic quotes": "“" * 50_000 + "x" + "”" * 50_000,
    "marks": "a-" * 1000,
    "marks alone": "-" * 100_000,
    "spaces": " " * 99_999 + "a",
    "emoji": "\U0001f989" * 25_000,
    "accents": "e" + "\u0301" * 100_000,
    "brackets": "(" * 50_000 + ")" * 50_000,
    "NULs": "\0" * 100_000 + "a",
    "lines": "\n" * 100_000 + "owl",
    "a long phrase": '"' + "owl " * 1900 + '"',
    "one chunk": "owl." * 1900,
    "syntax": "NEAR(a b, 2) AND title:owl* OR ^x NOT {title body}: y " * 150,
}

# The others take the encoder half a minute each.
FEW_TOKENS = ("a word", "words", "2,001 words", "spaces", "emoji", "accents", "NULs", "lines")

EXPRESSION_BOMBS = {
    "spaces": "year" + " " * 100_000,
    "spaces before": " " * 100_000 + "year",
    "spaces and words": "year " * 20_000,
    "a key": "k" * 100_000,
    "in": "a in " * 20_000,
    "exists": "a exists " * 10_000,
    "equals": "=" * 100_000,
    "key and equals": "a" + "=" * 100_000,
    "commas": "a in " + "," * 100_000,
    "a list": "a in " + ",".join(map(str, range(50_000))),
    "lines": "a\n" * 50_000 + "=1",
    "quotes": "a=" + '"' * 100_000,
    "digits": "a=" + "9" * 100_000,
    "decimals": "a=0." + "9" * 100_000,
    "spaces then in": "a" + " \t\n" * 30_000 + "i",
}

Dump = dict[str, list[Any]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Iterator[Library]:
    with Library(tmp_path_factory.mktemp("fuzz") / "a.nest", encoder=encoder) as made:
        values = [
            {"year": 2020},
            {"year": 1.5, "lang": "en"},
            {"draft": True},
            {"lang": "de", "x": None},
            {"a b=c": "'"},
        ]
        made.add(
            Document(one.id, one.text, one.title, values[number % len(values)])
            for number, one in enumerate(demo_documents())
        )
        yield made


@pytest.fixture(scope="module", autouse=True)
def unchanged(library: Library) -> Iterator[None]:
    """The file has after all tests of this module what it had before, row for row."""
    before = dump(library.path)
    assert before["documents"]
    assert before["full_text_data"]
    yield
    assert dump(library.path) == before
    assert library.problems(full=True) == []


def dump(path: Path) -> Dump:
    """Every row of every table, and what makes the tables."""
    with sqlite3.connect(path) as db:
        made = db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
        tables = [name for kind, name, sql in made if kind == "table" and "VIRTUAL" not in sql]
        return {"": made} | {name: db.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables}


def answered(ask: Callable[[], list[Hit]]) -> str:
    """How a question ended: in hits or an error of ours, said in one line; raises for anything else."""
    try:
        hits = ask()
    except ALLOWED as error:
        assert str(error)
        assert not isinstance(error, UnicodeError)
        assert type(error).__module__ in ("builtins", "nestling.errors")
        return type(error).__name__
    assert all(isinstance(hit, Hit) and hit.text for hit in hits)
    return "hits"


texts = st.lists(st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=()), max_size=8), max_size=12).map(
    "".join
)
keys = st.sampled_from(["year", "lang", "draft", "x", "a b=c", "", "'", '"', "\0", "\ud800", "name = name; --"]) | texts
scalars = (
    texts
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.booleans()
    | st.none()
    | st.dates()
    | st.datetimes()
    | st.binary(max_size=4)
    | st.decimals()
    | st.complex_numbers()
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(st.sampled_from([*filters.OPERATORS, "==", "", "IN", None, 1, "LIKE"]), inner)
        | st.dictionaries(texts, inner, max_size=2)
        | st.tuples(inner, inner, inner)
    ),
    max_leaves=6,
)
seeded = settings(
    max_examples=CASES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@seeded
@given(query=texts, mode=st.sampled_from(["hybrid", "lexical", "dense"]), by=st.sampled_from(["document", "passage"]))
def test_any_query_is_answered_or_refused(library: Library, query: str, mode: Any, by: Any) -> None:
    assert answered(lambda: library.search(query, 3, mode=mode, by=by)) in ("hits", "QueryError")


@seeded
@given(expressions=st.lists(texts | st.tuples(keys, st.sampled_from(PIECES), texts).map("".join), max_size=3))
def test_any_filter_that_is_typed_is_applied_or_refused(library: Library, expressions: list[str]) -> None:
    ended = answered(lambda: library.search("owls at night", 3, mode="lexical", where=conditions.parse(expressions)))
    assert ended in ("hits", "QueryError")


@seeded
@given(where=st.dictionaries(keys | st.integers() | st.none(), values, max_size=3) | values)
def test_any_filter_that_is_built_is_applied_or_refused(library: Library, where: Any) -> None:
    assert answered(lambda: library.search("owls at night", 3, mode="lexical", where=where)) in ("hits", "QueryError")


@seeded
@given(expressions=st.lists(st.tuples(keys, st.sampled_from([*filters.OPERATORS, "in", "exists"]), texts), max_size=2))
def test_filters_narrow_the_meaning_half_as_well(library: Library, expressions: list[tuple[str, str, str]]) -> None:
    def ask() -> list[Hit]:
        where = conditions.parse([f"{key} {operator} {value}" for key, operator, value in expressions])
        return library.search("owls at night", 3, where=where)

    assert answered(ask) in ("hits", "QueryError")


@pytest.mark.parametrize("k", [0, -1, True, 1.5, "3", None, 10**30, [1]])
@pytest.mark.parametrize("query", [b"owls", None, 7, ["owls"], "", " \n", "\0", "\ud800"])
def test_what_is_no_question_is_refused(library: Library, query: Any, k: Any) -> None:
    assert answered(lambda: library.search(query, k)) != "hits" or (query == "\0" and k == 10**30)


@pytest.mark.parametrize("k", [10**6, 2**63, 10**30])
def test_more_answers_than_there_are_gives_all(library: Library, k: int) -> None:
    assert len(library.search("owls", k)) == len(library)


@pytest.mark.parametrize("mode", ["hybrid", "lexical"])
@pytest.mark.parametrize("name", LONG)
def test_a_long_query_is_answered_or_refused(library: Library, name: str, mode: Any) -> None:
    query = LONG[name] if mode == "lexical" or name in FEW_TOKENS else LONG[name][:5000]
    assert answered(lambda: library.search(query, 3, mode=mode)) in ("hits", "QueryError")


@pytest.mark.parametrize("name", EXPRESSION_BOMBS)
def test_a_long_filter_is_applied_or_refused(library: Library, name: str) -> None:
    def ask() -> list[Hit]:
        return library.search("owls", 3, mode="lexical", where=conditions.parse([EXPRESSION_BOMBS[name]]))

    assert answered(ask) in ("hits", "QueryError")


def test_many_conditions_are_applied_or_refused(library: Library) -> None:
    for count in (1, filters.MAX_CONDITIONS, filters.MAX_CONDITIONS + 1, 5000):
        where = {f"key{number}": ("in", list(range(number % 7))) for number in range(count)}
        ended = answered(lambda where=where: library.search("owls", 3, where=where))  # type: ignore[misc]
        assert ended == ("hits" if count <= filters.MAX_CONDITIONS else "QueryError")
    assert answered(lambda: library.search("owls", 3, where={"year": ("in", list(range(200_000)))})) == "hits"


def asked_in_a_terminal() -> list[list[str]]:
    """Questions and filters that an operating system takes as arguments: text without NUL."""
    drawn = random.Random(3)
    pieces = [
        piece for piece in PIECES if "\0" not in piece and not any("\ud800" <= char <= "\udfff" for char in piece)
    ]
    asked = [[" ".join(drawn.sample(pieces, 5))] for _ in range(5)]
    asked += [["owls", "--where", "".join(drawn.sample(pieces, 3))] for _ in range(5)]
    return [
        *asked,
        ["\udcff\udcfe owls"],
        ["owls", "--where", "lang=\udcff"],
        ["'; DROP TABLE documents; --", "-k", "99999999999999999999"],
        ["owl " * 2500],
        ["-1 OR 1=1"],
        ["owls", "-k", "0"],
    ]


@pytest.mark.parametrize("arguments", asked_in_a_terminal())
def test_the_command_line_answers_or_says_why_not(library: Library, nestling: Run, arguments: list[str]) -> None:
    done = nestling("search", library.path, *arguments)
    assert done.returncode in (0, 1, 2), done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == 0 or done.stderr.strip()
