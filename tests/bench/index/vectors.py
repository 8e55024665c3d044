"""A million vectors with real neighbourhoods, for `compare.py`.

60,000 real texts are encoded by the default bundle. The rest lie between them: each is a real vector moved by a random
share of 20 to 80 % towards one of its ten nearest real neighbours, with Gaussian noise of a length of 0.25 added, made
unit again. Queries are real questions, encoded as queries. The truth is the exact float32 order.
"""

from __future__ import annotations

import gzip
from itertools import islice
from pathlib import Path

import numpy as np

from nestling import Encoder

SOURCES = {"wikipedia-en": 20_000, "biomed-sentences-en": 20_000, "consumer-health-en": 10_000, "general-en": 10_000}
QUERIES = 256
NOISE = 0.25
DEPTH = 100
SEED = 1

_BLOCK = 4096


def prepare(texts: Path, work: Path, rows: int) -> None:
    """Write real.npy, vectors.npy, queries.npy and the truths into the work folder, where they are not there yet."""
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "real.npy").exists():
        encoder = Encoder()
        lines = [line for name, count in SOURCES.items() for line in _lines(texts / f"{name}.txt.gz", count)]
        questions = _lines(texts / "queries-en.txt.gz", 50 * QUERIES)[::50]
        room = encoder.tokens.room("document")
        real = encoder.encode([encoder.tokens.truncated(line, room) for line in lines], role="document")
        np.save(work / "queries.npy", encoder.encode(questions, role="query"))
        np.save(work / "real.npy", real)
    real, queries = np.load(work / "real.npy"), np.load(work / "queries.npy")
    if not (work / "truth-real.npy").exists():
        np.save(work / "truth-real.npy", truth(real, queries))
    if not (work / f"truth-{rows}.npy").exists():
        vectors = enlarged(real, rows)
        np.save(work / f"vectors-{rows}.npy", vectors)
        np.save(work / f"truth-{rows}.npy", truth(vectors, queries))


def enlarged(real: np.ndarray, rows: int) -> np.ndarray:
    """(rows, dim) float32 unit vectors, the real ones first."""
    random = np.random.default_rng(SEED)
    near = np.concatenate(
        [
            np.argpartition(-(real[at : at + _BLOCK] @ real.T), 11, axis=1)[:, :11].copy()
            for at in range(0, len(real), _BLOCK)
        ]
    )
    vectors = np.empty((rows, real.shape[1]), dtype=np.float32)
    vectors[: len(real)] = real[:rows]
    for begin in range(len(real), rows, _BLOCK):
        size = min(_BLOCK, rows - begin)
        one = random.integers(0, len(real), size)
        other = near[one, random.integers(0, 11, size)]
        share = random.uniform(0.2, 0.8, (size, 1)).astype(np.float32)
        noise = random.normal(0, NOISE / np.sqrt(real.shape[1]), (size, real.shape[1])).astype(np.float32)
        moved = real[one] + share * (real[other] - real[one]) + noise
        vectors[begin : begin + size] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return vectors


def truth(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The exact order by float32: (queries, DEPTH) int64 rows."""
    best = np.zeros((len(queries), 0), dtype=np.int64)
    scores = np.zeros((len(queries), 0), dtype=np.float32)
    for begin in range(0, len(vectors), 1 << 16):
        found = queries @ vectors[begin : begin + (1 << 16)].T
        rows = np.broadcast_to(np.arange(begin, begin + found.shape[1]), found.shape)
        best, scores = np.concatenate([best, rows], axis=1), np.concatenate([scores, found], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
        best, scores = np.take_along_axis(best, order, axis=1), np.take_along_axis(scores, order, axis=1)
    return best


def _lines(path: Path, count: int) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [line.strip() for line in islice(lines, count)]
