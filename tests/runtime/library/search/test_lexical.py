from __future__ import annotations

import re
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nestling.library.search.lexical import affordable, any_of, has_code, is_name, terms
from nestling.library.store.words import TOKENIZER

TERM = re.compile(r'"\w+( \w+)*"( \*)?')
TEXTS = ["the code CR-7891234 was entered", "CR 99 and 7891234 apart", "owls hunt at night", "to be or not to be"]


@pytest.fixture(scope="module")
def table() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.execute(f'CREATE VIRTUAL TABLE t USING fts5 (body, tokenize = "{TOKENIZER}")')
    db.executemany("INSERT INTO t (rowid, body) VALUES (?, ?)", enumerate(TEXTS))
    return db


def found(table: sqlite3.Connection, query: str) -> list[int]:
    match = any_of(terms(query))
    if not match:
        return []
    return [row[0] for row in table.execute("SELECT rowid FROM t WHERE t MATCH ? ORDER BY bm25(t)", (match,))]


@settings(max_examples=300, derandomize=True, deadline=None)
@given(query=st.text(max_size=40))
def test_sqlite_reads_the_expression_of_any_text(table: sqlite3.Connection, query: str) -> None:
    found(table, query)
    for term in terms(query):
        table.execute("SELECT rowid FROM t WHERE t MATCH ?", (term,)).fetchall()


@pytest.mark.parametrize("query", ['" OR 1', "a* NEAR(b c)", "body:owls", "^owls", "{a b} AND NOT", "owls\0", "'; --"])
def test_syntax_is_only_words(table: sqlite3.Connection, query: str) -> None:
    found(table, query)
    assert all(TERM.fullmatch(term) for term in terms(query))


def test_any_word_may_match(table: sqlite3.Connection) -> None:
    assert found(table, "what do OWLS eat?") == [2]
    assert terms("What do owls eat?") == ['"owls"', '"eat"']
    assert any_of(terms("What do owls eat?")) == '"owls" OR "eat"'


def test_an_exact_code_comes_before_its_parts(table: sqlite3.Connection) -> None:
    assert terms("CR-7891234") == ['"cr"', '"7891234"', '"cr 7891234"']
    assert found(table, "CR-7891234") == [0, 1]


def test_a_quoted_phrase_is_one_more_term() -> None:
    assert terms('"barn owl" night') == ['"barn"', '"owl"', '"night"', '"barn owl"']


def test_words_without_content_stay_where_there_are_no_others(table: sqlite3.Connection) -> None:
    assert terms("to be or not to be") == ['"not"']
    assert terms("who are you") == ['"who"', '"are"', '"you"']
    assert found(table, "To be or to be?") == [3]


def test_a_word_twice_is_one_term() -> None:
    assert terms("owl owl Owl") == ['"owl"']


@pytest.mark.parametrize("query", ["", "  ", "?!", "—", '""'])
def test_no_word_is_no_expression(query: str) -> None:
    assert terms(query) == []
    assert any_of([]) == ""


COUNTS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 30), max_size=8)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(COUNTS, st.integers(1, 40))
def test_the_rarest_terms_are_kept_as_long_as_they_can_be_afforded(counts: dict[str, int], budget: int) -> None:
    known = {term: min(count, budget) for term, count in counts.items()}
    kept = list(affordable(list(counts), lambda term, most: min(counts[term], most), budget))
    assert kept == [term for term in counts if term in kept]
    assert any(counts[term] for term in kept) == any(counts.values())
    assert sum(known[term] for term in kept) <= budget or sum(known[term] > 0 for term in kept) == 1
    if left := [count for term, count in known.items() if term not in kept]:
        assert max(known[term] for term in kept) <= min(left)
        assert sum(known[term] for term in kept) + min(left) > budget


def test_all_terms_are_kept_where_they_match_little(table: sqlite3.Connection) -> None:
    def matching(term: str, most: int) -> int:
        found = table.execute("SELECT 1 FROM t WHERE t MATCH ? LIMIT ?", (term, most)).fetchall()
        return len(found)

    assert list(affordable(terms("owls and CR-7891234"), matching, 9)) == terms("owls and CR-7891234")
    assert affordable(terms("owls cr entered"), matching, 2) == {'"owls"': 1, '"entered"': 1}
    assert affordable([], matching, 2) == {}


@pytest.mark.parametrize(
    "query", ["owl", "T63.4", "CR 7891234", "type 2", "+41 44 268 12 03", '"barn owl"', "鸮形目", "ISO 14971"]
)
def test_a_word_a_code_or_a_quoted_phrase_is_a_name(query: str) -> None:
    assert is_name(query)


@pytest.mark.parametrize(
    "query", ["barn owl", "the 5 best", "in 2020", "2020年世界杯足球赛的冠军是谁", "ticket CR-7891342 printer", ""]
)
def test_a_question_is_no_name(query: str) -> None:
    assert not is_name(query)


NUMBERS = [
    "music of the 1990s", "over 10,000 people", "$1000 laptop", "100% cotton", "1914–1918 war causes", "500mg a day",
    "what happened in 1848-49", "2019-2020 season", "2020年世界杯足球赛的冠军是谁", "the 12:30 train", "1,000,000 owls",
]  # fmt: skip


def test_a_code_among_other_words_is_seen() -> None:
    assert all(
        map(
            has_code,
            [
                "ticket CR-7891342",
                "code (t63.44)",
                "sheet for CAS 67-56-1?",
                "error 0x80070070",
                "version 3.10.2 fails",
            ],
        )
    )
    assert not any(map(has_code, ["owls in 2020", "vitamin B12", "IL-6 and p53", "born 1999.", "", *NUMBERS]))
