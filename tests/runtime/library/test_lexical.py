from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nestling.library.lexical import match_expression

TEXTS = ["the code CR-7891234 was entered", "CR 99 and 7891234 apart", "owls hunt at night", "to be or not to be"]


@pytest.fixture(scope="module")
def table() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE t USING fts5 (body, tokenize = 'porter unicode61 remove_diacritics 2')")
    db.executemany("INSERT INTO t (rowid, body) VALUES (?, ?)", enumerate(TEXTS))
    return db


def found(table: sqlite3.Connection, query: str) -> list[int]:
    match = match_expression(query)
    if not match:
        return []
    return [row[0] for row in table.execute("SELECT rowid FROM t WHERE t MATCH ? ORDER BY bm25(t)", (match,))]


@settings(max_examples=300, derandomize=True, deadline=None)
@given(query=st.text(max_size=40))
def test_sqlite_reads_the_expression_of_any_text(table: sqlite3.Connection, query: str) -> None:
    found(table, query)


@pytest.mark.parametrize("query", ['" OR 1', "a* NEAR(b c)", "body:owls", "^owls", "{a b} AND NOT", "owls\0", "'; --"])
def test_syntax_is_only_words(table: sqlite3.Connection, query: str) -> None:
    found(table, query)
    assert "*" not in match_expression(query)


def test_any_word_may_match(table: sqlite3.Connection) -> None:
    assert found(table, "what do OWLS eat?") == [2]
    assert match_expression("What do owls eat?") == '"owls" OR "eat"'


def test_an_exact_code_comes_before_its_parts(table: sqlite3.Connection) -> None:
    assert match_expression("CR-7891234") == '"cr" OR "7891234" OR "cr 7891234"'
    assert found(table, "CR-7891234") == [0, 1]


def test_a_quoted_phrase_is_one_more_term() -> None:
    assert match_expression('"barn owl" night') == '"barn" OR "owl" OR "night" OR "barn owl"'


def test_words_without_content_stay_where_there_are_no_others(table: sqlite3.Connection) -> None:
    assert match_expression("to be or not to be") == '"not"'
    assert match_expression("who are you") == '"who" OR "are" OR "you"'
    assert found(table, "To be or to be?") == [3]


def test_a_word_twice_is_one_term() -> None:
    assert match_expression("owl owl Owl") == '"owl"'


@pytest.mark.parametrize("query", ["", "  ", "?!", "—", '""'])
def test_no_word_is_no_expression(query: str) -> None:
    assert match_expression(query) == ""
