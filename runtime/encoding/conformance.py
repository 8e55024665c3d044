"""Whether a bundle gives on this machine what it gave where it was built."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from ..errors import BundleError
from .bundle import read_bundle
from .encoder import Encoder

MIN_COSINE = 0.985


@dataclass(frozen=True)
class Conformance:
    """What was measured.

    Attributes:
        texts: how many golden texts there are.
        cosine_mean, cosine_min: between this machine's vectors and the float32 reference's.
        tokens_per_second: with the encoder's default threads.
    """

    texts: int
    cosine_mean: float
    cosine_min: float
    tokens_per_second: float


def to_array(texts: list[str]) -> npt.NDArray[np.uint8]:
    """Texts as the bytes of a JSON list, (n,) uint8, as they stand in `golden.npz`."""
    return np.frombuffer(json.dumps(texts, ensure_ascii=False).encode(), dtype=np.uint8)


def to_texts(array: npt.NDArray[np.uint8]) -> list[str]:
    """The texts of `to_array`."""
    return [str(text) for text in json.loads(array.tobytes())]


def conformance(folder: Path) -> Conformance:
    """Compare all files of a bundle with their hashes, then encode its golden texts and compare the vectors.

    Raises:
        BundleError: a file is missing or altered, or a vector is further from the reference than it may be.
    """
    bundle = read_bundle(folder)
    bundle.verify()
    path = bundle.folder / bundle.golden
    try:
        with np.load(path, allow_pickle=False) as golden:
            texts, expected = to_texts(golden["texts"]), golden["vectors"]
    except (KeyError, ValueError, EOFError, OSError, BadZipFile) as error:
        raise BundleError(f"{path}: holds no golden vectors ({error}); build the bundle again") from error
    encoder = Encoder(bundle)
    tokens = encoder.tokens
    texts = [tokens.truncated(text, tokens.room("document")) for text in texts]
    encoder.encode(texts[:1], role="document")
    begin = time.perf_counter()
    found = encoder.encode(texts, role="document")
    seconds = time.perf_counter() - begin
    if expected.shape != found.shape:
        raise BundleError(f"{path}: has vectors {expected.shape}, expected {found.shape}; build the bundle again")
    cosines = (found * expected).sum(axis=1)
    if not cosines.min() >= MIN_COSINE:
        raise BundleError(
            f"{bundle.folder}: a vector has cosine {cosines.min():.4f} to the reference on this machine, expected "
            f"{MIN_COSINE} or more; do not use it here and please report it"
        )
    count = sum(len(tokens.ids(text, "document")[0]) for text in texts)
    return Conformance(len(texts), float(cosines.mean()), float(cosines.min()), count / seconds)
