from __future__ import annotations

import numpy as np
import pytest

from nestling.vectors import hamming


@pytest.fixture(params=["packed", "unpacked", "numpy"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """All; which of the first two a machine takes depends on what packed rows take on it, and a numkong without
    these kernels is what `delattr` leaves."""
    monkeypatch.setattr(hamming, "_MOST_GROWTH", 1e9 if request.param == "packed" else 0)
    if request.param == "numpy":
        monkeypatch.delattr(hamming.numkong, "hammings_pack")
        monkeypatch.delattr(hamming.numkong, "cdist")
    return str(request.param)


@pytest.mark.parametrize("block", [64, 1 << 16])
@pytest.mark.parametrize("rows", [0, 1, 63, 64, 65, 700])
@pytest.mark.parametrize("width", [1, 2, 9, 48, 96])
def test_every_row_is_compared_once(
    kernel: str, block: int, rows: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hamming, "BLOCK_ROWS", block)
    random = np.random.default_rng(rows + width)
    bits = random.integers(0, 256, (rows, width), dtype=np.uint8)
    query = random.integers(0, 256, (1, width), dtype=np.uint8)
    blocks = hamming.blocks(bits)
    found = [hamming.distances(query, part) for part in blocks]
    assert all(some.dtype == np.uint32 for some in found)
    expected = np.unpackbits(query ^ bits, axis=1).sum(axis=1)
    assert np.concatenate([np.zeros(0), *found]).tolist() == expected.tolist()
    assert all(isinstance(part, np.ndarray) == (kernel != "packed" or rows < block) for part in blocks)


def test_a_copy_is_never_made_where_it_takes_much_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hamming, "BLOCK_ROWS", 64)
    for width in (1, 48, 96):
        bits = np.zeros((700, width), dtype=np.uint8)
        assert sum(part.nbytes for part in hamming.blocks(bits)) <= 1.5 * bits.nbytes + 4 * 700


def test_the_first_bytes_of_rows_are_compared_alone(kernel: str) -> None:
    bits = np.random.default_rng(1).integers(0, 256, (50, 48), dtype=np.uint8)
    (part,) = hamming.blocks(bits[:, :16])
    expected = np.unpackbits(bits[:1, :16] ^ bits[:, :16], axis=1).sum(axis=1)
    assert (hamming.distances(np.ascontiguousarray(bits[:1, :16]), part) == expected).all()
