"""A token table by product quantization (Jégou, Douze & Schmid 2011): a code of 8 bits for each run of a row's numbers.

Each run has a codebook of its own, of 256 centres that k-means finds among the table's own rows. ONNX Runtime looks up
a row's codes and then the centres, so that the table is never unpacked as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper

from ...arrays import Bytes, Floats
from ..recipe.grid import Codebooks

_CENTRES = 256
_ROUNDS = 25
_DAMPING = 0.01
_ROWS = 1 << 14


@dataclass(frozen=True, eq=False)
class CodedTable:
    """A token table as codes.

    Attributes:
        codebooks: how it was made.
        codes: (rows, runs) uint8.
        centres: (runs, 256, run) float16, what the codes of each run stand for.
    """

    codebooks: Codebooks
    codes: Bytes
    centres: Any

    def values(self) -> Floats:
        """The numbers that the codes stand for, (dim, rows) float32."""
        runs = np.arange(len(self.centres))
        rows = self.centres.astype(np.float32)[runs[None, :], self.codes].reshape(len(self.codes), -1)
        return np.ascontiguousarray(rows.T)


def coded_table(table: Floats, codebooks: Codebooks, second: Floats, seed: int) -> CodedTable:
    """Find the codebooks of a table, and the codes of its rows.

    Args:
        table: (rows, dim) float32; dim is a multiple of the run.
        second: (dim, dim) float32, how much the vectors depend on each direction of a row; see `gradients`. Within a
            run distances are measured by it.
        seed: of the first centres.
    """
    run, random = codebooks.run, np.random.default_rng(seed)
    runs = table.shape[1] // run
    codes = np.empty((len(table), runs), dtype=np.uint8)
    centres = np.empty((runs, _CENTRES, run), dtype=np.float16)
    for number in range(runs):
        part = slice(number * run, (number + 1) * run)
        metric = second[part, part].astype(np.float64)
        metric[np.diag_indices_from(metric)] += _DAMPING * np.mean(np.diag(second))
        into = np.linalg.cholesky(metric)
        points = torch.from_numpy((table[:, part] @ into).astype(np.float32))
        found = _centres(points, random).numpy().astype(np.float64) @ np.linalg.inv(into)
        centres[number] = found.astype(np.float16)
        stored = torch.from_numpy((centres[number].astype(np.float64) @ into).astype(np.float32))
        codes[:, number] = _nearest(points, stored).numpy()
    return CodedTable(codebooks, codes, centres)


def _centres(points: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """k-means (Lloyd 1982) from drawn points, (256, run); one that nothing is near takes a drawn point's place."""
    count = min(_CENTRES, len(points))
    centres = points[torch.from_numpy(random.choice(len(points), count, replace=False))].clone()
    centres = torch.cat([centres, centres[:1].expand(_CENTRES - count, -1)])
    for _ in range(_ROUNDS):
        nearest = _nearest(points, centres)
        sizes = torch.bincount(nearest, minlength=_CENTRES)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        empty = sizes == 0
        centres = sums / sizes.clamp(min=1)[:, None]
        if empty.any():
            drawn = random.choice(len(points), int(empty.sum()))
            centres[empty] = points[torch.from_numpy(drawn)]
    return centres


def _nearest(points: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """The number of each point's nearest centre, (n,) int64."""
    halves = (centres**2).sum(dim=1) / 2
    return torch.cat([(halves - part @ centres.T).argmin(dim=1) for part in torch.split(points, _ROWS)])


def look_up(table: CodedTable, name: str, ids: str, words: str) -> tuple[list[Any], list[Any]]:
    """The nodes and stored tensors that look rows of a table up.

    Args:
        name: what the tensors' names begin with.
        ids, words: names of the ids that go in and of the rows, float32, that come out.
    """
    runs, centres, run = table.centres.shape
    arrays = {
        f"{name}.codes": table.codes,
        f"{name}.centres": table.centres.reshape(runs * centres, run),
        f"{name}.firsts": (np.arange(runs) * centres).astype(np.int32),
        f"{name}.shape": np.array([0, 0, runs * run], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Gather", [f"{name}.codes", ids], [f"{words}.codes"], name=words, axis=0),
        helper.make_node("Cast", [f"{words}.codes"], [f"{words}.small"], name=f"{words}.small", to=TensorProto.INT32),
        helper.make_node("Add", [f"{words}.small", f"{name}.firsts"], [f"{words}.rows"], name=f"{words}.rows"),
        helper.make_node("Gather", [f"{name}.centres", f"{words}.rows"], [f"{words}.half"], name=f"{words}.half"),
        helper.make_node("Reshape", [f"{words}.half", f"{name}.shape"], [f"{words}.flat"], name=f"{words}.flat"),
        helper.make_node("Cast", [f"{words}.flat"], [words], name=f"{words}.float", to=TensorProto.FLOAT),
    ]
    return nodes, [numpy_helper.from_array(array, key) for key, array in arrays.items()]
