"""A user who may only read a library's file sees what its owner adds, and never an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nestling import Document, Encoder, Library
from nestling.errors import LibraryError
from processes import guarded_environment
from stored import opened

READER = """
import json, os, sys
import nestling.library.library
from nestling import Encoder, Library
encoder = Encoder(width="static")
encoder.encode(["owls"], role="query")
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
library = None
for line in sys.stdin:
    try:
        library = library or Library(line.strip(), encoder=encoder, create=False)
        print(json.dumps([len(library), *sorted(hit.id for hit in library.search("owls", k=1000))]), flush=True)
    except Exception as error:
        print(json.dumps(repr(error)), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="only root can become another user")
def test_another_user_follows_the_owner_and_meets_no_error() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own may not be entered by another user
        Path(folder).chmod(0o755)
        _follow(Path(folder, "a.nest"))


def _follow(path: Path) -> None:
    encoder = Encoder(width="static")

    def documents(first: int, last: int) -> list[Document]:
        words = {n: " ".join(str(n * m * 7919 % 9973) for m in range(60)) for n in range(first, last)}
        return [Document(str(n), f"owls {n} {rest}") for n, rest in words.items()]

    with Library(path, encoder=encoder) as library:
        library.add(documents(0, 300))
    process = subprocess.Popen(
        [sys.executable, "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=guarded_environment(), cwd="/",
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None

    def asked() -> list[object]:
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        found: list[object] = json.loads(process.stdout.readline())
        return found

    def expected(count: int) -> list[object]:
        return [count, *sorted(str(n) for n in range(count))]

    assert asked() == expected(300)
    for first in range(300, 600, 100):  # the owner opens, adds and closes, so that the log comes and goes
        with Library(path, encoder=encoder) as library:
            library.add(documents(first, first + 50))
            assert asked() == expected(first + 50)
            library.add(documents(first + 50, first + 100))
            assert asked() == expected(first + 100)
        assert asked() == expected(first + 100)
    process.stdin.close()
    assert process.wait() == 0


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """A library that may only be read, as `os.access` says while it is opened."""
    path, encoder = tmp_path / "a.nest", Encoder(width="static")
    with Library(path, encoder=encoder) as library:
        library.add([Document("owl", "owls hunt at night"), Document("sun", "the sun is far away")])
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: False)
        return Library(path, encoder=encoder, create=False)


def test_a_closed_reader_stays_closed_though_the_file_changes(reader: Library) -> None:
    reader.close()
    with Library(reader.path, encoder=reader.encoder) as owner:
        owner.add([Document("moon", "the moon is near")])
    for call in (reader.info, reader.failures, reader.problems, lambda: len(reader)):
        with pytest.raises(LibraryError, match=r"^the library is closed; open it again$"):
            call()


def test_a_file_that_takes_the_place_of_one_that_is_read_is_told(reader: Library, tmp_path: Path) -> None:
    assert {hit.id for hit in reader.search("owls and the sun")} == {"owl", "sun"}
    with Library(tmp_path / "b.nest", encoder=reader.encoder) as other:
        other.add([Document(f"moon {number}", "the moon is near") for number in range(4)])
    (tmp_path / "b.nest").replace(reader.path)
    with pytest.raises(LibraryError, match=r"a\.nest: was replaced by another file; open it again$"):
        reader.search("the moon")


def test_damage_that_came_after_the_opening_is_found_by_who_may_only_read(reader: Library) -> None:
    assert reader.problems() == []
    with opened(reader.path) as db:
        db.execute("DELETE FROM fine")
    assert "2 passages have no fine code" in reader.problems()


def test_a_reader_who_cannot_follow_once_follows_the_next_time(reader: Library) -> None:
    whole = reader.path.read_bytes()
    reader.path.write_bytes(b"no library at this moment, as while a copy is written over it" * 99)
    with pytest.raises(LibraryError, match=r"is not a Nestling library; expected a file that nestling made$"):
        reader.search("owls")
    reader.path.write_bytes(whole)
    assert reader.search("owls", k=1)[0].id == "owl"
