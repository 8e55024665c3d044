"""The width `static`: a table with a row a token, whose rows numpy sums; it needs no ONNX Runtime.

`static.npz` holds

    codes    (tokens, rank) int8, or of 4 bits (tokens, rank / 2) uint8: two codes a byte, the low half first, each 8
             more than it stands for
    factors  (tokens,) float16, the weight of a token times the scale of its row
    map      (rank, dim) float16; left out where rank is dim

and a text's vector is the unit vector of `sum(factors[id] * codes[id] for its ids) @ map`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..arrays import Counts, Floats, Ids
from ..bundle import archive
from ..bundle.manifest import Role
from ..errors import BundleError
from .tokens import Tokens

_MOST_BYTES = 256 << 20
_MOST_RANK = 4096
_UNIT_ROWS = 1024
_CODES = {"int8": np.dtype(np.int8), "int4": np.dtype(np.uint8)}


@dataclass(frozen=True, eq=False)
class Table:
    """A token table in memory.

    Attributes:
        codes: (tokens, rank) int8.
        factors: (tokens,) float32.
        map: (rank, dim) float32, or None where rank is dim.
    """

    codes: npt.NDArray[np.int8]
    factors: Floats
    map: Floats | None

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return int((self.codes if self.map is None else self.map).shape[1])

    def sum(self, ids: Ids) -> Floats:
        """The sum of a text's rows before it is made a unit vector, (dim,) float32.

        A text at a time, in numpy's own loops: BLAS would give other last bits with other threads.
        """
        rows = self.codes.take(ids, axis=0).astype(np.float32)
        total = np.einsum("tr,t->r", rows, self.factors.take(ids), optimize=False)
        if self.map is not None:
            total = np.einsum("rd,r->d", self.map, total, optimize=False)
        return np.asarray(total, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class StaticEngine:
    """What the width `static` runs with, see `engine.Engine`."""

    tokens: Tokens
    table: Table

    def vector(self, ids: Ids) -> Floats:
        """The vector of a text's token ids, (dim,) float32 of unit length."""
        return np.asarray(_unit(self.table.sum(ids)[None, :])[0], dtype=np.float32)

    def run(self, texts: Sequence[str], role: Role, threads: int) -> tuple[Floats, Counts]:
        """See `engine.Engine.run`; on the calling thread, which is done before other threads would have started."""
        vectors = np.empty((len(texts), self.table.dim), dtype=np.float32)
        left_out = np.zeros(len(texts), dtype=np.int64)
        for row, text in enumerate(texts):
            ids, left_out[row] = self.tokens.word_ids(text, role)
            vectors[row] = self.table.sum(ids)
        for begin in range(0, len(texts), _UNIT_ROWS):
            vectors[begin : begin + _UNIT_ROWS] = _unit(vectors[begin : begin + _UNIT_ROWS])
        return vectors, left_out


def read_table(path: Path, precision: str, dim: int, highest_id: int) -> Table:
    """Read a `static.npz`.

    Args:
        precision: int8 or int4, the bits of the codes.
        dim: length of the vectors.
        highest_id: the highest id that the tokenizer gives; there must be a row for it.

    Raises:
        BundleError: the file is missing or is not what it must be.
    """
    try:
        with archive.opened(path, _MOST_BYTES) as stored:
            if set(stored.files) - {"map"} != {"codes", "factors"}:
                raise ValueError(f"it has {sorted(stored.files)}, expected codes, factors and perhaps map")
            arrays = {name: stored[name] for name in stored.files}
        codes = _codes(arrays["codes"], precision)
        tokens, rank = codes.shape
        if tokens <= highest_id:
            raise ValueError(f"it has {tokens} rows, expected more than the tokenizer's highest id {highest_id}")
        if "map" not in arrays and rank != dim:
            raise ValueError(f"it has rows of {rank} codes and no map, expected {dim}")
        factors = _floats("factors", arrays["factors"], (tokens,))
        return Table(codes, factors, _floats("map", arrays["map"], (rank, dim)) if "map" in arrays else None)
    except Exception as error:  # damaged archives raise nearly anything, from zlib.error to RecursionError
        reason = str(error) or type(error).__name__
        raise BundleError(f"{path}: holds no token table ({reason}); build the bundle again") from error


def _codes(stored: npt.NDArray[np.generic], precision: str) -> npt.NDArray[np.int8]:
    """The stored codes as (tokens, rank) int8."""
    if stored.dtype != _CODES[precision] or stored.ndim != 2:
        found = f"{stored.dtype} of shape {stored.shape}"
        raise ValueError(f"its codes are {found}, expected {_CODES[precision]} in rows for {precision}")
    per_byte = 2 if precision == "int4" else 1
    tokens, rank = stored.shape[0], stored.shape[1] * per_byte
    if not 1 <= rank <= _MOST_RANK:
        raise ValueError(f"its rows have {rank} codes, expected 1 to {_MOST_RANK}")
    if per_byte == 1:
        return np.ascontiguousarray(stored, dtype=np.int8)
    codes = np.empty((tokens, rank), dtype=np.int8)
    both = np.asarray(stored, dtype=np.uint8)
    np.bitwise_and(both, 15, out=codes[:, 0::2], casting="unsafe")
    np.right_shift(both, 4, out=codes[:, 1::2], casting="unsafe")
    codes -= 8
    return codes


def _floats(name: str, stored: npt.NDArray[np.generic], shape: tuple[int, ...]) -> Floats:
    """Stored float16 numbers of this shape as float32, all of them finite."""
    if stored.dtype != np.float16 or stored.shape != shape:
        raise ValueError(f"its {name} are {stored.dtype} of shape {stored.shape}, expected float16 of shape {shape}")
    numbers = np.ascontiguousarray(stored, dtype=np.float32)
    if not np.isfinite(numbers).all():
        raise ValueError(f"its {name} have numbers that are not finite")
    return numbers


def _unit(sums: Floats) -> Floats:
    """Rows made unit vectors; of a row of zeros, which has no direction, the first axis.

    Args:
        sums: (n, dim) float32.
    """
    wide = sums.astype(np.float64)
    norms = np.sqrt((wide * wide).sum(axis=1, keepdims=True))
    zero = norms[:, 0] == 0
    norms[zero] = 1
    wide /= norms
    wide[zero, 0] = 1
    return wide.astype(np.float32)
