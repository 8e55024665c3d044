"""Whether a bundle gives on this machine what it gave where it was built."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arrays import Floats, Rows
from ..bundle.external_data import check_locations
from ..bundle.golden import Golden, read_golden, require_cosine
from ..bundle.manifest import Variant, read_bundle
from .encoder import Encoder
from .engine import Engine

NEIGHBOURS = 5


@dataclass(frozen=True)
class Conformance:
    """What was measured of one variant.

    Attributes:
        variant: its name, width and precision.
        texts: how many golden texts there are.
        cosine_mean, cosine_min: between this machine's vectors and those at the build.
        reference_mean, reference_min: between this machine's vectors and those of the original float32 weights.
        agreement: share of each text's five nearest others that are the same as with the vectors at the build.
        tokens_per_second: with the encoder's default threads.
    """

    variant: str
    texts: int
    cosine_mean: float
    cosine_min: float
    reference_mean: float
    reference_min: float
    agreement: float
    tokens_per_second: float


def conformance(folder: Path) -> Iterator[Conformance]:
    """Compare all files of a bundle with their hashes, then encode its golden texts with one variant after another.

    The verification cache is not asked, and more is verified than at a start, where it would take too long: each
    variant must be able to run a text of `max_tokens` and the highest id that the tokenizer gives.

    Raises:
        BundleError: a file is missing or altered, a graph takes weights from a file that the manifest does not list for
            it or cannot run what it must, or a vector is further from the one at the build than it may be.
    """
    bundle = read_bundle(folder)
    bundle.verify()
    golden = read_golden(bundle)
    for variant in bundle.variants:
        if not variant.is_static:
            check_locations(bundle.folder / variant.graph, variant)
        with Encoder(bundle, width=variant.width, precision=variant.precision) as encoder:
            _check_limits(encoder.engine)
            measured = _measured(encoder, variant, golden)
        require_cosine(bundle, variant, measured.cosine_min)
        yield measured


def agreement(found: Floats, expected: Floats, neighbours: int) -> float:
    """The share of each row's nearest other rows that two sets of vectors agree on.

    Args:
        found, expected: (n, dim) float32, unit rows.
        neighbours: how many nearest rows count.
    """
    pairs = zip(_nearest(found, neighbours), _nearest(expected, neighbours), strict=True)
    return float(np.mean([len(set(mine) & set(theirs)) / len(theirs) for mine, theirs in pairs]))


def _check_limits(engine: Engine) -> None:
    """Raise BundleError where a graph cannot run the longest text, or the highest id that its tokenizer gives."""
    engine.vector(np.full(engine.tokens.max_tokens, engine.tokens.highest_id, dtype=np.int64))


def _measured(encoder: Encoder, variant: Variant, golden: Golden) -> Conformance:
    tokens = encoder.tokens
    texts = [tokens.readable(text, "document") for text in golden.texts]
    encoder.encode(texts[:1], role="document")
    begin = time.perf_counter()
    found = encoder.encode(texts, role="document")
    seconds = time.perf_counter() - begin
    expected = golden.built[variant.name]
    cosines, reference = ((found * vectors).sum(axis=1) for vectors in (expected, golden.reference))
    return Conformance(
        variant=variant.name,
        texts=len(texts),
        cosine_mean=float(cosines.mean()),
        cosine_min=float(cosines.min()),
        reference_mean=float(reference.mean()),
        reference_min=float(reference.min()),
        agreement=agreement(found, expected, NEIGHBOURS),
        tokens_per_second=sum(len(tokens.ids(text, "document")[0]) for text in texts) / seconds,
    )


def _nearest(vectors: Floats, neighbours: int) -> Rows:
    """The nearest other rows of each row: (n, neighbours)."""
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    return np.argsort(-similarity, axis=1, kind="stable")[:, : min(neighbours, len(vectors) - 1)]
