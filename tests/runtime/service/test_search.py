from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest
from services import Service, library_at, serving

from nestling import Document, Library

from .conftest import LETTERS, NOTES


def test_it_answers_what_the_library_answers(service: Service, tmp_path: Path) -> None:
    path = library_at(tmp_path / "same.nest", NOTES)
    asked = {"q": "when do owls sleep?", "k": 2, "where": ["year>=2020", "year<2024"]}
    found = service.ask("GET", "/api/search", query=asked).json
    with Library(path) as library:
        expected = library.search("when do owls sleep?", 2, where={"year": [(">=", 2020), ("<", 2024)]})
    hits = [asdict(hit) | {"marks": [list(mark) for mark in hit.marks], "copies": []} for hit in expected]
    assert found["hits"] == hits
    assert found["took_ms"] > 0


def test_each_library_has_a_name(service: Service) -> None:
    listed = service.ask("GET", "/api/libraries").json["libraries"]
    assert [(one["name"], one["documents"]) for one in listed] == [("notes", 3), ("letters", 1)]
    found = service.ask("GET", "/api/search", query={"q": "rent", "library": "letters"}).json["hits"]
    assert [hit["id"] for hit in found] == ["letter"]


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        ({}, 400, "q is missing, expected a text"),
        ({"q": " "}, 400, "the query is empty; give a question or a few words"),
        ({"q": "owls", "k": "0"}, 400, "k is 0, expected a whole number from 1 to 1000"),
        ({"q": "owls", "k": "9" * 5000}, 400, f"k is {'9' * 60}, expected a whole number from 1 to 1000"),
        ({"q": "owls", "mode": "x"}, 400, "mode is 'x', expected one of hybrid, dense, lexical"),
        ({"q": "owls", "by": "x"}, 400, "by is 'x', expected one of document, passage"),
        ({"q": "owls", "library": "x"}, 404, "there is no library 'x', expected one of notes, letters"),
    ],
)
def test_a_question_that_is_none_is_refused(
    service: Service, query: dict[str, str], status: int, sentence: str
) -> None:
    answer = service.ask("GET", "/api/search", query=query)
    assert (answer.status, answer.json) == (status, {"error": sentence})


def test_a_filter_that_is_none_is_refused(service: Service) -> None:
    answer = service.ask("GET", "/api/search", query={"q": "owls", "where": "(year>=2020"})
    assert answer.status == 400
    assert answer.json["error"]


def test_what_is_nowhere_is_not_found(service: Service) -> None:
    answer = service.ask("GET", "/api/nothing")
    assert (answer.status, answer.json) == (404, {"error": "there is nothing at /api/nothing"})
    answer = service.ask("DELETE", "/api/search")
    assert (answer.status, answer.json) == (405, {"error": "DELETE is not for this address"})


def test_many_at_once_are_each_given_their_own_answer(tmp_path: Path) -> None:
    words = ["owls", "burns", "rent", "amoxicillin"]
    with serving(library_at(tmp_path / "all.nest", [*NOTES, *LETTERS])) as running:
        asked = [words[number % 4] for number in range(200)]
        with ThreadPoolExecutor(32) as pool:
            found = list(pool.map(lambda word: running.ask("GET", "/api/search", query={"q": word}).json, asked))
    expected = {"owls": "owls", "burns": "burns", "rent": "letter", "amoxicillin": "amoxicillin"}
    assert [one["hits"][0]["id"] for one in found] == [expected[word] for word in asked]


def test_documents_are_added_read_and_removed(tmp_path: Path) -> None:
    with serving(library_at(tmp_path / "notes.nest", NOTES)) as running:
        new = {"id": "a/b?c", "text": "<script>alert(1)</script> bees dance", "title": "Bees", "metadata": {"year": 1}}
        added = running.ask("POST", "/api/documents", {"documents": [new]})
        assert (added.status, added.json["added"]) == (200, 1)
        read = running.ask("GET", "/api/documents", query={"id": "a/b?c"})
        assert read.json == {**new, "source": ""}
        assert read.headers["content-type"] == "application/json"
        assert running.ask("GET", "/api/search", query={"q": "bees"}).json["hits"][0]["id"] == "a/b?c"
        assert running.ask("DELETE", "/api/documents", query={"id": "a/b?c"}).json["removed"] == 1
        gone = running.ask("GET", "/api/documents", query={"id": "a/b?c"})
        assert (gone.status, gone.json) == (404, {"error": "there is no document 'a/b?c' in the library"})
        gone = running.ask("DELETE", "/api/documents", query={"id": ["owls", "a/b?c"]})
        assert gone.json == {"error": "there is no document 'a/b?c' in the library; nothing was removed"}
        assert running.ask("GET", "/api/documents", query={"id": "owls"}).status == 200


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "the body is no JSON; send an object"),
        (b"[" * 100_000, "the body is no JSON; send an object"),
        (b"\xff", "the body is no JSON; send an object"),
        ([], "the body is a list, expected an object"),
        ({}, "documents is missing, expected a list of objects with id and text"),
        ({"documents": []}, "documents is missing, expected a list of objects with id and text"),
        (
            {"documents": [{"id": "a"}]},
            "document 0 is no object with id, text, and nothing but id, text, title, metadata, source",
        ),
        (
            {"documents": [{"id": "a", "text": "b", "x": 1}]},
            "document 0 is no object with id, text, and nothing but id, text, title, metadata, source",
        ),
        (
            {"documents": [{"id": "", "text": "b"}]},
            "document 0: a document's id is empty, expected a name that is unique in the library",
        ),
        ({"documents": [{"id": "a", "text": 1}]}, "document 0: document 'a': text is int, expected str"),
    ],
)
def test_documents_that_are_none_are_refused(service: Service, body: object, sentence: str) -> None:
    answer = service.ask("POST", "/api/documents", body)
    assert (answer.status, answer.json) == (400, {"error": sentence})


def test_two_documents_of_one_id_are_refused_and_nothing_is_added(service: Service) -> None:
    twice = [asdict(Document("twice", "a")), asdict(Document("twice", "b"))]
    answer = service.ask("POST", "/api/documents", {"documents": twice})
    assert answer.status == 400
    assert "twice" in answer.json["error"]
    assert service.ask("GET", "/api/documents", query={"id": "twice"}).status == 404
