from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from nestling import Document, Skip, child
from nestling.readers import read_file, sandbox
from nestling.readers.sandbox import Sandbox


@pytest.fixture
def page(tmp_path: Path) -> Path:
    page = tmp_path / "a.html"
    page.write_text("<p>owls</p>")
    return page


def instead(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Have another program run than the sandbox's."""
    monkeypatch.setattr(sandbox, "command", lambda module: [sys.executable, "-c", code])


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)", "exit code 3"),
        ("import os; os.write(2, b'x' * 100_000 + b'\\nthe last\\n')", "the last"),
    ],
)
def test_a_process_that_does_not_start_says_why(
    page: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    instead(monkeypatch, code)
    with Sandbox() as reader:
        for _ in range(2):
            (skip,) = reader.read(page)
            assert skip == Skip(str(page), f"could not be read (the reading process does not start: {reason})", True)


def test_a_program_that_cannot_be_run_is_named(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "command", lambda module: ["/nowhere/python3"])
    (skip,) = Sandbox().read(page)
    assert isinstance(skip, Skip)
    assert skip.reason == (
        "could not be read (the reading process does not run: [Errno 2] No such file or directory: '/nowhere/python3')"
    )
    assert skip.transient


def test_a_parser_that_is_not_there_or_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "pypdfium2.py").write_text("raise ImportError('libpdfium.so: cannot open shared object file')\n")
    with pytest.MonkeyPatch.context() as patch, Sandbox() as reader:
        patch.setattr(sys, "path", [str(broken), *sys.path])
        (skip,) = reader.read(tmp_path / "a.pdf")
        assert isinstance(skip, Skip)
        assert skip.reason == (
            "its parser cannot be loaded (libpdfium.so: cannot open shared object file); install it anew"
        )
    (broken / "pypdfium2.py").write_text("import no_such_module\n")
    with pytest.MonkeyPatch.context() as patch, Sandbox() as reader:
        patch.setattr(sys, "path", [str(broken), *sys.path])
        (skip,) = reader.read(tmp_path / "a.pdf")
        assert isinstance(skip, Skip)
        assert skip.reason == "needs no_such_module; get it with: pip install 'nestling[files]'"


def test_the_other_process_is_ahead_by_a_few_answers_only(page: Path, tmp_path: Path, monkeypatch: Any) -> None:
    told = tmp_path / "told"
    instead(
        monkeypatch,
        "import json, sys\nprint('{\"ready\": true}', flush=True)\nsys.stdin.readline()\n"
        "document = dict(id='a', text='x' * 100_000, title='', metadata={}, source='')\n"
        f"told = open({str(told)!r}, 'w')\n"
        "for number in range(1000):\n"
        "    print(json.dumps({'document': document}), flush=True); print(number, file=told, flush=True)\n"
        "print('{\"done\": true}', flush=True)\n",
    )
    with Sandbox() as reader:
        found = reader.read(page)
        assert isinstance(next(found), Document)
        time.sleep(0.5)
        assert len(told.read_text().splitlines()) < 15
        assert sum(1 for _ in found) == 999


def test_what_is_not_read_to_its_end_leaves_nothing_behind(page: Path, tmp_path: Path) -> None:
    box = tmp_path / "a.mbox"
    box.write_text("".join(f"From a\nSubject: mail {n}\n\n{'owl ' * 5000}\n\n" for n in range(50)))
    before = threading.active_count()
    with Sandbox() as reader:
        items = reader.read(box)
        next(items)
        items.close()  # type: ignore[attr-defined]
        (document,) = reader.read(page)
        assert isinstance(document, Document)
        assert document.text == "owls"
    assert threading.active_count() == before


def test_a_relative_path_is_that_of_the_folder_it_was_given_in(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = page.parent / "other"
    other.mkdir()
    with Sandbox() as reader:
        assert len(list(reader.read(page))) == 1
        monkeypatch.chdir(other)
        (other / "b.html").write_text("<p>hawks</p>")
        (document,) = reader.read(Path("b.html"))
        assert isinstance(document, Document)
        assert (document.text, document.source) == ("hawks", str(other / "b.html"))


def test_without_a_python_files_are_read_in_this_process(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "python", lambda: None)
    monkeypatch.setattr(Sandbox, "read", None)
    (document,) = read_file(page, Sandbox())
    assert isinstance(document, Document)
    assert document.text == "owls"
