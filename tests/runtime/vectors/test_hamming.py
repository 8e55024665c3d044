from __future__ import annotations

from functools import partial

import numkong
import numpy as np
import pytest

from nestling.vectors import hamming


@pytest.fixture(params=["packed", "unpacked", "numpy"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """All; a numkong without these kernels is what `delattr` leaves."""
    if request.param == "numpy":
        monkeypatch.delattr(numkong, "hammings_pack")
        monkeypatch.delattr(numkong, "cdist")
    return str(request.param)


@pytest.fixture
def blocks(kernel: str) -> partial[list[object]]:
    """`hamming.blocks`; which of the first two kernels a machine takes depends on what packed rows take on it."""
    return partial(hamming.blocks, max_growth=1e9 if kernel == "packed" else 0)


@pytest.mark.parametrize("block_rows", [64, hamming.BLOCK_ROWS])
@pytest.mark.parametrize("rows", [0, 1, 63, 64, 65, 700])
@pytest.mark.parametrize("width", [1, 2, 9, 48, 96])
def test_every_row_is_compared_once(
    kernel: str, blocks: partial[list[object]], block_rows: int, rows: int, width: int
) -> None:
    random = np.random.default_rng(rows + width)
    bits = random.integers(0, 256, (rows, width), dtype=np.uint8)
    query = random.integers(0, 256, (1, width), dtype=np.uint8)
    made = blocks(bits, block_rows=block_rows)
    found = [hamming.distances(query, block) for block in made]
    assert all(some.dtype == np.uint32 for some in found)
    expected = np.unpackbits(query ^ bits, axis=1).sum(axis=1)
    assert np.concatenate([np.zeros(0), *found]).tolist() == expected.tolist()
    assert all(isinstance(block, np.ndarray) == (kernel != "packed" or rows < block_rows) for block in made)


def test_a_copy_is_never_made_where_it_takes_much_more() -> None:
    for width in (1, 48, 96):
        bits = np.zeros((700, width), dtype=np.uint8)
        assert sum(block.nbytes for block in hamming.blocks(bits, block_rows=64)) <= 1.5 * bits.nbytes + 4 * 700


def test_the_first_bytes_of_rows_are_compared_alone(blocks: partial[list[object]]) -> None:
    bits = np.random.default_rng(1).integers(0, 256, (50, 48), dtype=np.uint8)
    (block,) = blocks(bits[:, :16])
    expected = np.unpackbits(bits[:1, :16] ^ bits[:, :16], axis=1).sum(axis=1)
    assert (hamming.distances(np.ascontiguousarray(bits[:1, :16]), block) == expected).all()
