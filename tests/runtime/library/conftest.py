"""What the tests of the library share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bundles import tiny_family
from nestling import Encoder, Library
from nestling.bundle.manifest import Bundle, read_bundle
from nestling.demo import demo_documents
from nestling.library.store import documents
from nestling.library.store.database import Database
from stored import BURN, FRIDGE, OWL, coded


class CountingEncoder(Encoder):
    """The bundled encoder, which keeps what it was given of documents."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded: list[str] = []

    def encode(self, texts: Any, role: Any) -> npt.NDArray[np.float32]:
        """Encode, and remember."""
        if role == "document":
            self.encoded += texts
        return super().encode(texts, role)


@pytest.fixture(scope="session")
def _counting() -> CountingEncoder:
    return CountingEncoder()


@pytest.fixture
def counting(_counting: CountingEncoder) -> CountingEncoder:
    """An encoder whose `encoded` has the passages that were encoded in this test."""
    _counting.encoded.clear()
    return _counting


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of three widths, xl, s and static, that runs in a moment."""
    return read_bundle(tiny_family(tmp_path_factory.mktemp("family")))


@pytest.fixture
def library(tmp_path: Path, encoder: Encoder) -> Iterator[Library]:
    """A library of three documents."""
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        library.add([OWL, BURN, FRIDGE])
        yield library


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Iterator[Library]:
    """A library of the demo collection that tests only read."""
    with Library(tmp_path_factory.mktemp("demo") / "demo.nest", encoder=encoder) as library:
        library.add(demo_documents())
        yield library


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where `store` is."""
    return tmp_path / "a.nest"


@pytest.fixture
def store(path: Path) -> Iterator[Database]:
    """A library's file with two documents of random codes."""
    store = Database(path, create=True)
    with store.writing():
        documents.put(store, *coded("owl", "owls hunt at night over the fields", [(0, 17), (10, 34)], seed=1))
        documents.put(store, *coded("burn", "cool the burn with water", seed=2))
    yield store
    store.close()
