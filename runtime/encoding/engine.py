"""A bundle's variant, compared with its manifest and ready to run; one for a process, however many encoders use it.

An engine runs one text at a time on the calling thread, so it may be called from many threads at once. It is freed with
the last encoder that uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, eq=False)
class Engine:
    """What a variant runs with.

    Attributes:
        tokens: the bundle's tokenizer.
        session: one graph on one thread.
    """

    tokens: Tokens
    session: Any

    def run(self, text: str, role: Role) -> tuple[npt.NDArray[np.float32], int]:
        """One text's vector, (dim,) float32 of unit length, and how many of its characters were left out."""
        ids, left_out = self.tokens.ids(text, role)
        return self.session.run(["vector"], {"input_ids": ids[None, :]})[0][0], left_out


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
    key = (repr(bundle), variant.name)
    with _opening:
        engine = _engines.get(key)
        if engine is None:
            graph = bundle.folder / variant.graph
            if not known:
                check_locations(graph, variant)
            tokens = Tokens(bundle.folder / bundle.tokenizer, dict(bundle.prefixes), bundle.max_tokens)
            engine = _engines[key] = Engine(tokens, new_session(graph, bundle.dim))
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
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no public base class
        reason = str(error).splitlines()[0]
        raise BundleError(f"{graph}: ONNX Runtime cannot load it ({reason}); build the bundle again") from error
    inputs = [(value.name, value.type) for value in session.get_inputs()]
    outputs = [(value.name, value.type, value.shape) for value in session.get_outputs()]
    fits = [(name, kind, len(shape), *shape[-1:]) for name, kind, shape in outputs] == [("vector", _FLOATS, 2, dim)]
    if inputs != [("input_ids", "tensor(int64)")] or not fits:
        raise BundleError(f"{graph}: has {inputs} -> {outputs}, expected input_ids -> vector of {dim}")
    return session
