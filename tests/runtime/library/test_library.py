from __future__ import annotations

import json
import os
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
    assert [hit.lexical_rank for hit in words] == list(range(1, 41))
    assert words[0].id == "near17"
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


def test_metadata_alone_changes_filters_and_no_code(library: Library) -> None:
    keys, before = passage_keys(library), library.search("owls", k=1, mode="dense")[0].score
    assert library.add([replace(OWL, metadata={"year": 1999})]) == Report(unchanged=1)
    assert passage_keys(library) == keys
    assert ids(library, "owls", where={"year": 1999}) == ["owl"]
    assert ids(library, "owls", where={"kind": "bird"}) == []
    assert library.search("owls", k=1, mode="dense")[0].score == before


def test_a_changed_title_is_found_and_the_old_one_is_not(library: Library) -> None:
    assert library.add([replace(OWL, title="Strigiformes")]) == Report(changed=1)
    assert ids(library, "strigiformes", mode="lexical") == ["owl"]
    assert library.search("owls", k=1, mode="lexical")[0].title == "Strigiformes"


def test_nothing_to_add_or_remove_is_an_empty_report(library: Library) -> None:
    assert library.add([]) == library.remove([]) == library.sync() == Report()
    assert len(library) == 3


def test_documents_may_come_from_a_generator(library: Library) -> None:
    assert library.add(Document(f"g{n}", f"text {n}") for n in range(3)) == Report(added=3)


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


def test_twins_are_in_one_order_whatever_the_order_of_adding(tmp_path: Path, encoder: Encoder) -> None:
    twins = [Document(id, "Owls hunt at night.") for id in "ab"]
    found = []
    for number, documents in enumerate((twins, twins[::-1])):
        with Library(tmp_path / f"{number}.nest", encoder=encoder) as library:
            library.add(documents)
            found.append([(hit.id, hit.score) for hit in library.search("owls")])
    assert found[0] == found[1]


def test_another_space_is_refused_and_both_are_named(library: Library) -> None:
    tiny = Encoder(Path(__file__).parents[2] / "format" / "v1" / "bundle")
    theirs = library.info()["space"][:8]
    with pytest.raises(LibraryError) as caught:
        Library(library.path, encoder=tiny)
    assert theirs != tiny.bundle.space[:8]
    assert str(caught.value) == (
        f"{library.path}: was made with bundle minilm-l6-en (space {theirs}, dim 384), not {tiny.bundle.name} "
        f"(space {tiny.bundle.space[:8]}, dim {tiny.dim}); open it with that bundle, or make a new library"
    )
    assert len(library) == 3


def test_a_missing_library_is_not_made_where_that_is_not_wanted(tmp_path: Path, encoder: Encoder) -> None:
    path = tmp_path / "none.nest"
    with pytest.raises(LibraryError) as caught:
        Library(path, encoder=encoder, create=False)
    assert str(caught.value) == f"{path}: no library there; make one with: nestling add {path} FOLDER"
    assert not path.exists()


def test_a_document_that_another_removed_meanwhile_is_there_after_adding_it(
    library: Library, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = encoder.encode
    with Library(library.path, encoder=encoder) as other:

        def interrupted(texts: list[str], role: Any) -> Any:
            if "owl" in other:
                other.remove(["owl"])
            return encode(texts, role)

        monkeypatch.setattr(encoder, "encode", interrupted)
        library.add([OWL, Document("new", "something to encode")])
        monkeypatch.undo()
    assert library.get("owl") == OWL
    assert ids(library, "owls", k=1, mode="lexical") == ["owl"]


def test_threads_search_while_others_write_and_see_whole_documents(library: Library, encoder: Encoder) -> None:
    texts = [f"Version {n} of the heron. " + "It stands in the reeds. " * 60 for n in range(6)]
    with Library(library.path, encoder=encoder) as reader:

        def write() -> None:
            for text in texts:
                library.add([Document("heron", text)])

        def read(_: int) -> list[list[str]]:
            return [
                [hit.text[:9] for hit in reader.search("version heron", k=9, by="passage") if hit.passage == 0]
                for _ in range(8)
            ]

        with ThreadPoolExecutor(4) as pool:
            writing = pool.submit(write)
            seen = [firsts for found in pool.map(read, range(3)) for firsts in found]
            writing.result()
    assert all(sum(first == "Version " + first[-1] for first in firsts) <= 1 for firsts in seen)
    assert library.get("heron").text == texts[-1]  # type: ignore[union-attr]
    assert library.problems() == []


def test_broken_lines_are_named_and_taken_in_when_they_are_mended(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "one", "text": "salmon"}\nbroken\n\n{"id": "three"}\n{"id": "one", "text": "again"}\n')
    report = library.sync(path)
    assert (report.added, [(skip.source, skip.reason) for skip in report.skipped]) == (
        1,
        [
            (f"{path}:2", "is not JSON"),
            (f"{path}:4", "has no text"),
            (str(path), "document 'one': its id is in this file already"),
        ],
    )
    path.write_text('{"id": "one", "text": "salmon"}\n{"id": "two", "text": "heron"}\n')
    assert library.sync(path) == Report(added=1, unchanged=1)
    assert ids(library, "heron", mode="lexical") == ["two"]


def test_a_document_whose_line_broke_stays_and_is_named_each_time(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "k", "text": "salmon"}\n{"id": "l", "text": "heron"}\n')
    library.sync(path)
    path.write_text('{"id": "k", "text": "salmon"}\n{"id": "l", "text": heron}\n')
    for _ in range(2):
        report = library.sync(path)
        assert (report.removed, [skip.source for skip in report.skipped]) == (0, [f"{path}:2"])
    assert "l" in library


def test_a_document_that_moved_to_another_file_is_there_after_one_sync(tmp_path: Path, library: Library) -> None:
    one, two = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    one.write_text('{"id": "k", "text": "salmon"}\n')
    two.write_text('{"id": "x", "text": "heron"}\n{"id": "y", "text": "otter"}\n')
    library.sync(tmp_path)
    one.write_text('{"id": "k", "text": "salmon"}\n{"id": "x", "text": "heron"}\n')
    two.write_text('{"id": "y", "text": "otter"}\n')
    assert library.sync(tmp_path) == Report(added=1, unchanged=2, removed=1)
    assert library.get("x").source == str(one)  # type: ignore[union-attr]


def test_rows_that_went_are_removed_though_two_files_share_an_id(tmp_path: Path, library: Library) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "k", "text": "salmon"}\n')
    two = tmp_path / "b.jsonl"
    two.write_text('{"id": "k", "text": "trout"}\n{"id": "old", "text": "obsolete"}\n{"id": "n", "text": "otter"}\n')
    assert (library.sync(tmp_path).added, len(library)) == (3, 6)
    two.write_text('{"id": "k", "text": "trout"}\n{"id": "n", "text": "otter"}\n')
    assert library.sync(tmp_path).removed == 1
    assert "old" not in library


def test_a_file_of_broken_lines_alone_keeps_its_documents(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "one", "text": "salmon"}\n')
    library.sync(path)
    path.write_text("broken\nbroken\n")
    assert [skip.source for skip in library.sync(path).skipped] == [f"{path}:1", f"{path}:2"]
    assert "one" in library


def test_rows_behind_the_place_where_a_file_breaks_keep_their_documents(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text\nr1,salmon\nr2,heron\nr3,otter\n")
    assert library.sync(path) == Report(added=3)
    path.write_text('id,text\nr1,salmon\nr2,"heron\nr3,otter\n')
    (skip,) = library.sync(path).skipped
    assert skip.reason.endswith("the rest of the file was not read")
    assert "r3" in library
    assert library.sync(path).skipped == (skip,)  # it was not read whole, so it is said again


def test_an_id_that_another_file_gave_free_is_taken_in_at_the_next_sync(tmp_path: Path, library: Library) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "a.jsonl").write_text('{"id": "same", "text": "from a"}')
    (notes / "b.jsonl").write_text('{"id": "same", "text": "from b"}\n{"id": "other", "text": "of b"}')
    assert library.sync(notes).added == 2
    (notes / "a.jsonl").unlink()
    library.sync(notes)
    assert "same" in library
    assert library.get("same").text == "from b"  # type: ignore[union-attr]


def test_a_file_of_another_name_encoding_does_not_stop_the_others(tmp_path: Path, library: Library) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    try:
        os.close(os.open(os.fsencode(notes) + b"/caf\xe9.txt", os.O_CREAT | os.O_WRONLY))
    except OSError:
        pytest.skip("this file system takes no such name")
    (Path(os.fsdecode(os.fsencode(notes) + b"/caf\xe9.txt"))).write_text("text")
    (notes / "heron.txt").write_text("The heron stands in the reeds.")
    report = library.sync(notes)
    assert (report.added, len(report.skipped)) == (1, 1)
    assert str(notes / "heron.txt") in library


def test_a_sync_that_was_broken_off_goes_on_where_it_was(tmp_path: Path, library: Library) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    for n in range(6):
        (notes / f"{n}.txt").write_text(f"note {n}")

    def stop(number: int, total: int, path: Path) -> None:
        assert total == 6
        if number == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        library.sync(notes, progress=stop)
    assert len(library) == 3 + 3
    assert library.sync(notes) == Report(added=3, unchanged=3)
    assert library.problems() == []


def test_a_document_of_the_program_is_not_lost_to_a_file_that_goes(tmp_path: Path, library: Library) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "heron", "text": "from the file"}')
    library.sync(tmp_path)
    path.unlink()
    assert library.sync(tmp_path) == Report(removed=1)
    assert {"owl", "burn", "fridge"} == set(ids(library, "anything", k=9))
