from __future__ import annotations

import errno
import os
import random
import re
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nestling import Document, Encoder, Library, Report
from nestling.bundle.manifest import DEFAULT, Bundle
from nestling.errors import LibraryError, NestlingError
from stored import BURN, FRIDGE, OWL, bytes_of, opened, passage_keys


def ids(library: Library, query: str, **options: Any) -> list[str]:
    return [hit.id for hit in library.search(query, **options)]


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
    keys = passage_keys(library.path)
    library.add([OWL, replace(BURN, metadata={"x": 1}), replace(FRIDGE, title="Dishwasher")])
    assert encoded == [f"Dishwasher\n{FRIDGE.text}"]
    assert passage_keys(library.path)[:2] == keys[:2]


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

    def progress(done: int, given: int) -> None:
        told.append((done, given))
        with Library(tmp_path / "a.nest", encoder=encoder) as other:
            assert len(other) == done

    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.add([Document(str(n), f"text {n}") for n in range(150)], progress=progress)
    assert told == [(64, 150), (128, 150), (150, 150)]


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
    space = library.info().space[:8]
    assert str(caught.value) == (
        f"{library.path}: was made with bundle {DEFAULT} (space {space}, dim 384), not {DEFAULT} (space {space}, "
        "dim 64); open it with that bundle, or make a new library"
    )


def test_a_shorter_dim_works_in_a_library_of_its_own(tmp_path: Path) -> None:
    with Library(tmp_path / "short.nest", encoder=Encoder(dim=64)) as library:
        library.add([OWL, BURN])
        assert ids(library, "a bird in the dark", k=1, mode="dense") == ["owl"]
        assert library.info().dim == 64


def test_metadata_alone_changes_filters_and_no_code(library: Library) -> None:
    keys, before = passage_keys(library.path), library.search("owls", k=1, mode="dense")[0].score
    assert library.add([replace(OWL, metadata={"year": 1999})]) == Report(unchanged=1)
    assert passage_keys(library.path) == keys
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


def test_another_space_is_refused_and_both_are_named(library: Library) -> None:
    tiny = Encoder(Path(__file__).parents[2] / "format" / "v4" / "bundle")
    theirs = library.info().space[:8]
    with pytest.raises(LibraryError) as caught:
        Library(library.path, encoder=tiny)
    assert theirs != tiny.bundle.space[:8]
    assert str(caught.value) == (
        f"{library.path}: was made with bundle {DEFAULT} (space {theirs}, dim 384), not {tiny.bundle.name} "
        f"(space {tiny.bundle.space[:8]}, dim {tiny.dim}); open it with that bundle, or bring it over to this one "
        f"with: nestling upgrade {library.path}"
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


def test_a_thread_searches_while_another_adds(library: Library) -> None:
    adding, found = threading.Event(), threading.Event()

    def progress(done: int, given: int) -> None:
        if done < given:
            adding.set()
            assert found.wait(30)  # would not be set if a search waited for the end of this call

    def add() -> Report:
        return library.add([Document(f"t{n}", f"text number {n}") for n in range(70)], progress=progress)

    with ThreadPoolExecutor(1) as pool:
        report = pool.submit(add)
        assert adding.wait(30)
        assert ids(library, "text number 7", k=1) == ["t7"]
        assert "t69" not in library
        found.set()
        assert report.result() == Report(added=70)
    assert ids(library, "text number 69", k=1) == ["t69"]


def test_two_libraries_of_one_file_see_each_other_whatever_is_done(tmp_path: Path, encoder: Encoder) -> None:
    seeded = random.Random(3)
    pool = [Document(f"d{n}", f"The {word} hunts at night, number {n}.") for n in range(12) for word in ("owl",)]
    with Library(tmp_path / "a.nest", encoder=encoder) as one, Library(tmp_path / "a.nest", encoder=encoder) as two:
        held: set[str] = set()
        for _ in range(12):
            writer, reader = seeded.sample([one, two], 2)
            if held and seeded.random() < 0.4:
                gone = seeded.sample(sorted(held), seeded.randint(1, len(held)))
                writer.remove(gone)
                held -= set(gone)
            else:
                new = seeded.sample(pool, 3)
                writer.add(new)
                held |= {document.id for document in new}
            assert set(ids(reader, "an owl at night", k=99)) == set(ids(writer, "an owl at night", k=99)) == held
            assert len(reader) == len(held)


SECRET = Document(
    "zaphod-id", "zaphodtext is treated. " * 80, "zaphodtitle", {"zaphodkey": "zaphodvalue"}, "zaphodsource"
)


def secrets(path: Path) -> list[bytes]:
    """What is in the file of a document that is to be removed: its words, and parts of its codes."""
    with opened(path) as db:
        rows = db.execute(
            "SELECT bits, code FROM passages JOIN fine USING (key) JOIN documents ON documents.key = document"
            " WHERE id = ?",
            (SECRET.id,),
        ).fetchall()
    assert len(rows) > 1
    return [b"zaphod", *(part for bits, code in rows for part in (bits[:16], bits[-16:], code[4:20], code[-16:]))]


@pytest.mark.parametrize("change", ["remove", "replace", "describe"])
@pytest.mark.parametrize("company", [0, 200])
def test_nothing_of_a_removed_document_is_left_while_the_library_is_open(
    library: Library, change: str, company: int
) -> None:
    library.add([Document(f"d{n}", f"The heron stands in the reeds, number {n}. " * 3) for n in range(company)])
    library.add([SECRET])
    library.search("zaphodtext", where={"zaphodkey": "zaphodvalue"})
    words = secrets(library.path)
    assert all(word in bytes_of(library.path) for word in words)
    if change == "remove":
        library.remove([SECRET.id])
    elif change == "replace":
        library.add([Document(SECRET.id, "Nothing to see.")])
        words[0] = b"zaphodt"
    else:
        library.add([replace(SECRET, metadata={}, source="")])
        words = [b"zaphodkey", b"zaphodvalue", b"zaphodsource"]
        library.close()  # what is not searched by words is folded into the file then
    left = bytes_of(library.path)
    assert [word for word in words if word in left] == []
    with Library(library.path, encoder=library.encoder) as again:
        assert again.problems(full=True) == []


def test_a_library_that_may_not_be_written_is_searched_and_says_so_where_it_would_be(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.close()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    message = f"^{re.escape(str(library.path))}: cannot be written here; copy it to a folder that can$"
    with Library(library.path, encoder=library.encoder) as reader:
        assert ids(reader, "a bird in the dark", k=1) == ["owl"]
        assert reader.problems(full=True) == []
        for change in (
            lambda: reader.add([OWL]),
            lambda: reader.remove(["owl"]),
            reader.sync,
            reader.repair,
        ):
            with pytest.raises(LibraryError, match=message):
                change()


def test_a_closed_library_says_that_it_is_closed(tmp_path: Path, encoder: Encoder) -> None:
    library = Library(tmp_path / "a.nest", encoder=encoder)
    library.add([OWL])
    library.close()
    library.close()
    calls: list[Callable[[], Any]] = [
        lambda: len(library),
        lambda: "owl" in library,
        lambda: library.search("owls"),
        lambda: library.search("owls", mode="lexical"),
        lambda: library.get("owl"),
        lambda: library.unrefined,
        lambda: library.info(),
        lambda: library.failures(),
        lambda: library.problems(),
        lambda: library.add([BURN]),
        lambda: library.remove(["owl"]),
        lambda: library.sync(tmp_path),
        lambda: library.forget(tmp_path),
        lambda: library.repair(),
        lambda: library.refine(),
        lambda: library.dump(tmp_path / "a.jsonl"),
    ]
    for call in calls:
        with pytest.raises(LibraryError, match=r"^the library is closed; open it again$"):
            call()


def test_a_library_takes_a_bundle_as_an_encoder_does(tmp_path: Path, family: Bundle) -> None:
    for number, bundle in enumerate((family, family.folder, str(family.folder))):
        with Library(tmp_path / f"{number}.nest", bundle=bundle) as library:
            library.add([OWL])
            assert library.encoder.bundle == family
    message = r"^encoder and bundle are both given, expected one of them$"
    with Encoder(family) as encoder, pytest.raises(NestlingError, match=message):
        Library(tmp_path / "none.nest", encoder=encoder, bundle=family)
    assert not (tmp_path / "none.nest").exists()


@pytest.mark.parametrize("limit", ["big", 1.5, -3, True])
def test_a_limit_of_bytes_that_is_none_is_refused(tmp_path: Path, library: Library, limit: Any) -> None:
    with pytest.raises(NestlingError) as caught:
        library.sync(tmp_path, max_bytes=limit)
    assert str(caught.value) == f"max_bytes is {limit!r}, expected a whole number of 0 or more, or None"
    assert library.info().folders == []


def test_a_folder_that_cannot_be_looked_at_any_more_can_be_forgotten(
    tmp_path: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "drive").mkdir()
    (tmp_path / "drive" / "a.txt").write_text("Owls hunt at night.")
    assert library.sync(tmp_path / "drive").added == 1

    def unplugged(path: Path) -> bool:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    monkeypatch.setattr(Path, "exists", unplugged)
    assert library.forget(tmp_path / "drive").removed == 1


def test_a_library_of_a_relative_path_stays_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "notes.txt").write_text("owls")
    monkeypatch.chdir(tmp_path)
    with Library("a.nest", document_width="static") as library:
        library.sync("notes.txt")
        monkeypatch.chdir(other)
        assert library.path == tmp_path / "a.nest"
        library.add([Document("b", "hawks")])
        assert library.sync().unchanged == 1
        assert library.refine().refined == 0
        assert library.dump(other / "a.jsonl") == 2
        assert ids(library, "hawks", mode="lexical") == ["b"]
    assert [path.name for path in other.iterdir()] == ["a.jsonl"]
