"""A library is brought over to another bundle: searchable at once, encoded by and by, as if made with it in the end."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bundles import table_in_another_space
from nestling import Document, Library
from nestling.bundle.manifest import Bundle, read_bundle
from nestling.errors import LibraryError, NestlingError
from nestling.library.intake.upgrade import COMPARED
from nestling.library.store import schema
from processes import Run, fails, guarded_environment
from stored import bytes_of, opened, told

COUNT = COMPARED + 100
DOCUMENTS = [told(number, words=30) for number in range(COUNT)]
QUESTIONS = [one.text[:50] for one in DOCUMENTS[:40]]


@pytest.fixture(scope="module")
def later(family: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle whose vectors are those of the family's table, turned."""
    return read_bundle(table_in_another_space(tmp_path_factory.mktemp("later"), family.folder))


@pytest.fixture(scope="module")
def made(family: Bundle, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a library that the family made."""
    path = tmp_path_factory.mktemp("made") / "a.nest"
    with Library(path, bundle=family, document_width="static") as library:
        library.add(DOCUMENTS)
    return path.read_bytes()


@pytest.fixture
def path(made: bytes, tmp_path: Path) -> Path:
    """A copy of it."""
    (tmp_path / "a.nest").write_bytes(made)
    return tmp_path / "a.nest"


def format_of(path: Path) -> int:
    with opened(path) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def near(library: Library, question: str) -> set[str]:
    return {hit.id for hit in library.search(question, 10, mode="dense")}


def same(before: list[set[str]], library: Library) -> float:
    """The share of what was found for each question that is found."""
    return float(np.mean([len(one & near(library, q)) / 10 for one, q in zip(before, QUESTIONS, strict=True)]))


def assert_as_new(library: Library, bundle: Bundle, documents: list[Document], *, same_keys: bool = True) -> None:
    """It answers as a library that the bundle made.

    Args:
        same_keys: whether passages have the keys of that; of equals at the end of a list others are on it otherwise.
    """
    assert (library.info().earlier, library.unrefined, library.problems(full=True)) == (None, {}, [])
    with Library(library.path.parent / "new.nest", bundle=bundle) as new:
        new.add(documents)
        for question in QUESTIONS:
            if same_keys:
                assert library.search(question, 20) == new.search(question, 20)
            else:
                assert passages_found(library, question) == passages_found(new, question)


def passages_found(library: Library, question: str) -> list[tuple[str, float, str]]:
    """The first passages, without their ranks, which tell of equals at the end of a list."""
    return [(hit.id, hit.score, hit.text) for hit in library.search(question, 20, by="passage", exact=True)]


def test_it_is_searched_with_the_later_bundle_at_once_and_is_as_new_in_the_end(
    path: Path, family: Bundle, later: Bundle
) -> None:
    size = path.stat().st_size
    with Library(path, bundle=family) as library:
        before = [near(library, question) for question in QUESTIONS]
        told_of: list[tuple[int, int]] = []
        kept = library.upgrade(later, progress=lambda done, total: told_of.append((done, total)))
        assert kept is not None and kept > 0.8
        assert told_of[-1] == (COMPARED, COMPARED)
        info = library.info()
        assert (info.bundle, info.earlier, info.unrefined) == ("later", "tiny", COUNT)
        assert info.passages_by_width == {"earlier static": COUNT}
        assert library.problems(full=True) == []
        # The earlier bundle is at hand here, and finds what it found.
        assert [near(library, question) for question in QUESTIONS] == before
        library.refine(limit=COUNT // 2)
        assert library.problems(full=True) == []
        assert same(before, library) > 0.6
        assert format_of(path) == schema.UPGRADING
    with Library(path, bundle=later) as library:  # here it is not
        assert library.unrefined == {"earlier static": COUNT - COUNT // 2}
        assert same(before, library) > 0.6
        library.refine()
        assert format_of(path) == schema.VERSION
        assert_as_new(library, later, DOCUMENTS)
    assert path.stat().st_size <= 1.07 * size  # of passages so short that a number more in each row counts


def test_vectors_of_another_length_are_brought_over(path: Path, family: Bundle, tmp_path: Path) -> None:
    shorter = read_bundle(table_in_another_space(tmp_path, family.folder, dim=16))
    with Library(path, bundle=family) as library:
        before = [near(library, question) for question in QUESTIONS]
        library.upgrade(shorter)
        assert [near(library, question) for question in QUESTIONS] == before
    with Library(path, bundle=shorter) as library:
        assert same(before, library) > 0.4
        library.refine(limit=COUNT // 2)
        assert library.problems(full=True) == []
        assert {hit.dense_rank for hit in library.search(QUESTIONS[3], 20, mode="dense")} == set(range(1, 21))
        library.refine()
        assert_as_new(library, shorter, DOCUMENTS)


def test_documents_that_the_later_bundle_cuts_otherwise_are_cut_anew(
    path: Path, family: Bundle, tmp_path: Path
) -> None:
    narrow = read_bundle(table_in_another_space(tmp_path, family.folder, max_tokens=24))
    with Library(path, bundle=family) as library:
        assert library.upgrade(narrow, anew=True) is None
        assert library.refine(limit=500).refined == 500
        library.refine()
        assert library.info().passages > COUNT
        assert_as_new(library, narrow, DOCUMENTS, same_keys=False)


def test_what_both_bundles_say_is_too_different(path: Path, family: Bundle, tmp_path: Path, nestling: Run) -> None:
    unrelated = read_bundle(table_in_another_space(tmp_path, family.folder, unrelated=True))
    before = bytes_of(path)
    fails(
        nestling("upgrade", path, "--to", unrelated.folder),
        "what bundle tiny says of its passages tells too little of what later says: ",
    )
    assert bytes_of(path) == before
    with Library(path, bundle=family) as library:
        library.upgrade(unrelated, anew=True)
        assert library.search(QUESTIONS[0], mode="dense")[0].dense_rank == 1  # by the earlier bundle
    with Library(path, bundle=unrelated) as library:
        assert library.search(QUESTIONS[0], mode="dense") == []
        assert library.search(QUESTIONS[0])[0].dense_rank is None
        library.refine()
        assert_as_new(library, unrelated, DOCUMENTS)


def test_a_library_of_few_passages_is_encoded_at_once(tmp_path: Path, family: Bundle, later: Bundle) -> None:
    with Library(tmp_path / "a.nest", bundle=family) as library:
        library.add(DOCUMENTS[:50])
        assert library.upgrade(later) is None
        assert_as_new(library, later, DOCUMENTS[:50])
    with Library(tmp_path / "empty.nest", bundle=family) as library:
        assert library.upgrade(later) is None
        assert format_of(library.path) == schema.VERSION
        library.add(DOCUMENTS[:3])
        assert library.search(QUESTIONS[0])[0].id == "d0"


def test_changes_go_on_while_it_is_brought_over(path: Path, family: Bundle, later: Bundle) -> None:
    changed = [told(number, words=30, version=1) for number in range(0, 60, 2)]
    added = [*DOCUMENTS[:5], Document("copy", DOCUMENTS[9].text, DOCUMENTS[9].title)]
    with Library(path, bundle=family) as library:
        library.upgrade(later)
        library.search(QUESTIONS[0])
        library.add([*changed, added[-1]])
        assert library.unrefined == {"earlier static": COUNT - len(changed)}  # the copy's was not taken over
        library.remove(["d1", "d3"])
        assert library.search(added[-1].text, 3)[0].id in {"copy", "d9"}
        library.refine(limit=300)
        library.remove(["d5"])
        library.refine()
        gone = {"d1", "d3", "d5", *(one.id for one in changed)}
        now = [*(one for one in DOCUMENTS if one.id not in gone), *changed, added[-1]]
        assert_as_new(library, later, now, same_keys=False)


def test_who_has_it_open_with_the_earlier_bundle_is_told(path: Path, family: Bundle, later: Bundle) -> None:
    with Library(path, bundle=family) as other, Library(path, bundle=family) as library:
        other.search(QUESTIONS[0])
        library.upgrade(later)
        said = f"^{path}: was brought over to bundle later meanwhile; open it again$"
        with pytest.raises(LibraryError, match=said):
            other.search(QUESTIONS[0])
        with pytest.raises(LibraryError, match=said):
            other.add([told(1, version=3)])
        with pytest.raises(LibraryError, match=said):
            other.refine()
    with pytest.raises(LibraryError, match="bring it over to this one with: nestling upgrade"):
        Library(path, bundle=family)


def test_threads_that_search_go_on(path: Path, family: Bundle, later: Bundle) -> None:
    from threading import Thread

    errors: list[BaseException] = []
    with Library(path, bundle=family) as library:
        running = True

        def search() -> None:
            try:
                while running:
                    assert library.search(QUESTIONS[1], 3)[0].lexical_rank
            except BaseException as error:
                errors.append(error)

        threads = [Thread(target=search) for _ in range(3)]
        for thread in threads:
            thread.start()
        library.upgrade(later)
        library.refine(limit=200)
        running = False
        for thread in threads:
            thread.join()
    assert errors == []


def test_what_cannot_be_brought_over_stays_as_it_is(path: Path, family: Bundle, later: Bundle, tmp_path: Path) -> None:
    third = tmp_path / "third"
    shorter = read_bundle(table_in_another_space(third, family.folder, dim=16))
    with Library(path, bundle=family) as library:
        before = bytes_of(path)
        with pytest.raises(NestlingError, match=f"^{path}: is of bundle tiny already; nothing was changed$"):
            library.upgrade(family)
        with pytest.raises(NestlingError, match="has no width xxl"):
            library.upgrade(later, width="xxl")
        with library.refining(), pytest.raises(NestlingError, match="is being refined; leave that context"):
            library.upgrade(later)
        assert bytes_of(path) == before
        library.upgrade(later)
        with pytest.raises(NestlingError, match=f"already; go on with: nestling refine {path}$"):
            library.upgrade(later)
        shorter_said = (
            f"^{path}: is being brought over from tiny to later; before it is to another, finish that with: "
            f"nestling refine {path}$"
        )
        other = read_bundle(shorter.folder)
        object.__setattr__(other, "space", "1" * 64)
        with pytest.raises(NestlingError, match=shorter_said):
            library.upgrade(other)
        with pytest.raises(
            NestlingError, match=r"has vectors of bundle tiny still, .* finish that with: nestling refine"
        ):
            library.dump(tmp_path / "all.jsonl")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everything")
def test_a_library_that_may_only_be_read_is_told(path: Path, family: Bundle, later: Bundle) -> None:
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        with Library(path, bundle=family) as library, pytest.raises(LibraryError, match="cannot be written here"):
            library.upgrade(later)
    finally:
        path.parent.chmod(0o755)


def test_the_command_needs_no_earlier_bundle(path: Path, later: Bundle, nestling: Run) -> None:
    done = nestling("upgrade", path, "--to", later.folder, "--json")
    assert done.returncode == 0, done.stderr
    assert '"bundle": "later"' in done.stdout and f'"left": {COUNT}' in done.stdout
    assert "of the nearest passages stay the nearest" in done.stderr
    assert f"{COUNT} passages have the vectors of before; encode them with: nestling refine {path}" in done.stderr
    shown = nestling("info", path, "--bundle", later.folder)
    assert re.search(r"^brought over from +bundle tiny$", shown.stdout, re.MULTILINE), shown.stderr
    assert nestling("refine", path, "--bundle", later.folder).returncode == 0
    assert "brought over from" not in nestling("info", path, "--bundle", later.folder).stdout
    fails(nestling("upgrade", path, "--to", later.folder), "is of bundle later already; nothing was changed")


CHILD = """
import sys
from nestling import Library
from nestling.bundle.manifest import read_bundle
earlier, later = (read_bundle(folder) for folder in sys.argv[2:])
try:
    with Library(sys.argv[1], bundle=earlier) as library:
        print("ready", flush=True)
        library.upgrade(later)
        library.refine()
except ValueError:
    with Library(sys.argv[1], bundle=later) as library:
        print("ready", flush=True)
        library.refine()
print("done", flush=True)
"""


def test_whatever_kills_it_every_document_is_there_and_it_goes_on(
    path: Path, family: Bundle, later: Bundle, kills: int, made: bytes
) -> None:
    seeded = random.Random(11)
    stages = set()
    for _ in range(kills):
        command = [sys.executable, "-c", CHILD, str(path), str(family.folder), str(later.folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=guarded_environment()) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(seeded.uniform(0, 0.7))
            process.send_signal(signal.SIGKILL)
        with opened(path) as db:
            space = db.execute("SELECT value FROM meta WHERE key = 'space'").fetchone()[0]
        with Library(path, bundle=later if space == later.space else family) as library:
            assert len(library) == COUNT
            assert library.problems(full=True) == []
            assert library.get("d7") == DOCUMENTS[7]
            assert len(library.search(QUESTIONS[7], 3)) == 3
            left = sum(library.unrefined.values())
            stages.add("before" if space != later.space else "done" if not left else "between")
        if space == later.space and not left:
            for log in path.parent.glob("a.nest-*"):
                log.unlink()
            path.write_bytes(made)
    assert "between" in stages
    with Library(path, bundle=later if space == later.space and left else family) as library:
        if library.info().bundle != "later":
            library.upgrade(later)
        library.refine()
        assert_as_new(library, later, DOCUMENTS)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE earlier SET dim = 1000000000, alignment = NULL",
        "UPDATE earlier SET dim = -8",
        "UPDATE earlier SET widths = 'x'",
        "UPDATE earlier SET scales = '[[1, 0], [NaN, 0]]'",
        "UPDATE earlier SET alignment = x'00'",
        "DELETE FROM earlier",
        "DROP TABLE earlier",
        "DROP TABLE recoded",
    ],
)
def test_what_is_known_of_the_earlier_bundle_may_be_damaged(
    path: Path, family: Bundle, later: Bundle, damage: str
) -> None:
    with Library(path, bundle=family) as library:
        library.upgrade(later)
    with opened(path) as db:
        db.execute(damage)
        db.commit()
    said = r"is damaged; see what is wrong with|SQLite says"
    with pytest.raises(LibraryError, match=said), Library(path, bundle=later) as library:
        library.search(QUESTIONS[0])
        library.refine(limit=10)
        library.search(QUESTIONS[0])


def test_a_file_that_no_bundle_was_named_for_is_given_the_later_one(tmp_path: Path, later: Bundle) -> None:
    from nestling.library.intake.encoders import Encoders
    from nestling.library.intake.upgrade import upgrade_file
    from nestling.library.store.database import Database

    Database(tmp_path / "a.nest", create=True).close()
    encoders = Encoders(later, None, tmp_path / "a.nest")
    assert upgrade_file(tmp_path / "a.nest", encoders, "static", False, lambda done, total: None) is None
    with Library(tmp_path / "a.nest", bundle=later) as library:
        assert (library.info().bundle, library.document_width) == ("later", "static")


def test_a_damaged_text_is_not_made_to_look_sound(path: Path, family: Bundle, tmp_path: Path) -> None:
    narrow = read_bundle(table_in_another_space(tmp_path, family.folder, max_tokens=24))
    with opened(path) as db:
        db.execute("UPDATE texts SET text = x'789c01' WHERE key = (SELECT min(key) FROM texts)")
        db.commit()
    with Library(path, bundle=family) as library:
        said = [one for one in library.problems(full=True) if "text of which a part cannot be read" in one]
        assert said
        library.upgrade(narrow, anew=True)
        library.refine()
        assert said[0] in library.problems(full=True)


def test_there_and_back_what_is_held_is_read_anew(path: Path, family: Bundle, later: Bundle) -> None:
    with Library(path, bundle=family, document_width="static") as idle:
        before = [near(idle, question) for question in QUESTIONS]
        with Library(path, bundle=family, document_width="static") as library:
            library.upgrade(later)
            library.refine()
            library.upgrade(family, width="xl", anew=True)
            library.refine()
            expected = [near(library, question) for question in QUESTIONS]
        with Library(path, bundle=family, query_width="xl") as fresh:
            assert [near(fresh, question) for question in QUESTIONS] == expected
        assert before != expected
        found = [near(idle, question) for question in QUESTIONS]
    with Library(path, bundle=family, query_width="static") as fresh:
        assert [near(fresh, question) for question in QUESTIONS] == found


def test_a_closed_library_is_not_upgraded(path: Path, family: Bundle, later: Bundle) -> None:
    library = Library(path, bundle=family)
    library.close()
    before = bytes_of(path)
    with pytest.raises(LibraryError, match="the library is closed; open it again"):
        library.upgrade(later)
    assert bytes_of(path) == before


def test_it_is_found_without_the_earlier_bundle_once_that_is_gone(path: Path, family: Bundle, later: Bundle) -> None:
    from nestling import Encoder

    encoder = Encoder(family, width="static")
    with Library(path, encoder=encoder) as library:
        before = [near(library, question) for question in QUESTIONS]
        library.upgrade(later)
        encoder.close()
        assert same(before, library) > 0.6
