"""A folder of notes and its library, for commands that are processes of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from processes import Run


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of each kind."""
    folder = tmp_path_factory.mktemp("notes")
    (folder / "owls.txt").write_text("Owls hunt at night. They hear a mouse under the snow.")
    (folder / "burns.md").write_text("# Burns\n\nCool the burn under running water for twenty minutes.")
    (folder / "page.html").write_text("<title>Router</title><p>Hold the reset button for ten seconds.</p>")
    (folder / "list.csv").write_text("id,text,year\nc1,The fridge shows E24 when the drain is blocked,2024\n")
    lines = [
        json.dumps({"id": "j1", "text": "Amoxicillin is dosed by weight.", "metadata": {"year": 2023}}),
        "this is not JSON",
        json.dumps({"id": "j2"}),
    ]
    (folder / "notes.jsonl").write_text("\n".join(lines))
    (folder / "photo.jpg").write_bytes(b"\xff\xd8")
    (folder / ".hidden.txt").write_text("a secret")
    return folder


@pytest.fixture(scope="session")
def library(folder: Path, nestling: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of that folder."""
    path = tmp_path_factory.mktemp("library") / "notes.nest"
    assert nestling("add", path, folder).returncode == 0
    return path
