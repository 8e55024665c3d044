"""A bundle's variant, compared with its manifest and ready to run; one for a process, however many encoders use it.

An engine runs one text at a time on the calling thread, so it may be called from many threads at once. It is freed with
the last encoder that uses it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
import onnxruntime

from ..errors import BundleError
from .bundle import Bundle, Variant
from .external import locations
from .golden import quick_check
from .remembered import is_noted, note_of, remember
from .tokens import Role, Tokens

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Engine:
    """What a variant runs with.

    Attributes:
        tokens: the bundle's tokenizer.
        session: one graph on one thread.
        name: what errors call the graph.
    """

    tokens: Tokens
    session: Any
    name: str = "the graph"

    def run(self, text: str, role: Role) -> tuple[npt.NDArray[np.float32], int]:
        """One text's vector, (dim,) float32 of unit length, and how many of its characters were left out."""
        ids, left_out = self.tokens.ids(text, role)
        return self.vector(ids), left_out

    def vector(self, ids: Ids) -> npt.NDArray[np.float32]:
        """The vector of a text's token ids, (dim,) float32 of unit length."""
        try:
            (vectors,) = self.session.run(["vector"], {"input_ids": ids[None, :]})
        except Exception as error:  # ONNX Runtime's errors share no public base class
            raise BundleError(
                f"{self.name}: ONNX Runtime cannot run it on {len(ids)} token ids up to {ids.max(initial=0)} "
                f"({_reason(error)}); build the bundle again"
            ) from error
        return np.asarray(vectors[0], dtype=np.float32)


_engines: WeakValueDictionary[tuple[str, ...], Engine] = WeakValueDictionary()
_opening = Lock()

_FLOATS = "tensor(float)"


def opened(bundle: Bundle, variant: Variant) -> Engine:
    """The engine of a bundle's variant.

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
    key = (repr(replace(bundle, folder=bundle.folder.resolve())), variant.name)
    with _opening:
        engine = _engines.get(key)
        if engine is None:
            graph = bundle.folder / variant.graph
            if not known:
                check_locations(graph, variant)
            tokens = Tokens(bundle.folder / bundle.tokenizer, dict(bundle.prefixes), bundle.max_tokens)
            engine = _engines[key] = Engine(tokens, new_session(graph, bundle.dim), str(graph))
    if not known:
        quick_check(bundle, variant, lambda text: engine.run(text, "document")[0])
        if note is not None:
            remember(note)
    return engine


def check_locations(graph: Path, variant: Variant) -> None:
    """Raise BundleError where a graph takes weights from another file than those the manifest lists for it."""
    try:
        found = locations(graph.read_bytes())
    except ValueError as error:
        raise BundleError(f"{graph}: is no ONNX graph ({error}); build the bundle again") from error
    if strange := sorted(found - set(variant.data)):
        raise BundleError(
            f"{graph}: takes weights from {strange[0]!r}, which the manifest does not list for it; "
            "do not use this bundle"
        )


def new_session(graph: Path, dim: int) -> onnxruntime.InferenceSession:
    """One session on one thread, without ONNX Runtime's memory arena, which never gives memory back.

    Graphs were optimized when they were built, so what is computed does not depend on the version that runs them.
    """
    onnxruntime.disable_telemetry_events()  # on Windows; elsewhere `nestling/__init__.py` does
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 4  # errors are raised as well
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no public base class
        raise BundleError(f"{graph}: ONNX Runtime cannot load it ({_reason(error)}); build the bundle again") from error
    inputs = [(value.name, value.type) for value in session.get_inputs()]
    outputs = [(value.name, value.type, value.shape) for value in session.get_outputs()]
    fits = [(name, kind, len(shape), *shape[-1:]) for name, kind, shape in outputs] == [("vector", _FLOATS, 2, dim)]
    if inputs != [("input_ids", "tensor(int64)")] or not fits:
        raise BundleError(f"{graph}: has {inputs} -> {outputs}, expected input_ids -> vector of {dim}")
    return session


def _reason(error: Exception) -> str:
    """What an error of ONNX Runtime says, in one line."""
    lines = str(error).splitlines()
    return lines[0].strip() if lines else type(error).__name__
