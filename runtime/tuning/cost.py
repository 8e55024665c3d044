"""What a variant of a bundle costs on this device: each is measured in a process of its own, so that its memory is its.

The process runs this file's `main`, which prints a line of JSON.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import child
from ..bundle.manifest import Bundle, Variant, read_bundle
from ..errors import NestlingError

if TYPE_CHECKING:
    from ..encoding.encoder import Encoder

_SECONDS = 0.8
_WARM_UP = 3
_MOST_QUERIES = 200
_QUERY_WORDS = 8
_TEXTS_A_CALL = 16
_MOST_CALLS = 80
_LONGEST_SECONDS = 300
_MB = 1e6


@dataclass(frozen=True)
class Cost:
    """What was measured of one variant.

    Attributes:
        width, precision: the variant's.
        query_ms: milliseconds to encode one query of a few words, the median.
        tokens_per_second: of documents, with the encoder's default threads.
        megabytes: resident memory of a process that encodes with it, in millions of bytes; the most that it ever was,
            where the system tells no more.
        base_megabytes: of these, what the process had before the encoder, which encoders of one process share.
    """

    width: str
    precision: str
    query_ms: float
    tokens_per_second: float
    megabytes: float
    base_megabytes: float

    @property
    def variant(self) -> str:
        """The variant's name."""
        return f"{self.width}.{self.precision}"


def measure_cost(bundle: Bundle, variant: Variant) -> Cost:
    """Measure a variant in a process of its own, for about two seconds.

    Raises:
        NestlingError: the process failed, with what it said.
    """
    command = child.command(__name__, str(bundle.folder.resolve()), variant.width, variant.precision)
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", env=environment, check=True,
            stdin=subprocess.DEVNULL, timeout=_LONGEST_SECONDS, creationflags=child.FLAGS,
        )  # fmt: skip
        return Cost(variant.width, variant.precision, **json.loads(done.stdout))
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
    except OSError as error:
        reason = f"its process cannot be started: {error.strerror or error}"
    except subprocess.TimeoutExpired:
        reason = f"it took over {_LONGEST_SECONDS} s"
    except (ValueError, TypeError):
        reason = "what it printed is no measurement"
    raise NestlingError(f"{bundle.folder}: {variant.name} cannot be measured ({reason}); try: nestling check")


def _measured(bundle: Bundle, width: str, precision: str) -> Cost:
    """Measure in this process, in which no encoder was loaded before."""
    from ..bundle.golden import read_golden
    from ..encoding.encoder import Encoder

    if not bundle.variant(width, precision).is_static:
        from ..encoding.ort import onnxruntime  # noqa: F401 - before the look at the memory, since encoders share it
    texts = read_golden(bundle).texts
    before = _resident_bytes()
    with Encoder(bundle, width=width, precision=precision) as encoder:
        texts = [encoder.tokens.readable(text, "document") for text in texts]
        return Cost(
            width=width,
            precision=precision,
            query_ms=_query_ms(encoder, [" ".join(text.split()[:_QUERY_WORDS]) for text in texts]),
            tokens_per_second=_tokens_per_second(encoder, texts),
            megabytes=_resident_bytes() / _MB,
            base_megabytes=before / _MB,
        )


def _query_ms(encoder: Encoder, queries: list[str]) -> float:
    """The median time of a query, in milliseconds."""
    for query in queries[:_WARM_UP]:
        encoder.encode([query], role="query")
    took: list[float] = []
    while sum(took) < _SECONDS and len(took) < _MOST_QUERIES:
        begin = time.perf_counter()
        encoder.encode([queries[len(took) % len(queries)]], role="query")
        took.append(time.perf_counter() - begin)
    return 1000 * statistics.median(took)


def _tokens_per_second(encoder: Encoder, texts: list[str]) -> float:
    """How fast documents are encoded, some a call; as they are sorted by length, each call has short and long ones."""
    count = max(1, len(texts) // _TEXTS_A_CALL)
    calls = [texts[begin::count] for begin in range(count)]
    sizes = [sum(len(encoder.tokens.ids(text, "document")[0]) for text in call) for call in calls]
    encoded = number = 0
    begin = time.perf_counter()
    while (seconds := time.perf_counter() - begin) < _SECONDS and number < _MOST_CALLS:
        encoder.encode(calls[number % count], role="document")
        encoded += sizes[number % count]
        number += 1
    return encoded / seconds


def _resident_bytes() -> int:
    """Memory of this process that lies in the machine's; where the system tells no more, the most that it ever was."""
    if sys.platform == "win32":
        return _working_set()
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else 1024 * most


def _working_set() -> int:
    """What Windows calls resident memory."""
    import ctypes

    class Counters(ctypes.Structure):
        """PROCESS_MEMORY_COUNTERS of psapi.h."""

        _fields_ = (
            ("cb", ctypes.c_uint32),
            ("PageFaultCount", ctypes.c_uint32),
            ("PeakWorkingSetSize", ctypes.c_size_t),
            ("WorkingSetSize", ctypes.c_size_t),
            ("quotas", ctypes.c_size_t * 6),
        )

    counters = Counters(cb=ctypes.sizeof(Counters))
    kernel = getattr(ctypes, "WinDLL")("kernel32")  # noqa: B009 - there on Windows only
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    kernel.K32GetProcessMemoryInfo.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32)
    kernel.K32GetProcessMemoryInfo(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb)
    return int(counters.WorkingSetSize)


def main() -> None:
    """Measure what the arguments name; a known error is one line on stderr and exit code 1."""
    folder, width, precision = sys.argv[1:]
    try:
        found = asdict(_measured(read_bundle(folder), width, precision))
    except NestlingError as error:
        sys.exit(str(error))
    del found["width"], found["precision"]
    print(json.dumps(found))
