"""The golden texts of a bundle: real texts with the vectors that they must have, as they came out at the build."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..arrays import Floats
from ..errors import BundleError
from . import archive
from .manifest import Bundle, Variant

MIN_COSINE = 0.985

_QUICK_TEXTS = 3
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Golden:
    """What `golden.npz` holds.

    Attributes:
        texts: from the shortest on; none is longer than the encoder reads.
        reference: (n, dim) float32, unit rows, by the original weights in float32.
        built: by the name of each variant, (n, dim) float32, unit rows, as that variant gave them where it was built.
    """

    texts: list[str]
    reference: Floats
    built: Mapping[str, Floats]


def read_golden(bundle: Bundle) -> Golden:
    """Read a bundle's golden texts and vectors.

    Raises:
        BundleError: the file is missing or altered, is not what it must be, or lacks the vectors of a variant.
    """
    path = bundle.verified(bundle.golden)
    try:
        with archive.opened(path, _MOST_BYTES) as stored:
            texts = _texts(json.loads(stored["texts"].tobytes()))
            vectors = {name: _unit(stored[name]) for name in stored.files if name != "texts"}
            reference = vectors.pop("vectors")
    except Exception as error:  # damaged archives raise nearly anything, from zlib.error to RecursionError
        reason = str(error) or type(error).__name__
        raise BundleError(f"{path}: holds no golden vectors ({reason}); build the bundle again") from error
    if len(texts) < 2:
        raise BundleError(f"{path}: has {len(texts)} texts, expected 2 or more; build the bundle again")
    for found in (reference, *vectors.values()):
        if found.shape != (len(texts), bundle.dim):
            raise BundleError(
                f"{path}: has vectors {found.shape}, expected {(len(texts), bundle.dim)}; build the bundle again"
            )
    if missing := [variant.name for variant in bundle.variants if variant.name not in vectors]:
        raise BundleError(
            f"{path}: has no vectors of {missing[0]}, expected some of each variant; build the bundle again"
        )
    return Golden(texts, reference, vectors)


def stored(golden: Golden) -> dict[str, npt.NDArray[np.generic]]:
    """The arrays of `golden.npz`: the texts as the bytes of a JSON list, the vectors in float16."""
    vectors = {"vectors": golden.reference, **golden.built}
    return {
        "texts": np.frombuffer(json.dumps(golden.texts, ensure_ascii=False).encode(), dtype=np.uint8),
        **{name: values.astype(np.float16) for name, values in vectors.items()},
    }


def quick_check(bundle: Bundle, variant: Variant, encode: Callable[[str], Floats]) -> None:
    """Encode some short golden texts and compare.

    Args:
        encode: a text's vector as a document, (dim,) float32.

    Raises:
        BundleError: a vector is further from the one at the build than it may be.
    """
    golden = read_golden(bundle)
    count = len(golden.texts)
    # Some of the shorter half, so that a check takes a moment.
    for row in range(0, count // 2 + 1, max(1, count // (2 * _QUICK_TEXTS))):
        require_cosine(bundle, variant, float(encode(golden.texts[row]) @ golden.built[variant.name][row]))


def require_cosine(bundle: Bundle, variant: Variant, cosine: float) -> None:
    """Raise BundleError where the cosine of a vector to the one at the build is below 0.985, or is no number."""
    if not cosine >= MIN_COSINE:
        raise BundleError(
            f"{bundle.folder}: {variant.name} gives on this machine a vector with cosine {cosine:.4f} to the one at "
            f"the build, expected {MIN_COSINE} or more; do not use it here and please report it"
        )


def _texts(values: object) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(text, str) for text in values):
        raise ValueError("its texts are no list of texts")
    for text in values:
        text.encode()  # raises for lone surrogates
    return values


def _unit(vectors: npt.NDArray[np.floating]) -> Floats:
    """Rows made unit again after rounding to float16."""
    rows = vectors.astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), dtype=np.float32)
