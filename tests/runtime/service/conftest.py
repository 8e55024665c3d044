"""A service that the tests of a file share, over two small libraries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from services import Service, library_at, loopback, serving

from nestling import Document

NOTES = [
    Document("owls", "Owls hunt at night and sleep by day.", "Owls", {"year": 2021}),
    Document("burns", "Cool a burn under running water for twenty minutes.", "Burns", {"year": 2024}),
    Document("amoxicillin", "A child's dose of amoxicillin depends on the weight.", "Amoxicillin", {"year": 2020}),
]
LETTERS = [Document("letter", "The rent for March was paid late.", "Rent")]


@pytest.fixture(autouse=True)
def own_machine() -> Iterator[None]:
    with loopback():
        yield


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("served")
    notes, letters = library_at(folder / "notes.nest", NOTES), library_at(folder / "letters.nest", LETTERS)
    with serving(notes, letters) as running:
        yield running
