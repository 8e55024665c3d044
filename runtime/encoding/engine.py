"""A bundle's variant, compared with its manifest and ready to run; one for a process, however many encoders use it.

An engine may be called from many threads at once, and is freed with the last encoder that uses it. There are two kinds:
graphs by ONNX Runtime, in `onnx_engine`, and the token table, in `static`, which loads without ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Protocol
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from ..bundle.external_data import check_locations
from ..bundle.golden import Floats, quick_check
from ..bundle.manifest import Bundle, Role, Variant
from .tokens import Tokens
from .verified import is_noted, note_of, remember

Ids = npt.NDArray[np.int64]


class Engine(Protocol):
    """What a variant runs with; a vector depends on nothing but its text."""

    @property
    def tokens(self) -> Tokens:
        """The bundle's tokenizer."""

    def run(self, text: str, role: Role) -> tuple[Floats, int]:
        """One text's vector, (dim,) float32 of unit length, and how many of its characters were left out."""

    def vector(self, ids: Ids) -> Floats:
        """The vector of a text's token ids, (dim,) float32 of unit length."""

    def run_all(self, texts: Sequence[str], role: Role, threads: int, vectors: Floats, left_out: Ids) -> None:
        """What `run` gives for many texts, on at most so many threads.

        Args:
            vectors: (n, dim) float32, to be filled.
            left_out: (n,) int64, to be filled.
        """


_engines: WeakValueDictionary[tuple[str, ...], Engine] = WeakValueDictionary()
_tokenizers: WeakValueDictionary[str, Tokens] = WeakValueDictionary()
_opening = Lock()


def opened(bundle: Bundle, variant: Variant) -> Engine:
    """The engine of a bundle's variant; all of a bundle share its tokenizer.

    Where nothing was noted of this variant on this machine, its files are compared with their hashes and some golden
    texts with their vectors.

    Raises:
        BundleError: a file is missing or altered, the graph takes weights from a file that the manifest does not list
            for it, cannot be loaded or is no encoder of the bundle's dim, or its vectors are wrong on this machine.
    """
    note = note_of(bundle, variant)
    known = is_noted(note)
    if not known:
        for name in (bundle.tokenizer, *variant.files):
            bundle.verified(name)
    place = repr(replace(bundle, folder=bundle.folder.resolve()))
    with _opening:
        engine = _engines.get((place, variant.name))
        if engine is None:
            if not (known or variant.is_static):
                check_locations(bundle.folder / variant.graph, variant)
            tokens = _tokenizers.get(place)
            if tokens is None:
                path = bundle.folder / bundle.tokenizer
                tokens = _tokenizers[place] = Tokens(path, dict(bundle.prefixes), bundle.max_tokens)
            engine = _engines[place, variant.name] = load(bundle.folder, variant, tokens, bundle.dim)
    if not known:
        quick_check(bundle, variant, lambda text: engine.run(text, "document")[0])
        if note is not None:
            remember(note)
    return engine


def load(folder: Path, variant: Variant, tokens: Tokens, dim: int) -> Engine:
    """The engine of a variant whose files are in a folder, without a look at the manifest.

    Raises:
        BundleError: its graph cannot be loaded or is no encoder of this dim.
    """
    path = folder / variant.graph
    if variant.is_static:
        from .static import StaticEngine, read_table

        return StaticEngine(tokens, read_table(path, variant.precision, dim, tokens.highest_id))
    from .onnx_engine import OnnxEngine, new_session

    return OnnxEngine(tokens, new_session(path, dim), str(path))
