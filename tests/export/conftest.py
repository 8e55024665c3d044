"""A tiny encoder, its graph, and texts in its tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nestling.arrays import Ids
from tiny import VOCABULARY, loaded, make_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny encoder's `weights` and its float32 graph `float32.onnx`."""
    from nestling.export.quantize.onnx_graph import export_graph

    folder = tmp_path_factory.mktemp("tiny")
    make_tiny(folder)
    export_graph(loaded(folder / "weights"), 64, folder / "float32.onnx")
    return folder


@pytest.fixture
def model(tiny: Path) -> Any:
    """The tiny encoder's float32 graph, to be changed."""
    import onnx

    return onnx.load(tiny / "float32.onnx")


@pytest.fixture(scope="session")
def texts() -> list[Ids]:
    """Token ids of 40 texts, from 3 tokens to the 64 that the tiny encoder takes."""
    random = np.random.default_rng(0)
    return [random.integers(0, len(VOCABULARY), length) for length in np.linspace(3, 64, 40).astype(int)]
