"""Documents of several widths in one library, and queries of another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from bundles import FORMATS
from nestling import Document, Encoder, Library, Report
from nestling.bundle.manifest import Bundle, read_bundle
from nestling.errors import BundleError, LibraryError
from nestling.library.store import passages
from nestling.library.store.database import Database
from nestling.library.store.dump import dump
from processes import guarded_environment
from stored import opened, told

DOCUMENTS = [told(number) for number in range(12)]
QUERY = "where do owls hunt at night"


def widths_of(path: Path) -> dict[str, str]:
    """The width of each document's first passage, as the file has it."""
    with opened(path) as db:
        rows = (
            "SELECT id, name FROM passages JOIN documents ON documents.key = document JOIN widths ON widths.key = width"
        )
        return dict(db.execute(rows).fetchall())


def mixed(path: Path, family: Bundle) -> Library:
    """A library whose documents are of all widths in turn."""
    library = Library(path, encoder=family)
    for place, width in enumerate((None, "s", "static")):
        library.add(DOCUMENTS[place::3], width=width)
    return library


def test_an_encoder_alone_encodes_documents_and_queries(tmp_path: Path, family: Bundle) -> None:
    encoder = Encoder(family, width="s")
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.add(DOCUMENTS)
        assert (library.document_width, library.query_width) == ("s", "s")
        assert library.encoder is encoder
        assert set(widths_of(library.path).values()) == {"s"}
    assert encoder.encode(["still open"], role="query").shape == (1, 32)


def test_the_bits_of_a_table_are_no_precision_for_other_widths(tmp_path: Path) -> None:
    bundle = read_bundle(FORMATS / "v4" / "bundle")
    with Library(tmp_path / "a.nest", encoder=Encoder(bundle, width="static"), document_width="xl") as library:
        assert (library.encoder.width, library.encoder.precision) == ("xl", "int8")
    with Library(tmp_path / "b.nest", encoder=Encoder(bundle, precision="int4"), document_width="s") as library:
        assert (library.encoder.width, library.encoder.precision) == ("s", "int4")


def test_a_new_library_takes_the_default_width_of_its_bundle(tmp_path: Path, family: Bundle) -> None:
    with Library(tmp_path / "a.nest", encoder=family) as library:
        library.add(DOCUMENTS)
        assert (library.document_width, library.query_width, library.encoder.width) == ("xl", "xl", "xl")
        made = library.encoder
    with pytest.raises(ValueError, match="the encoder is closed; make a new one"):
        made.encode(["closed with the library"], role="query")


def test_two_that_make_a_library_at_once_agree_on_its_space(tmp_path: Path, family: Bundle) -> None:
    first = Database(tmp_path / "a.nest", create=True)
    errors: list[BaseException] = []

    def other() -> None:
        try:
            Library(tmp_path / "a.nest", encoder=family).close()
        except LibraryError as error:
            errors.append(error)

    thread = Thread(target=other)
    with first.writing():  # the other sees a file without a space, and waits
        for key, value in {"space": "0" * 64, "dim": "32", "bundle": "first", "width": "xl"}.items():
            first.set_meta(key, value)
        thread.start()
        thread.join(0.5)
    thread.join()
    assert [first.meta(key) for key in ("space", "bundle")] == ["0" * 64, "first"]
    first.close()
    (error,) = errors
    assert f"was made with bundle first (space 00000000, dim 32), not tiny (space {family.space[:8]}" in str(error)


def test_the_document_width_is_remembered(tmp_path: Path, family: Bundle) -> None:
    with Library(tmp_path / "a.nest", encoder=family, document_width="s", query_width="static"):
        pass
    with Library(tmp_path / "a.nest", encoder=family) as again:
        assert (again.document_width, again.query_width) == ("s", "s")
        again.add(DOCUMENTS)
        assert set(widths_of(again.path).values()) == {"s"}


def test_another_document_width_is_remembered_with_the_first_change_and_not_before(
    tmp_path: Path, family: Bundle
) -> None:
    path = tmp_path / "a.nest"
    with Library(path, encoder=family) as library:
        library.add(DOCUMENTS[:2])
    with Library(path, encoder=family, document_width="s") as other:
        other.search(QUERY)
        assert other.unrefined == {"xl": 2}
        other.remove([])
        with Library(path, encoder=family) as beside:
            assert beside.document_width == "xl"
        assert other.add([DOCUMENTS[2]]) == Report(added=1)
    with Library(path, encoder=family) as again:
        assert again.document_width == "s"
        assert widths_of(path) == {"d0": "xl", "d1": "xl", "d2": "s"}


def test_the_width_of_an_encoder_that_is_given_counts_as_asked_for(tmp_path: Path, family: Bundle) -> None:
    with Library(tmp_path / "a.nest", encoder=family, document_width="s") as library:
        library.add(DOCUMENTS[:1])
    with Library(tmp_path / "a.nest", encoder=Encoder(family)) as library:
        library.add(DOCUMENTS[1:2])
        assert library.unrefined == {"s": 1}
    with Library(tmp_path / "a.nest", encoder=Encoder(family), document_width="s") as library:
        assert (library.encoder.width, library.unrefined) == ("s", {"xl": 1})


def test_a_remembered_width_that_the_bundle_lacks_is_its_default(tmp_path: Path, family: Bundle) -> None:
    with Library(tmp_path / "a.nest", encoder=family, document_width="s") as library:
        library.add(DOCUMENTS)
    with opened(tmp_path / "a.nest") as db:
        db.execute("UPDATE meta SET value = 'xxl' WHERE key = 'width'")
    with Library(tmp_path / "a.nest", encoder=family) as library:
        assert library.document_width == "xl"
        assert len(library.search(QUERY, k=12)) == 12


@pytest.mark.parametrize("argument", ["document_width", "query_width"])
def test_a_width_that_the_bundle_lacks_is_named_and_makes_no_file(
    tmp_path: Path, family: Bundle, argument: str
) -> None:
    with pytest.raises(BundleError) as caught:
        Library(tmp_path / "a.nest", encoder=family, **{argument: "m"})  # type: ignore[arg-type]
    assert str(caught.value) == "bundle tiny has no width m; its widths are xl, s, static"
    assert list(tmp_path.iterdir()) == []


def test_a_precision_that_the_bundle_lacks_is_named_and_makes_no_file(tmp_path: Path, family: Bundle) -> None:
    with pytest.raises(BundleError) as caught:
        Library(tmp_path / "a.nest", encoder=family, precision="int2")
    assert str(caught.value) == "bundle tiny has no precision int2; it has int4, int8"
    assert list(tmp_path.iterdir()) == []


def test_adding_at_a_width_that_the_bundle_lacks_changes_nothing(tmp_path: Path, family: Bundle) -> None:
    with Library(tmp_path / "a.nest", encoder=family) as library:
        for call in (lambda: library.add(DOCUMENTS, width="m"), lambda: library.sync(tmp_path, width="m")):
            with pytest.raises(BundleError, match=r"^bundle tiny has no width m; its widths are xl, s, static$"):
                call()
        assert library.info().folders == []
        assert len(library) == 0


def test_a_library_of_another_space_is_refused_whatever_the_widths(tmp_path: Path, family: Bundle) -> None:
    with Library(tmp_path / "a.nest", encoder=family):
        pass
    with pytest.raises(LibraryError, match=r"was made with bundle tiny \(space .*, dim 32\), not "):
        Library(tmp_path / "a.nest", document_width="xl")


def test_a_fast_document_can_be_searched_at_once_and_keeps_its_width_until_it_is_refined(
    tmp_path: Path, family: Bundle
) -> None:
    with Library(tmp_path / "a.nest", encoder=family, query_width="static") as library:
        assert library.add(DOCUMENTS, width="static") == Report(added=12)
        assert library.unrefined == {"static": 12}
        assert library.search(DOCUMENTS[3].text, k=1, mode="dense")[0].id == "d3"
        again = [Document(one.id, one.text, one.title, {"n": -1}) for one in DOCUMENTS]
        assert library.add(again) == Report(unchanged=12)
        assert library.unrefined == {"static": 12}


def test_codes_that_are_kept_keep_their_width(tmp_path: Path, family: Bundle) -> None:
    long = told(1, words=220)
    changed = Document(long.id, long.text.rsplit(" ", 1)[0] + " a", long.title)
    with Library(tmp_path / "a.nest", encoder=family) as library:
        library.add([long], width="static")
        before = library.info().passages_by_width["static"]
        assert before > 3
        library.add([changed])
        info = library.info()
        assert 0 < info.passages_by_width["static"] < before
        assert info.passages_by_width["static"] + info.passages_by_width["xl"] == info.passages
        assert info.unrefined == info.passages_by_width["static"]
        assert info.document_width == "xl"


def test_of_two_donors_that_which_is_refined_is_taken(tmp_path: Path, family: Bundle) -> None:
    (tmp_path / "notes").mkdir()
    text = told(1).text
    moved = tmp_path / "notes" / "owl.txt"
    moved.write_text(text)
    with Library(tmp_path / "a.nest", encoder=family) as library:
        library.sync(tmp_path / "notes")
        moved.rename(tmp_path / "notes" / "eagle.txt")
        assert library.sync(width="static") == Report(added=1, removed=1)
        assert library.unrefined == {}  # taken from the file that moved
        (tmp_path / "notes" / "new.txt").write_text(told(2).text)
        library.sync(width="static")
        assert library.unrefined == {"static": 1}


@pytest.mark.parametrize("query_width", ["xl", "s", "static"])
def test_a_score_is_that_of_the_query_at_its_width_and_of_each_passage_at_its_own(
    tmp_path: Path, family: Bundle, query_width: str
) -> None:
    mixed(tmp_path / "a.nest", family).close()
    encoders = {width: Encoder(family, width=width) for width in family.widths}
    texts = {one.id: f"{one.title}\n{one.text}" for one in DOCUMENTS}
    query = encoders[query_width].encode([QUERY], role="query")[0]
    expected = {
        id: float(encoders[width].encode([texts[id]], role="document")[0] @ query)
        for id, width in widths_of(tmp_path / "a.nest").items()
    }
    with Library(tmp_path / "a.nest", encoder=family, query_width=query_width) as library:
        for exact in (True, False):
            for by in ("document", "passage"):
                hits = library.search(QUERY, k=12, mode="dense", by=by, exact=exact)  # type: ignore[arg-type]
                assert [hit.score for hit in hits] == pytest.approx([expected[hit.id] for hit in hits], abs=0.02)
                assert {hit.id for hit in hits} == set(expected)
        among = library.search(QUERY, k=12, mode="dense", where={"n": ("<", 6)})
        assert {hit.id for hit in among} == {f"d{number}" for number in range(6)}
        assert library.problems(full=True) == []


def test_a_mixed_library_is_dumped_with_the_vectors_that_it_has(tmp_path: Path, family: Bundle) -> None:
    mixed(tmp_path / "a.nest", family).close()
    store = Database(tmp_path / "a.nest", create=False)
    with store.reading():
        assert dump(store, 32, tmp_path / "a.jsonl") == 12
        fine = passages.fine(store, passages.keys(store), 32).decode()
    store.close()
    assert np.allclose(np.linalg.norm(fine, axis=1), 1, atol=0.02)


def test_a_read_only_library_of_several_widths_is_searched(
    tmp_path: Path, family: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mixed(tmp_path / "a.nest", family) as library:
        expected = library.search(QUERY)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with Library(tmp_path / "a.nest", encoder=family, document_width="s", query_width="xl") as library:
        assert library.search(QUERY) == expected
        assert library.unrefined == {"static": 4, "xl": 4}
        with pytest.raises(LibraryError, match=r"cannot be written here; copy it to a folder that can$"):
            library.refine()


SEARCH = """
import sys
from nestling import Library
from nestling.bundle.manifest import read_bundle
with Library(sys.argv[1], encoder=read_bundle(sys.argv[2]), query_width=sys.argv[3]) as library:
    if sys.argv[4] == "add":
        from nestling import Document
        library.add([Document("new", "owls hunt at night")], width="static")
    assert library.search("owls hunt at night")
print(*sys.modules)
"""


@pytest.mark.parametrize(
    ("width", "action", "heavy"), [("static", "search", False), ("static", "add", False), ("s", "search", True)]
)
def test_only_what_is_used_is_loaded(tmp_path: Path, family: Bundle, width: str, action: str, heavy: bool) -> None:
    mixed(tmp_path / "a.nest", family).close()
    command = [sys.executable, "-c", SEARCH, str(tmp_path / "a.nest"), str(family.folder), width, action]
    done = subprocess.run(command, capture_output=True, text=True, env=guarded_environment(), check=True)
    assert ("onnxruntime" in done.stdout.split()) == heavy


def test_a_search_loads_the_encoder_of_queries_alone(
    tmp_path: Path, family: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed(tmp_path / "a.nest", family).close()
    made: list[Any] = []
    build = Encoder.__init__

    def noted(self: Encoder, *positional: Any, **options: Any) -> None:
        build(self, *positional, **options)
        made.append(self.width)

    monkeypatch.setattr(Encoder, "__init__", noted)
    with Library(tmp_path / "a.nest", encoder=family, query_width="s") as library:
        library.search(QUERY)
        library.search(QUERY, mode="lexical")
        assert made == ["s"]
