from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nestling import Document, Encoder, Library, Report
from nestling.demo import demo_documents
from nestling.errors import LibraryError, NestlingError, QueryError

OWL = Document("owl", "Owls hunt at night. They hear a mouse under the snow.", "Owls", {"year": 2024, "kind": "bird"})
BURN = Document("burn", "Cool the burn under running water.", "Burns", {"year": 2020})
FRIDGE = Document("fridge", "Error E24 means that the drain is blocked.", metadata={"year": 2022})


@pytest.fixture
def library(tmp_path: Path, encoder: Encoder) -> Iterator[Library]:
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.add([OWL, BURN, FRIDGE])
        yield library


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Iterator[Library]:
    """A library of the demo collection that tests only read."""
    with Library(tmp_path_factory.mktemp("demo") / "demo.nest", encoder=encoder) as library:
        library.add(demo_documents())
        yield library


def passage_keys(library: Library) -> list[int]:
    with sqlite3.connect(library.path) as db:
        return [row[0] for row in db.execute("SELECT key FROM passages ORDER BY key")]


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
    assert (hits["fridge"].lexical_rank, hits["owl"].lexical_rank, hits["owl"].dense_rank) == (1, None, 1)
    assert all(hit.lexical_rank is None for hit in library.search("owls", mode="dense"))
    assert all(hit.dense_rank is None for hit in library.search("owls", mode="lexical"))


def test_adding_reports_what_changed(library: Library) -> None:
    changed = replace(BURN, text="Cool it for twenty minutes.")
    relabelled = replace(OWL, metadata={"year": 1999}, source="elsewhere")
    assert library.add([changed, relabelled, Document("new", "text")]) == Report(added=1, changed=1, unchanged=1)
    assert len(library) == 4
    assert library.get("burn") == changed
    assert library.get("owl") == relabelled
    assert ids(library, "running", mode="lexical") == []


def test_unchanged_text_is_not_encoded_again(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[str] = []
    encode = library.encoder.encode
    monkeypatch.setattr(library.encoder, "encode", lambda texts, role: encoded.extend(texts) or encode(texts, role))
    keys = passage_keys(library)
    library.add([OWL, replace(BURN, metadata={"x": 1}), replace(FRIDGE, title="Dishwasher")])
    assert encoded == [f"Dishwasher\n{FRIDGE.text}"]
    assert passage_keys(library)[:2] == keys[:2]


def test_two_alike_in_one_call_change_nothing(library: Library) -> None:
    with pytest.raises(NestlingError) as caught:
        library.add([Document("new", "a"), Document("twice", "b"), Document("twice", "c")])
    assert str(caught.value) == "document id 'twice' is given twice in one call; ids must be unique"
    assert "new" not in library
    assert len(library) == 3


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        (OWL, "documents is one Document, expected a list; put it in a list"),
        (["text"], "documents hold str, expected Document"),
    ],
)
def test_what_is_no_document_is_refused(library: Library, documents: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}$"):
        library.add(documents)


def test_removing_is_all_or_nothing(library: Library) -> None:
    with pytest.raises(NestlingError, match=r"has no document 'none'; nothing was removed$"):
        library.remove(["owl", "none"])
    assert "owl" in library
    assert library.remove(["owl", "burn"]) == Report(removed=2)
    assert ids(library, "owls in the night") == ["fridge"]
    with pytest.raises(TypeError, match=r"^ids is one str, expected a list of str; put it in a list$"):
        library.remove("fridge")


def test_progress_is_told_after_each_commit(tmp_path: Path, encoder: Encoder) -> None:
    told: list[tuple[int, int]] = []
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.add([Document(str(n), f"text {n}") for n in range(150)], progress=lambda *done: told.append(done))
    assert told == [(64, 150), (128, 150), (150, 150)]


def test_a_filter_is_applied_before_ranking(demo: Library) -> None:
    topic = {"topic": "nature"}
    for mode in ("dense", "hybrid"):
        hits = demo.search("burns", k=50, mode=mode, where=topic)
        assert len(hits) == sum(document.metadata["topic"] == "nature" for document in demo_documents())
        assert {hit.metadata["topic"] for hit in hits} == {"nature"}
    assert {hit.metadata["year"] for hit in demo.search("water", k=9, mode="lexical", where={"year": (">", 2023)})} <= {
        2024,
        2025,
    }
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
    assert len(passage_keys(library)) > 400
    assert set(ids(library, "owls hunt at night", k=4)) == {"huge", "owl", "burn", "fridge"}


def test_more_hits_than_documents_are_all(library: Library) -> None:
    assert len(library.search("owls", k=99)) == 3
    assert len(library.search("owls", k=2)) == 2


def test_a_query_longer_than_the_encoder_reads_is_read_whole(demo: Library) -> None:
    tail = " nest of a bird of prey that hunts mice by its hearing" * 20
    assert demo.search("budget meeting " * 30 + tail, k=1, mode="dense")[0].id == "barn-owl"


def test_exact_search_rescores_everything(demo: Library) -> None:
    query = "how do animals find their way"
    exact, cascade = demo.search(query, k=10, exact=True), demo.search(query, k=10)
    assert [hit.id for hit in exact] == [hit.id for hit in cascade]


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


def test_an_empty_library_answers_nothing(tmp_path: Path, encoder: Encoder) -> None:
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        assert library.search("anything") == []
        assert len(library) == 0
        assert library.problems() == []


def test_the_file_alone_is_the_library(library: Library, tmp_path: Path, encoder: Encoder) -> None:
    before = library.search("owls under the snow")
    library.close()
    (tmp_path / "other").mkdir()
    assert [path.name for path in tmp_path.glob("a.nest*")] == ["a.nest"]
    shutil.copy(library.path, tmp_path / "other" / "copy.nest")
    for path in (library.path, tmp_path / "other" / "copy.nest"):
        with Library(path, encoder=encoder) as again:
            assert again.search("owls under the snow") == before


def test_the_order_of_adding_does_not_matter(tmp_path: Path, encoder: Encoder, demo: Library) -> None:
    with Library(tmp_path / "b.nest", encoder=encoder) as backwards:
        for document in reversed(demo_documents()):
            backwards.add([document])
        for query in ("how do I treat a burn", "animals in winter", "error code"):
            mine = [(hit.id, hit.score, hit.text) for hit in backwards.search(query)]
            assert mine == [(hit.id, hit.score, hit.text) for hit in demo.search(query)]


def test_a_reader_sees_what_a_writer_committed(library: Library, encoder: Encoder) -> None:
    with Library(library.path, encoder=encoder) as reader:
        assert "bat" not in ids(reader, "bats with echoes")
        library.add([Document("bat", "Bats see with echoes.")])
        assert ids(reader, "bats with echoes", k=1) == ["bat"]
        library.remove(["bat"])
        assert "bat" not in ids(reader, "bats with echoes")


def test_threads_may_share_a_library(library: Library) -> None:
    def work(number: int) -> list[str]:
        library.add([Document(f"t{number}", f"Thread {number} wrote this.")])
        return ids(library, "owls hunt at night", k=1)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(24))) == [["owl"]] * 24
    assert len(library) == 27
    assert library.problems() == []


def test_vectors_of_another_length_are_refused(library: Library) -> None:
    with pytest.raises(LibraryError) as caught:
        Library(library.path, encoder=Encoder(dim=64))
    space = library.info()["space"][:8]
    assert str(caught.value) == (
        f"{library.path}: was made with bundle minilm-l6-en (space {space}, dim 384), not minilm-l6-en (space {space}, "
        "dim 64); open it with that bundle, or make a new library"
    )


def test_a_shorter_dim_works_in_a_library_of_its_own(tmp_path: Path) -> None:
    with Library(tmp_path / "short.nest", encoder=Encoder(dim=64)) as library:
        library.add([OWL, BURN])
        assert ids(library, "a bird in the dark", k=1, mode="dense") == ["owl"]
        assert library.info()["dim"] == 64


def test_a_folder_is_mirrored(tmp_path: Path, library: Library) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "a.txt").write_text("Salmon find their river by its smell.")
    (notes / "b.jsonl").write_text("\n".join(json.dumps({"id": f"line{n}", "text": f"line {n}"}) for n in range(3)))
    assert library.sync(notes) == Report(added=4)
    assert library.sync(notes) == Report(unchanged=4)
    (notes / "a.txt").write_text("Salmon leap over weirs, too.")
    (notes / "b.jsonl").write_text(json.dumps({"id": "line1", "text": "line 1"}))
    assert library.sync(notes) == Report(changed=1, unchanged=1, removed=2)
    (notes / "a.txt").unlink()
    assert library.sync(notes) == Report(unchanged=1, removed=1)
    assert {"owl", "burn", "fridge", "line1"} == set(ids(library, "anything", k=9))


def test_a_file_that_cannot_be_read_now_keeps_its_documents(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Salmon find their river.")
    library.sync(path)
    path.write_bytes(b"\xff broken")
    report = library.sync(path)
    assert [skip.reason for skip in report.skipped] == ["is not UTF-8 text (byte 0); save it as UTF-8"]
    assert library.get(str(path)).text == "Salmon find their river."  # type: ignore[union-attr]
    assert library.sync(path).skipped == report.skipped  # it is tried again and said again


def test_an_id_of_two_files_stays_with_the_first(tmp_path: Path, library: Library) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"id": "same", "text": f"from {name}"}))
    report = library.sync(tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert (report.added, [skip.reason for skip in report.skipped]) == (
        1,
        [f"document 'same': its id belongs to a document of {tmp_path / 'a.jsonl'}"],
    )
    (tmp_path / "a.jsonl").unlink()
    assert library.sync(tmp_path / "b.jsonl") == Report(changed=1)
    assert library.get("same").text == "from b"  # type: ignore[union-attr]


def test_a_missing_path_changes_nothing(tmp_path: Path, library: Library) -> None:
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(NestlingError, match=r"no such file or folder$"):
        library.sync(tmp_path / "a.txt", tmp_path / "none")
    assert len(library) == 3
