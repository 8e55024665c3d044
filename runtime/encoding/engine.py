"""A bundle's variant, compared with its manifest and ready to run; one for a process, however many encoders use it.

An engine may be called from many threads at once, and is freed with the last encoder that uses it. There are two kinds:
graphs by ONNX Runtime, in `onnx_engine`, and the token table, in `static`, which loads without ONNX Runtime.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Protocol
from weakref import WeakValueDictionary

from ..arrays import Counts, Floats, Ids
from ..bundle.external_data import check_locations
from ..bundle.golden import quick_check
from ..bundle.manifest import Bundle, Role, Variant
from .tokens import Tokens
from .verified import cache_path, is_verified, record_verified


class Engine(Protocol):
    """What a variant runs with; a vector depends on nothing but its text."""

    @property
    def tokens(self) -> Tokens:
        """The bundle's tokenizer."""

    def vector(self, ids: Ids) -> Floats:
        """The vector of a text's token ids, (dim,) float32 of unit length."""

    def run(self, texts: Sequence[str], role: Role, threads: int) -> tuple[Floats, Counts]:
        """Encode texts on at most so many threads.

        Returns:
            vectors: (n, dim) float32, unit rows, in the order of the texts.
            left_out: (n,) int64, how many characters of each text were not read.
        """


_engines: WeakValueDictionary[tuple[str, ...], Engine] = WeakValueDictionary()
_tokenizers: WeakValueDictionary[str, Tokens] = WeakValueDictionary()
_opening = Lock()
_inherited: list[Engine] = []


def _begin_anew() -> None:
    """In a process that was forked: open every engine anew. A thread that is not in it may have been within the old
    one, with its locks; so that is not freed either."""
    global _engines, _tokenizers, _opening
    _inherited.extend(_engines.values())
    _engines, _tokenizers, _opening = WeakValueDictionary(), WeakValueDictionary(), Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def open_engine(bundle: Bundle, variant: Variant) -> Engine:
    """The engine of a bundle's variant; all of a bundle share its tokenizer.

    Where the variant is not in the verification cache, its files are compared with their hashes and the vectors of
    some golden texts with those at the build.

    Raises:
        BundleError: a file is missing or altered, the graph takes weights from a file that the manifest does not list
            for it, cannot be loaded or is no encoder of the bundle's dim, or its vectors are wrong on this machine.
    """
    entry = cache_path(bundle, variant)
    verified = is_verified(entry)
    if not verified:
        for name in (bundle.tokenizer, *variant.files):
            bundle.verified(name)
    key = repr(replace(bundle, folder=bundle.folder.resolve()))
    with _opening:
        engine = _engines.get((key, variant.name))
        if engine is None:
            if not (verified or variant.is_static):
                check_locations(bundle.folder / variant.graph, variant)
            tokens = _tokenizers.get(key)
            if tokens is None:
                path = bundle.folder / bundle.tokenizer
                tokens = _tokenizers[key] = Tokens(path, dict(bundle.prefixes), bundle.max_tokens)
            engine = _engines[key, variant.name] = load(bundle.folder, variant, tokens, bundle.dim)
    if not verified:
        quick_check(bundle, variant, lambda text: engine.run([text], "document", 1)[0][0])
        if entry is not None:
            record_verified(entry)
    return engine


def load(folder: Path, variant: Variant, tokens: Tokens, dim: int) -> Engine:
    """The engine of a variant whose files are in a folder, without a check of their hashes.

    Raises:
        BundleError: its graph cannot be loaded or is no encoder of this dim.
    """
    path = folder / variant.graph
    if variant.is_static:
        from .static import StaticEngine, read_table

        return StaticEngine(tokens, read_table(path, variant.precision, dim, tokens.highest_id))
    from .onnx_engine import OnnxEngine, new_session

    return OnnxEngine(tokens, new_session(path, dim), dim, str(path))
