from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest

from nestling.arrays import Floats, Ids
from nestling.export.recipe.training import StaticRecipe
from nestling.export.train.static_table import StaticTable, packed, trained

RECIPE = StaticRecipe(bits=4, rank=16, passes=20, learning_rate=0.02, batch=32)
RANDOM = np.random.default_rng(0)
SINGLE = RANDOM.normal(size=(50, 16)).astype(np.float32)
TEXTS: list[Ids] = [RANDOM.integers(0, 50, size=length) for length in RANDOM.integers(3, 20, size=320)]


def vectors(table: StaticTable, texts: list[Ids]) -> Floats:
    """The formula written out."""
    rows = np.stack([sum(table.weights[id] * table.rows[id] for id in ids) @ table.map for ids in texts])
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def unpacked(data: bytes) -> StaticTable:
    """A packed table of 50 tokens and rank 16, whose rows are its codes."""
    with np.load(BytesIO(data)) as stored:
        codes = stored["codes"]
        if codes.dtype == np.uint8:
            assert codes.shape == (50, 8)
            codes = np.stack([codes & 15, codes >> 4], axis=2).reshape(50, 16).astype(np.int8) - 8
        assert codes.dtype == np.int8
        return StaticTable(
            codes.astype(np.float32), stored["factors"].astype(np.float32), stored["map"].astype(np.float32)
        )


@pytest.fixture(scope="module")
def targets() -> Floats:
    """Vectors in which the first ten tokens count for nothing."""
    return vectors(StaticTable(SINGLE, (np.arange(50) >= 10).astype(np.float32), np.eye(16, dtype=np.float32)), TEXTS)


def nearness(table: StaticTable, targets: Floats) -> float:
    return float((vectors(table, TEXTS) * targets).sum(axis=1).mean())


def test_training_finds_what_each_token_counts_for(targets: Floats) -> None:
    begun = trained(TEXTS[:32], targets[:32], SINGLE, StaticRecipe(4, 16, 1, 1e-9, 32), seed=0)
    table = trained(TEXTS, targets, SINGLE, RECIPE, seed=0)
    assert nearness(table, targets) > 0.95
    assert 1 - nearness(table, targets) < 0.2 * (1 - nearness(begun, targets))
    strength = np.abs(table.weights) * np.linalg.norm(table.rows, axis=1)
    assert strength[:10].mean() < 0.5 * strength[10:].mean()


def test_a_lower_rank_keeps_most(targets: Floats) -> None:
    table = trained(TEXTS, targets, SINGLE, StaticRecipe(4, 8, 20, 0.02, 32), seed=0)
    assert (table.rows.shape, table.map.shape) == ((50, 8), (8, 16))
    assert 0.7 < nearness(table, targets) < nearness(trained(TEXTS, targets, SINGLE, RECIPE, seed=0), targets)


def test_the_same_seed_gives_the_same_table(targets: Floats) -> None:
    one, other = (trained(TEXTS, targets, SINGLE, RECIPE, seed=3) for _ in range(2))
    assert packed(one, 4) == packed(other, 4)
    assert packed(one, 4) != packed(trained(TEXTS, targets, SINGLE, RECIPE, seed=4), 4)


@pytest.mark.parametrize(("bits", "least"), [(4, 0.98), (8, 0.9999)])
def test_a_packed_table_gives_nearly_its_vectors(targets: Floats, bits: int, least: float) -> None:
    table = trained(TEXTS, targets, SINGLE, RECIPE, seed=0)
    found = unpacked(packed(table, bits))
    assert np.abs(found.rows).max() == (7 if bits == 4 else 127)
    assert (vectors(found, TEXTS) * vectors(table, TEXTS)).sum(axis=1).min() > least


def test_a_row_of_zeros_is_packed() -> None:
    table = StaticTable(np.zeros((3, 4), np.float32), np.ones(3, np.float32), np.eye(4, dtype=np.float32))
    with np.load(BytesIO(packed(table, 4))) as stored:
        assert (stored["codes"] == 0x88).all()
        assert np.isfinite(stored["factors"]).all()
