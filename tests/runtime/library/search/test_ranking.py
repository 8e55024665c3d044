from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import pytest

from nestling import Document, Encoder, Hit, Library
from nestling.demo import demo_documents
from nestling.errors import QueryError
from nestling.library.search import bit_cache, ranking
from nestling.library.search.query import question
from nestling.library.store.database import Database
from stored import OWL, opened, passage_keys, told


def ids(library: Library, query: str, **options: Any) -> list[str]:
    return [hit.id for hit in library.search(query, **options)]


def test_documents_are_found_by_meaning_and_by_words(library: Library) -> None:
    assert ids(library, "a bird that is awake in the dark", k=1) == ["owl"]
    assert ids(library, "a bird that is awake in the dark", k=1, mode="dense") == ["owl"]
    assert ids(library, "E24", k=1) == ["fridge"]
    assert ids(library, "E24", mode="lexical") == ["fridge"]
    assert ids(library, "awake", mode="lexical") == []


def test_a_hit_says_what_it_is(library: Library) -> None:
    (hit,) = library.search("owls", k=1)
    assert (hit.id, hit.title, hit.text, hit.source) == ("owl", "Owls", OWL.text, "")
    assert hit.metadata == {"year": 2024, "kind": "bird"}
    assert (hit.passage, hit.dense_rank, hit.lexical_rank) == (0, 1, 1)
    assert 0.2 < hit.score <= 1


def test_ranks_tell_which_half_found_a_document(library: Library) -> None:
    hits = {hit.id: hit for hit in library.search("E24 birds")}
    by_meaning = [hit.id for hit in library.search("E24 birds", mode="dense")]
    assert (hits["fridge"].lexical_rank, hits["owl"].lexical_rank) == (1, None)
    assert hits["owl"].dense_rank == by_meaning.index("owl") + 1
    assert all(hit.lexical_rank is None for hit in library.search("owls", mode="dense"))
    assert all(hit.dense_rank is None for hit in library.search("owls", mode="lexical"))


def test_a_filter_is_applied_before_ranking(demo: Library) -> None:
    topic = {"topic": "nature"}
    for mode in ("dense", "hybrid"):
        hits = demo.search("burns", k=50, mode=mode, where=topic)
        assert len(hits) == sum(document.metadata["topic"] == "nature" for document in demo_documents())
        assert {hit.metadata["topic"] for hit in hits} == {"nature"}
    recent = [d.id for d in demo_documents() if d.metadata["year"] > 2023 and re.search(r"\bwater", d.text + d.title)]
    assert len(recent) > 1
    hits = demo.search("water", k=50, mode="lexical", where={"year": (">", 2023)})
    assert sorted(hit.id for hit in hits) == sorted(recent)
    assert demo.search("burns", where={"topic": "none"}) == []


def test_one_hit_a_document_or_one_a_passage(library: Library) -> None:
    library.add([Document("long", "Owls are silent. " * 150)])
    by_passage = library.search("silent owls", k=20, by="passage")
    by_document = library.search("silent owls", k=20)
    assert sum(hit.id == "long" for hit in by_passage) >= 3
    assert sum(hit.id == "long" for hit in by_document) == 1
    best = next(hit for hit in by_passage if hit.id == "long")
    assert by_document[0].passage == best.passage


def test_a_sentence_at_the_end_of_a_long_document_is_found(library: Library) -> None:
    filler = "The committee met on Tuesday and spoke about the budget of the coming year. " * 250
    library.add(
        [Document("minutes", filler + "Finally somebody reported that the aquarium had leaked onto the carpet.")]
    )
    (hit,) = library.search("a leaking aquarium wetted the carpet", k=1, mode="dense")
    assert hit.id == "minutes"
    assert "aquarium" in hit.text
    assert hit.passage > 10


def test_many_documents_behind_one_with_many_passages_are_still_found(library: Library) -> None:
    library.add([Document("huge", "Owls hunt at night. " * 14_000)])
    assert len(passage_keys(library.path)) > 400
    assert set(ids(library, "owls hunt at night", k=4)) == {"huge", "owl", "burn", "fridge"}


def test_more_hits_than_documents_are_all(library: Library) -> None:
    assert len(library.search("owls", k=99)) == 3
    assert len(library.search("owls", k=2)) == 2


def test_a_query_longer_than_the_encoder_reads_is_read_whole(demo: Library) -> None:
    tail = " nest of a bird of prey that hunts mice by its hearing" * 20
    assert demo.search("budget meeting " * 30 + tail, k=1, mode="dense")[0].id == "barn-owl"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """More passages than there are candidates before the last rescoring, by a width that encodes thousands a second."""
    random, words = Random(0), sorted({word for document in demo_documents() for word in document.text.split()})
    documents = [Document(str(number), " ".join(random.choices(words, k=20))) for number in range(8000)]
    with Library(tmp_path_factory.mktemp("many") / "many.nest", document_width="static") as library:
        library.add(documents)
        yield library


def fine_codes_read(library: Library, query: str, *, exact: bool) -> tuple[list[Hit], int]:
    """The hits of a search by meaning, and how many fine codes were read for it."""
    asked = question(query, 10, "dense", None, "document", exact, lambda: library.encoder)
    read: list[int] = []
    db = Database(library.path, create=False)
    with db.reading():
        bits = bit_cache.current(db, library.dim, None)
        db.trace(lambda sql: read.append(sql.count(",")) if "FROM fine" in sql else None)
        hits = ranking.rank(db, bits, asked)
        db.trace(None)
    db.close()
    return hits, sum(read)


def test_of_many_passages_some_are_rescored_and_the_hits_are_those_of_all(many: Library) -> None:
    queries = [document.text[:60] for document in demo_documents()][:12]
    same = 0
    for query in queries:
        exact, all_read = fine_codes_read(many, query, exact=True)
        cascade, some_read = fine_codes_read(many, query, exact=False)
        assert all_read >= 8000 >= 10 * some_read > 0
        assert [hit.id for hit in exact] == [hit.id for hit in many.search(query, mode="dense", exact=True)]
        assert [hit.id for hit in cascade] == [hit.id for hit in many.search(query, mode="dense")]
        same += len({hit.id for hit in exact} & {hit.id for hit in cascade})
    assert same >= 0.97 * 10 * len(queries)


def test_exact_search_rescores_everything_and_another_what_is_near_by_its_bits(
    tmp_path: Path, encoder: Encoder
) -> None:
    query = told(0, version=7).text
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.add([told(number) for number in range(1500)], width="static")  # more than are rescored
        exact = ids(library, query, k=1500, mode="dense", exact=True)
        assert ids(library, query, k=10, mode="dense") == exact[:10]
        key_of = "(SELECT passages.key FROM passages JOIN documents ON documents.key = document WHERE id = ?)"
        with opened(library.path) as db:  # the farthest by its bits is given the fine code of the nearest
            code_of = f"(SELECT code FROM fine WHERE key = {key_of})"
            db.execute(f"UPDATE fine SET code = {code_of} WHERE key = {key_of}", (exact[0], exact[-1]))
        assert set(ids(library, query, k=2, mode="dense", exact=True)) == {exact[0], exact[-1]}
        assert ids(library, query, k=10, mode="dense") == exact[:10]


@pytest.mark.parametrize(
    ("query", "options", "error", "message"),
    [
        ("", {}, QueryError, "the query is empty; give a question or a few words"),
        (" \n", {}, QueryError, "the query is empty; give a question or a few words"),
        ("w " * 2001, {}, QueryError, "the query has 2001 words, at most 2000 are searched; shorten it"),
        (None, {}, TypeError, "query is NoneType, expected str"),
        ("q", {"k": 0}, QueryError, "k is 0, expected a whole number of 1 or more"),
        ("q", {"k": True}, QueryError, "k is True, expected a whole number of 1 or more"),
        ("q", {"k": 2.0}, QueryError, "k is 2.0, expected a whole number of 1 or more"),
        ("q", {"mode": "magic"}, QueryError, "mode is 'magic', expected one of hybrid, dense, lexical"),
        ("q", {"by": "page"}, QueryError, "by is 'page', expected one of document, passage"),
        ("q", {"where": {"x": ("~", 1)}}, QueryError, "unknown operator '~' for 'x', expected one of"),
        ("a\ud800", {}, QueryError, "the query holds a lone surrogate at 1; remove it"),
    ],
)
def test_a_query_that_cannot_be_answered_says_why(
    library: Library, query: Any, options: dict[str, Any], error: type, message: str
) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        library.search(query, **options)


@pytest.mark.parametrize("query", ["?!", "\0", '"', "* OR", "😀", "';--", "NEAR(", "a" * 5000])
@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_odd_queries_are_answered(library: Library, query: str, mode: Any) -> None:
    hits = library.search(query, mode=mode)
    assert len(hits) == (0 if mode == "lexical" else 3)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Iterator[Library]:
    """Many documents near to "owls at night" and three that are far from it; tests only read it."""
    near = [Document(f"near{n}", f"Owl number {n} hunts at night.", metadata={"kind": "near"}) for n in range(600)]
    far = [Document(f"far{n}", text, metadata={"kind": "far"}) for n, text in enumerate(FAR)]
    with Library(tmp_path_factory.mktemp("crowd") / "crowd.nest", encoder=encoder) as library:
        library.add([*near, *far])
        yield library


FAR = ("Compound interest grows a debt.", "Tighten the bolt with a wrench.", "The senate voted on a tariff.")


@pytest.mark.parametrize("mode", ["dense", "hybrid"])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 10, 1000])
def test_few_that_match_a_filter_are_all_found_however_far_they_are(crowd: Library, mode: Any, k: int) -> None:
    hits = crowd.search("owls at night", k=k, mode=mode, where={"kind": "far"})
    assert len(hits) == min(k, 3)
    assert {hit.id for hit in hits} <= {"far0", "far1", "far2"}
    assert [hit.dense_rank for hit in hits] == [1, 2, 3][:k]


def test_ranks_and_scores_go_down_the_list(crowd: Library) -> None:
    dense = crowd.search("owls at night", k=40, mode="dense")
    assert [hit.dense_rank for hit in dense] == list(range(1, 41))
    words = crowd.search("number 17 owl", k=40, mode="lexical")
    assert words[0].id == "near17"
    better = [sum(other.score > hit.score for other in words) for hit in words]
    assert [hit.lexical_rank for hit in words] == [1 + count for count in better]
    assert len(set(better)) < len(better)  # equal scores have one rank
    for hits in (dense, words, crowd.search("number 17 owl", k=40)):
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert len({hit.id for hit in hits}) == 40


@pytest.mark.parametrize("mode", ["dense", "hybrid"])
@pytest.mark.parametrize("by", ["document", "passage"])
@pytest.mark.parametrize("k", [602, 603, 604, 5000])
def test_k_about_the_size_of_the_collection_gives_all_once(crowd: Library, mode: Any, by: Any, k: int) -> None:
    hits = crowd.search("owls at night", k=k, mode=mode, by=by)
    assert len({hit.id for hit in hits}) == len(hits) == min(k, 603)


@pytest.mark.parametrize("k", [10**12, 2**62])
@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_any_k_is_only_a_limit(library: Library, mode: Any, k: int) -> None:
    assert len(library.search("owls burn error", k=k, mode=mode)) == 3


def test_a_lone_surrogate_at_the_begin_of_a_query_is_refused_too(library: Library) -> None:
    with pytest.raises(QueryError, match=r"^the query holds a lone surrogate at 0; remove it$"):
        library.search("\ud800owls")


def test_a_query_of_as_many_words_as_are_read_is_answered(library: Library) -> None:
    assert ids(library, " ".join(f"w{n}" for n in range(1999)) + " E24", mode="lexical") == ["fridge"]


def test_twins_are_in_one_order_whatever_the_order_of_adding(tmp_path: Path, encoder: Encoder) -> None:
    twins = [Document(id, "Owls hunt at night.") for id in "ab"]
    found = []
    for number, documents in enumerate((twins, twins[::-1])):
        with Library(tmp_path / f"{number}.nest", encoder=encoder) as library:
            library.add(documents)
            found.append([(hit.id, hit.score) for hit in library.search("owls")])
    assert found[0] == found[1]


@pytest.mark.parametrize("history", ["backwards", "changed", "removed"])
def test_results_do_not_depend_on_what_was_there_before(
    tmp_path: Path, encoder: Encoder, demo: Library, history: str
) -> None:
    documents = demo_documents()
    with Library(tmp_path / "b.nest", encoder=encoder) as library:
        if history == "changed":
            library.add([replace(document, text=f"Draft. {document.text[:80]}") for document in documents[::3]])
        if history == "removed":
            library.add([replace(document, id=f"old {document.id}") for document in documents[::4]])
            library.remove([f"old {document.id}" for document in documents[::4]])
        library.add(documents[::-1] if history == "backwards" else documents)
        for mode in ("hybrid", "dense", "lexical"):
            for query in ("how do I treat a burn", "animals in winter", "error code"):
                for by in ("document", "passage"):
                    mine, theirs = (one.search(query, k=20, mode=mode, by=by) for one in (library, demo))  # type: ignore[arg-type]
                    assert [(hit.id, hit.score, hit.text) for hit in mine] == [
                        (hit.id, hit.score, hit.text) for hit in theirs
                    ]


def test_the_order_of_adding_does_not_matter(tmp_path: Path, encoder: Encoder, demo: Library) -> None:
    with Library(tmp_path / "b.nest", encoder=encoder) as backwards:
        for document in reversed(demo_documents()):
            backwards.add([document])
        for query in ("how do I treat a burn", "animals in winter", "error code"):
            mine = [(hit.id, hit.score, hit.text) for hit in backwards.search(query)]
            assert mine == [(hit.id, hit.score, hit.text) for hit in demo.search(query)]


def test_a_hit_shows_the_part_of_its_text_that_answers(library: Library) -> None:
    filler = "The committee met on Tuesday and spoke about the budget. " * 8
    library.add([Document("minutes", filler + "An aquarium had leaked onto the carpets. " + filler)])
    (hit,) = library.search("aquarium carpet", k=1)
    assert [hit.text[start:stop] for start, stop in hit.marks] == ["aquarium", "carpets"]
    assert "An **aquarium** had leaked onto the **carpets**." in hit.snippet
    assert len(hit.snippet) < len(hit.text)
    (hit,) = library.search("aquarium carpet", k=1, mode="dense")
    assert (hit.id, hit.marks) == ("minutes", ())


def test_words_are_marked_by_their_stems_and_without_accents(library: Library) -> None:
    library.add([Document("cafe", "Two cafés were hunting for naïve owls \ufdd0.", "Hunt")])
    hits = {hit.id: hit for hit in library.search("café owl hunts", mode="lexical")}
    assert [hits["owl"].text[start:stop] for start, stop in hits["owl"].marks] == ["Owls", "hunt"]
    assert [hits["cafe"].text[start:stop] for start, stop in hits["cafe"].marks] == ["cafés", "hunting", "owls"]
    library.add([Document("cafe", "Two cafés were hunting for naïve owls.", "Hunt")])
    hits = {hit.id: hit for hit in library.search("CAFE owl hunts", mode="lexical")}
    assert hits["cafe"].snippet == "Two **cafés** were **hunting** for naïve **owls**."


def test_filters_and_dates_pick_documents_in_every_mode(library: Library) -> None:
    days = {"new": date(2024, 5, 2), "old": date(1999, 1, 1)}
    library.add([Document(id, "An owl hunts at night.", metadata={"day": day}) for id, day in days.items()])
    for mode in ("hybrid", "dense", "lexical"):
        assert ids(library, "owl", mode=mode, where={"day": (">", date(2020, 1, 1))}) == ["new"]
        assert ids(library, "owl", mode=mode, where={"day": ("in", [date(1999, 1, 1)])}) == ["old"]


def test_the_head_of_a_longer_list_is_the_shorter_one(many: Library) -> None:
    for query in [document.text[:60] for document in demo_documents()][:6]:
        for mode, by in (("hybrid", "document"), ("dense", "document"), ("lexical", "document"), ("hybrid", "passage")):
            options: dict[str, Any] = {"mode": mode, "by": by}
            longest = many.search(query, k=1000, **options)
            assert len({hit.id for hit in longest}) == len(longest) > 300
            assert all(one.score >= other.score for one, other in pairwise(longest))
            for k in (1, 10, 99, 100, 101, 150, 400, 401):
                assert many.search(query, k=k, **options) == longest[:k]


def test_searches_from_many_threads_are_those_of_one(many: Library) -> None:
    queries = [document.text[:60] for document in demo_documents()][:8]
    alone = [many.search(query) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(many.search, queries * 4)) == alone * 4


def test_searches_while_another_thread_changes_the_library_see_one_state_or_the_next(
    tmp_path: Path, encoder: Encoder
) -> None:
    texts = ["Owls hunt at night.", "The owl sleeps by day."]
    with Library(tmp_path / "a.nest", encoder=encoder) as library, ThreadPoolExecutor(4) as pool:
        library.add([Document(f"owl {number}", texts[0]) for number in range(20)])
        stop = Event()

        def search(_: int) -> set[tuple[str, ...]]:
            seen = set()
            while not stop.is_set():
                seen.add(tuple(hit.text for hit in library.search("owl", k=20)))
            return seen

        searching = [pool.submit(search, number) for number in range(3)]
        for version in range(30):
            library.add([Document(f"owl {number}", f"{texts[version % 2]} {version}") for number in range(20)])
        stop.set()
        for one in searching:
            for hits in one.result():
                assert len(set(hits)) == 1  # all of one state
                assert len(hits) == 20
