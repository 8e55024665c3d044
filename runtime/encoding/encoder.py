"""`Encoder`: texts to unit vectors, by the engine of one of the bundle's variants.

A vector depends on nothing but its text: not on what else is in the call, on order, on threads.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Floats
from ..bundle.manifest import ROLES, Bundle, Role, read_bundle
from ..checks import as_whole
from ..errors import NestlingError, TruncationWarning
from ..processors import processors
from .engine import Engine, open_engine
from .tokens import Tokens


class Encoder:
    """Encodes texts as unit vectors, with one width of a bundle.

    It can be pickled, and opens its bundle again where it arrives; so it does in a process that was forked from the one
    that made it, at the first use.

    Args:
        bundle: a bundle's folder, the name of an installed one, as `nestling-multi`, or what `read_bundle` returned;
            None for the bundle that ships with Nestling.
        width: `xl`, `l`, `m`, `s` or `static` in the bundle that ships with Nestling; None for the bundle's default.
            `static` is a table of tokens, which needs no ONNX Runtime.
        precision: of the weights, as `int8`; None for the width's default. `static` has a single one, and takes any
            name that the other widths have.
        dim: length of the vectors, the bundle's or a multiple of 8 below it; a shorter vector is the first values of
            the whole one, scaled to unit length.
        threads: texts encoded at the same time; None for the number of processors that this process may
            use, and its container's quota gives it. The vectors do not depend on it.

    Raises:
        BundleError: the bundle is missing or damaged, or has no such width or precision.
        NestlingError: `dim` or `threads` is out of range.
    """

    def __init__(
        self,
        bundle: str | Path | Bundle | None = None,
        *,
        width: str | None = None,
        precision: str | None = None,
        dim: int | None = None,
        threads: int | None = None,
    ) -> None:
        self.bundle = bundle if isinstance(bundle, Bundle) else read_bundle(bundle)
        self.dim = self.bundle.dim if dim is None else as_whole(dim) or 0
        self.threads = processors() if threads is None else as_whole(threads) or 0
        if not 8 <= self.dim <= self.bundle.dim or (self.dim % 8 and self.dim != self.bundle.dim):
            raise NestlingError(f"dim is {dim}, expected a multiple of 8 from 8 to {self.bundle.dim}")
        if self.threads < 1:
            raise NestlingError(f"threads is {threads}, expected 1 or more")
        variant = self.bundle.variant(width, precision)
        self.width = variant.width
        self.precision = variant.precision
        self._engine: Engine | None = None
        self._open()

    def __enter__(self) -> Encoder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_engine": self._engine is not None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _engine=None)
        if state["_engine"]:
            self._open()

    def _open(self) -> None:
        self._engine = open_engine(self.bundle, self.bundle.variant(self.width, self.precision))
        self._process = os.getpid()

    @property
    def engine(self) -> Engine:
        """What the encoder runs with; raises ValueError where it is closed."""
        if self._engine is not None and self._process != os.getpid():
            self._open()
        if self._engine is None:
            raise ValueError("the encoder is closed; make a new one")
        return self._engine

    @property
    def tokens(self) -> Tokens:
        """The bundle's tokenizer; raises ValueError where the encoder is closed."""
        return self.engine.tokens

    def close(self) -> None:
        """Give back the memory of the weights, unless another encoder of this process uses them too."""
        self._engine = None

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Encode texts as documents or as queries.

        A text longer than the bundle's `max_tokens` is read up to there, and a TruncationWarning says so; cut long
        texts into passages first, as `Library` does.

        Returns:
            (n, dim) float32, unit rows, in the order of the texts.

        Raises:
            TypeError: `texts` is one string, or holds something other than strings.
            ValueError: `role` is unknown, a text holds a lone surrogate, or the encoder is closed.
        """
        engine = self.engine
        texts = _checked(texts, role)
        vectors, left_out = engine.run(texts, role, self.threads)
        if left_out.any():
            long, limit = np.count_nonzero(left_out), self.tokens.max_tokens
            message = f"{long} of {len(texts)} texts are over {limit} tokens, {left_out.sum()} characters were left out"
            warnings.warn(message, TruncationWarning, stacklevel=2)
        return truncate(vectors, self.dim)


def truncate(vectors: Floats, dim: int) -> Floats:
    """The first `dim` dimensions, made unit rows again (Matryoshka, arXiv 2205.13147).

    Args:
        vectors: (n, d) float32, unit rows.

    Returns:
        (n, dim) float32, unit rows; the input itself where `dim` is d already.
    """
    if dim == vectors.shape[1]:
        return vectors
    prefix = vectors[:, :dim].astype(np.float64)
    norms = np.sqrt((prefix * prefix).sum(axis=1, keepdims=True))
    return np.asarray(prefix / np.maximum(norms, 1e-12), dtype=np.float32)


def _checked(texts: Sequence[str], role: Role) -> list[str]:
    """The texts as a list; raises where they, or the role, are not as they must be."""
    if isinstance(texts, str):
        raise TypeError("texts is one str, expected a list of str; put it in a list")
    if role not in ROLES:
        raise ValueError(f"role is {role!r}, expected one of {', '.join(ROLES)}")
    texts = list(texts)
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"text {position} is {type(text).__name__}, expected str")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"text {position} holds a lone surrogate at {error.start}; remove it") from error
    return texts
