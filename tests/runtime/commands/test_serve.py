from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from services import library_at, loopback, serving

from nestling import Document, Library
from processes import Run, fails, started


@pytest.fixture(autouse=True)
def own_machine() -> Iterator[None]:
    with loopback():
        yield


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return library_at(tmp_path / "notes.nest", [Document("owls", "Owls hunt at night.")])


def test_a_port_that_is_taken_is_told(library: Path, nestling: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fails(
            nestling("serve", library, "--port", port),
            f"port {port} is taken by another program; give another with --port",
        )


def test_without_a_port_a_free_one_is_found(library: Path) -> None:
    with serving(library) as first, serving(library) as second:
        assert first.host != second.host
        assert second.ask("GET", "/api/libraries").status == 200


def test_other_machines_are_served_with_a_given_token_alone(library: Path, nestling: Run) -> None:
    fails(
        nestling("serve", library, "--host", "0.0.0.0"),
        "0.0.0.0 can be reached by other machines; give a token that they must send, with --token",
    )
    fails(
        nestling("serve", library, "--token", "short"),
        "the token is not 16 or more letters, digits, '-', '.', '_' or '~'; give another",
    )


def test_a_library_that_is_none_is_told(tmp_path: Path, nestling: Run) -> None:
    (tmp_path / "no.nest").write_text("no library")
    fails(nestling("serve", tmp_path / "no.nest"), "no.nest")
    fails(nestling("serve", tmp_path / "missing.nest"), "missing.nest")
    assert not (tmp_path / "missing.nest").exists()


def test_a_given_token_and_port_are_used(library: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(library, "--port", port, "--token", "a-token-of-some-length") as running:
        assert running.address == f"http://127.0.0.1:{port}/?token=a-token-of-some-length"
        assert running.ask("GET", "/api/libraries").status == 200


def test_without_the_extra_it_says_how_to_get_it(library: Path) -> None:
    code = (
        "import sys; sys.modules['uvicorn'] = None; from nestling.cli import main; "
        f"sys.argv = ['nestling', 'serve', {str(library)!r}]; main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    fails(ended, 'serve needs starlette and uvicorn; install them with: pip install "nestling[serve]"')


def test_it_ends_when_it_is_told_to(library: Path) -> None:
    with serving(library) as running:
        running.process.terminate()
        out, error = running.process.communicate(timeout=20)
    assert (out, error) == ("", "")


def test_a_sync_that_watches_goes_on_until_it_is_stopped(library: Path, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    with Library(library) as opened:
        opened.sync(folder)
    process = started("sync", library, "--watch")
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    assert next(line for line in lines if "watching" in line) == "watching; stop with Ctrl-C\n"
    (folder / "bees.txt").write_text("Bees dance.")
    assert next(line for line in lines if "added" in line).startswith("1 added, 0 changed")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    with Library(library) as opened:
        assert str(folder / "bees.txt") in opened
