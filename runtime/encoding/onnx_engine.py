"""The widths that are ONNX graphs, run by ONNX Runtime.

One text a run, unpadded, on a session of one thread: dynamic int8 quantization takes its scales from the whole input
tensor, so a padded batch would change a text's vector. Throughput comes from worker threads that share the session.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np

from ..arrays import Counts, Floats, Ids
from ..bundle.manifest import Role
from ..errors import BundleError
from .ort import onnxruntime
from .tokens import Tokens

_FLOATS = "tensor(float)"


@dataclass(frozen=True, eq=False)
class OnnxEngine:
    """What a graph runs with, see `engine.Engine`.

    Attributes:
        tokens: the bundle's tokenizer.
        session: one graph on one thread.
        dim: length of its vectors.
        name: what errors call the graph.
    """

    tokens: Tokens
    session: Any
    dim: int
    name: str

    def vector(self, ids: Ids) -> Floats:
        """The vector of a text's token ids, (dim,) float32 of unit length."""
        try:
            (vectors,) = self.session.run(["vector"], {"input_ids": ids[None, :]})
        except Exception as error:  # ONNX Runtime's errors share no public base class
            raise BundleError(
                f"{self.name}: ONNX Runtime cannot run it on {len(ids)} token ids up to {ids.max(initial=0)} "
                f"({_reason(error)}); build the bundle again"
            ) from error
        return np.asarray(vectors[0], dtype=np.float32)

    def run(self, texts: Sequence[str], role: Role, threads: int) -> tuple[Floats, Counts]:
        """The vectors of texts, and how many characters of each were left out; see `engine.Engine.run`."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        left_out = np.zeros(len(texts), dtype=np.int64)

        def encode(row: int) -> None:
            ids, left_out[row] = self.tokens.ids(texts[row], role)
            vectors[row] = self.vector(ids)

        try:
            # Long texts first, so that no thread is left alone with one at the end.
            _for_each(sorted(range(len(texts)), key=lambda row: -len(texts[row])), encode, threads)
        finally:
            if len(texts) > threads:
                self._give_back()
        return vectors, left_out

    def _give_back(self) -> None:
        """Have ONNX Runtime give back what it keeps of the memory that texts took; it does so behind a run."""
        options = onnxruntime.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        with suppress(Exception):  # the vectors are there
            self.session.run(["vector"], {"input_ids": np.zeros((1, 1), dtype=np.int64)}, options)


def _for_each(rows: Sequence[int], work: Callable[[int], None], threads: int) -> None:
    """Call a function with each row, on this thread and so many others that there are at most `threads`.

    None of them outlives the call, even where it is interrupted: one that is in ONNX Runtime while Python ends takes
    the process down with it. The first error of any of them is raised here.
    """
    positions = count()
    failures: list[BaseException] = []

    def run(ended: Event) -> None:
        try:
            while not failures and (position := next(positions)) < len(rows):
                work(rows[position])
        except BaseException as error:  # handed to the caller's thread below
            failures.append(error)
        finally:
            ended.set()

    # Events, for a join that Ctrl-C interrupted takes the thread for ended from then on (CPython's bpo-45274).
    ended = [Event() for _ in range(min(threads, len(rows)) - 1)]
    workers = [Thread(target=run, args=(event,), daemon=True) for event in ended]
    try:
        for worker in workers:
            worker.start()
        run(Event())
        for event in ended:
            event.wait()
    except BaseException as error:  # Ctrl-C while waiting
        failures.append(error)
        raise
    finally:
        for worker, event in zip(workers, ended, strict=True):
            if worker.ident is not None:
                event.wait()
    if failures:
        raise failures[0]


def new_session(graph: Path, dim: int) -> onnxruntime.InferenceSession:
    """One session on one thread.

    It keeps memory from text to text, which saves a sixth of the time. Graphs were optimized when they were built, so
    what is computed does not depend on the version that runs them.
    """
    onnxruntime.disable_telemetry_events()  # on Windows; elsewhere `nestling/__init__.py` does
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_cpu_mem_arena = True
    options.enable_mem_pattern = False  # or each length of text has a plan of its own, which stays
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
