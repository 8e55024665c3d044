from __future__ import annotations

from pathlib import Path

import pytest

from nestling import Document, Encoder, Library
from nestling.bundle.manifest import Bundle
from nestling.errors import LibraryError
from nestling.library.store import documents
from nestling.library.store.audit import damage
from nestling.library.store.database import Database
from nestling.library.store.documents import digest_of
from stored import BURN, DIM, DOCUMENTS, FRIDGE, OWL, coded, opened, told


def sentences(path: Path) -> list[str]:
    store = Database(path, create=False)
    try:
        return list(damage(store, DIM).sentences)
    finally:
        store.close()


def test_problems_are_found(store: Database, path: Path) -> None:
    assert damage(store, DIM, full=True).sentences == ()
    store.close()
    with opened(path) as db:
        db.execute("DELETE FROM fine WHERE key = 2")
    assert sentences(path) == ["1 passages have no fine code"]


def test_text_that_left_the_full_text_index_is_found(store: Database, path: Path) -> None:
    store.close()
    with opened(path) as db:
        db.execute("UPDATE texts SET text = 'something else entirely' WHERE key >> 20 = 2")
    full_text, codes = sentences(path)[::-1]
    assert full_text.startswith("the full-text index is not that of the passages (")
    assert codes == "1 passages have codes that are not those of their text"


def test_a_damaged_page_is_found(store: Database, path: Path) -> None:
    with store.writing():
        for number in range(200):
            documents.put(store, *coded(f"d{number}", f"text number {number} " * 20, seed=number))
    store.close()
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4096] = bytes(4096)
    path.write_bytes(data)
    try:
        assert sentences(path) != []
    except LibraryError as error:
        assert str(path) in str(error)


def test_an_orphan_is_a_problem(store: Database, path: Path) -> None:
    store.close()
    with opened(path) as db:
        db.execute("DELETE FROM documents WHERE id = 'burn'")
    assert "passages has a row without its documents" in sentences(path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE fine SET code = x'00' WHERE key = 1", "1 passages have codes of another size"),
        ("UPDATE passages SET bits = x'00' WHERE key = 2", "1 passages have codes of another size"),
        ("DELETE FROM fine WHERE key = 1", "1 passages have no fine code"),
        ("UPDATE passages SET bits = ~CAST(bits AS INTEGER)", "3 passages have codes of another size"),
        ("UPDATE passages SET bits = zeroblob(2)", "3 passages have codes that contradict each other"),
        ("UPDATE documents SET metadata = '{' WHERE id = 'owl'", "1 documents have metadata that is not JSON"),
        ("UPDATE fine SET digest = x'00' WHERE key = 1", "1 passages have codes that are not those of their text"),
        ("UPDATE documents SET title = 'x' WHERE id = 'owl'", "2 passages have codes that are not those of their text"),
        ("DELETE FROM hashes WHERE passage = 3", "1 passages are not found by what was encoded"),
        ("UPDATE hashes SET passage = 77 WHERE passage = 2", "1 passages are not found by what was encoded"),
        ("DELETE FROM texts WHERE key >> 20 = 1", "2 passages are of a text that is not there"),
        ("UPDATE passages SET text = 1 << 20 WHERE document = 2", "1 passages are of a text that is not there"),
        ("DELETE FROM passages WHERE document = 2", "1 documents have no passage"),
        ("DELETE FROM metadata WHERE document = 1", "1 values of metadata are not those that filters read"),
        ("UPDATE metadata SET value = 7 WHERE document = 1", "2 values of metadata are not those that filters read"),
        ("INSERT INTO metadata VALUES ('a', 'n', 1, 9)", "1 values of metadata are not those that filters read"),
    ],
)
def test_damage_inside_of_a_sound_sqlite_file_is_found(store: Database, path: Path, change: str, problem: str) -> None:
    store.close()
    with opened(path) as db:
        db.execute(change)
    assert problem in sentences(path)


def test_where_not_all_are_compared_those_that_are_lie_all_over(store: Database, path: Path) -> None:
    for key, found in ((1, True), (2, False), (3, True)):
        with opened(path) as db:
            db.execute("UPDATE fine SET digest = zeroblob(8) WHERE key = ?", (key,))
        foreign = "passages have codes that are not those of their text"
        assert any(foreign in one for one in damage(store, DIM, sampled=2).sentences) == found
        assert any(foreign in one for one in damage(store, DIM, full=True).sentences)
        with opened(path) as db:
            db.execute("UPDATE fine SET digest = NULL WHERE key = ?", (key,))
    assert damage(store, DIM, full=True).sentences == ()  # as an older version wrote them


def test_a_file_that_is_written_to_is_not_called_damaged(store: Database, path: Path) -> None:
    other = Database(path, create=False, busy_ms=50)
    with store.writing(), pytest.raises(LibraryError, match=r"is writing to it; try again when it is done$"):
        damage(other, DIM)
    assert damage(other, DIM).sentences == ()
    other.close()


def test_a_digest_tells_each_part_of_a_passage_from_its_neighbour() -> None:
    parts = ("title", "text", b"bits", b"record")
    digests = {
        digest_of(*parts),
        digest_of("titl", "etext", b"bits", b"record"),
        digest_of("title", "tex", b"tbits", b"record"),
        digest_of("title", "text", b"bitsr", b"ecord"),
    }
    assert len(digests) == 4


FOREIGN = "UPDATE {table} SET {column} = (SELECT {column} FROM {table} AS other WHERE other.key = 1) WHERE key = 3"
DAMAGE = {
    "a row without its document": [
        "INSERT INTO passages (document, number, text, start, stop, bits, width) VALUES (99, 0, 99, 0, 1, x'00', 1)"
    ],
    "a code without its passage": ["INSERT INTO fine (key, code) VALUES (999, x'00')"],
    "missing codes": ["DELETE FROM fine WHERE key IN (2, 5)"],
    "short codes": ["UPDATE fine SET code = substr(code, 1, 9) WHERE key = 1"],
    "short bits": ["UPDATE passages SET bits = x'00' WHERE key = 4"],
    "numbers as codes": ["UPDATE fine SET code = 7 WHERE key = 1", "UPDATE passages SET bits = 7 WHERE key = 2"],
    "bits of another": [FOREIGN.format(table="passages", column="bits")],
    "codes of another": [FOREIGN.format(table="passages", column="bits"), FOREIGN.format(table="fine", column="code")],
    "a wrong digest": ["UPDATE fine SET digest = zeroblob(8) WHERE key = 5"],
    "a missing passage": ["DELETE FROM passages WHERE document = 2"],
    "no passages at all": ["DELETE FROM passages", "DELETE FROM fine"],
    "missing metadata values": ["DELETE FROM metadata WHERE name = 'year'"],
    "wrong metadata values": ["UPDATE metadata SET value = 1066 WHERE name = 'year' AND document = 1"],
    "metadata values of none": ["INSERT INTO metadata VALUES ('year', 'n', 2020, 99)"],
    "an empty full text": ["INSERT INTO full_text (full_text) VALUES ('delete-all')"],
    "a full text of other words": ["INSERT INTO full_text (rowid, title, body) VALUES (1, 'heron', 'burn E24')"],
    "a width without a name": ["UPDATE passages SET width = 9 WHERE key = 2"],
    "a width that is no number": ["UPDATE passages SET width = 'xl' WHERE key IN (1, 5)"],
    "a width whose name is lost": ["UPDATE widths SET name = ''"],
    "widths without names": ["DELETE FROM widths"],
    "several at once": [
        "DELETE FROM fine WHERE key = 1",
        "UPDATE passages SET bits = x'' WHERE key = 2",
        "DELETE FROM metadata",
        "INSERT INTO full_text (full_text) VALUES ('delete-all')",
    ],
}


def answers(library: Library) -> list[object]:
    """What is found with all that can be damaged."""
    found: list[object] = []
    for query in ("a bird that is awake in the dark", "E24 drain", "heron"):
        for mode in ("hybrid", "dense", "lexical"):
            for by in ("document", "passage"):
                found.append(library.search(query, k=20, mode=mode, by=by))  # type: ignore[arg-type]
    found += [library.search("water", where=where) for where in ({"year": 2020}, {"wet": True}, {"kind": "bird"})]
    return found


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> list[object]:
    """The answers of a library that never was damaged."""
    with Library(tmp_path_factory.mktemp("sound") / "a.nest", encoder=encoder) as library:
        library.add(DOCUMENTS)
        return answers(library)


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_is_damaged_is_found_and_mended(tmp_path: Path, encoder: Encoder, sound: list[object], kind: str) -> None:
    path = tmp_path / "a.nest"
    with Library(path, encoder=encoder) as library:
        library.add(DOCUMENTS)
    with opened(path) as db:
        for statement in DAMAGE[kind]:
            db.execute(statement)
    with Library(path, encoder=encoder) as library:
        assert library.problems(full=True) != []
        assert library.repair() == []
        assert library.problems(full=True) == []
        assert [library.get(document.id) for document in DOCUMENTS] == DOCUMENTS
        assert answers(library) == sound


def test_metadata_that_cannot_be_read_is_given_up_and_all_else_is_kept(library: Library) -> None:
    library.close()
    with opened(library.path) as db:
        db.execute("UPDATE documents SET metadata = '{\"year\": ' WHERE id = 'owl'")
    with Library(library.path, encoder=library.encoder) as again:
        assert "1 documents have metadata that is not JSON" in again.problems()
        assert again.repair() == []
        owl = again.get("owl")
        assert owl == Document(OWL.id, OWL.text, OWL.title)
        assert [hit.id for hit in again.search("owl burn", where={"year": ("exists", True)}, k=9)] == ["burn", "fridge"]


def test_a_document_with_damaged_metadata_and_codes_is_mended_too(library: Library) -> None:
    library.close()
    with opened(library.path) as db:
        db.execute("UPDATE documents SET metadata = 'x' WHERE id = 'owl'")
        db.execute("DELETE FROM fine")
    with Library(library.path, encoder=library.encoder) as again:
        assert again.repair() == []
        assert again.search("a bird in the dark", k=1, mode="dense")[0].id == "owl"


def test_a_changed_text_is_the_truth_and_gets_its_own_codes_and_words(library: Library) -> None:
    library.close()
    with opened(library.path) as db:
        text = "Interest on a loan is compounded."
        db.execute("UPDATE texts SET text = ? WHERE key >> 20 = (SELECT key FROM documents WHERE id = 'burn')", (text,))
    with Library(library.path, encoder=library.encoder) as again:
        assert again.repair() == []
        assert [hit.id for hit in again.search("compounded", mode="lexical")] == ["burn"]
        assert again.search("water", mode="lexical") == []
        assert again.search("money owed to a bank", k=1, mode="dense")[0].text == text


def test_a_sound_library_is_left_as_it_is(library: Library) -> None:
    before = library.search("owls")
    with opened(library.path) as db:
        generation = db.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
    assert library.repair() == []
    with opened(library.path) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone() == generation
    assert library.search("owls") == before


def test_a_library_that_is_open_answers_from_what_was_mended(library: Library) -> None:
    before = library.search("a bird in the dark", mode="dense")
    with opened(library.path) as db:
        db.execute("UPDATE fine SET code = zeroblob(length(code))")
    assert library.search("a bird in the dark", mode="dense") != before
    assert library.repair() == []
    assert library.search("a bird in the dark", mode="dense") == before


def test_sizes_are_told_by_what_takes_them(library: Library) -> None:
    told = library.info()
    text = sum(len(f"{document.text}{document.title}".encode()) for document in (OWL, BURN, FRIDGE))
    assert (told.documents, told.passages, told.files, told.folders, told.failures) == (3, 3, 0, [], 0)
    parts = told.bytes_by_part
    assert (parts["text"], parts["bits"], parts["fine codes"]) == (text, 3 * 48, 3 * 388)
    assert told.bytes >= sum(parts.values())


def test_what_is_told_is_one_flat_object_as_json(library: Library) -> None:
    told = library.info()
    flat = told.to_json()
    assert list(flat) == [
        "path", "documents", "passages", "passages of xl", "files", "folders", "synced", "failures", "bytes",
        "bytes of text", "bytes of metadata", "bytes of bits", "bytes of fine codes", "bytes of full text",
        "bundle", "space", "dim", "document width", "unrefined", "earlier",
    ]  # fmt: skip
    assert (flat["passages of xl"], flat["document width"], flat["bytes of bits"]) == (3, "xl", 3 * 48)


def test_what_is_mended_is_of_the_document_width_and_all_else_keeps_its_own(tmp_path: Path, family: Bundle) -> None:
    with Library(tmp_path / "a.nest", encoder=family) as library:
        library.add([told(number) for number in range(6)], width="static")
        library.refine(limit=1)
        with opened(library.path) as db:
            db.execute("UPDATE fine SET code = zeroblob(length(code)) WHERE key = 2")
            db.execute("UPDATE passages SET width = 9 WHERE key = 3")
        assert library.unrefined == {"no name": 1, "static": 4}
        assert "1 passages are of a width without a name" in library.problems()
        assert library.repair() == []
        assert library.unrefined == {"static": 3}
        assert library.refine().refined == 3


def test_refining_mends_a_width_without_a_name(tmp_path: Path, family: Bundle) -> None:
    with Library(tmp_path / "a.nest", encoder=family) as library:
        library.add([told(number) for number in range(3)])
        with opened(library.path) as db:
            db.execute("UPDATE passages SET width = 9 WHERE key = 3")
        assert library.refine().refined == 1
        assert library.problems(full=True) == []


def test_codes_that_were_refined_and_are_damaged_since_are_found(tmp_path: Path, family: Bundle) -> None:
    with Library(tmp_path / "a.nest", encoder=family) as library:
        library.add([told(number) for number in range(3)], width="static")
        library.refine()
        assert library.problems(full=True) == []
        with opened(library.path) as db:
            select = "(SELECT {0} FROM {1} WHERE key = 1)"
            db.execute(f"UPDATE passages SET bits = {select.format('bits', 'passages')} WHERE key = 2")
            db.execute(f"UPDATE fine SET code = {select.format('code', 'fine')} WHERE key = 2")
        assert library.problems(full=True) == ["1 passages have codes that are not those of their text"]
