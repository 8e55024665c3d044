"""Whatever a host program imports first, nothing of Nestling ends its process."""

from __future__ import annotations

import subprocess
import sys
from itertools import permutations

import pytest

from processes import guarded_environment

PARTS = {
    "encoder": "from nestling import Encoder; Encoder(width='s').encode(['owls'], role='query')",
    "graph": (
        "import numpy; from nestling import Index; index = Index(8); "
        "index.add([1], numpy.eye(1, 8, dtype='float32')); index.build_graph()"
    ),
    "usearch": "import usearch.index",
}


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=guarded_environment())


@pytest.mark.parametrize("order", list(permutations(PARTS)), ids="-".join)
def test_a_graph_and_an_encoder_work_in_any_order(order: tuple[str, ...]) -> None:
    done = run("\n".join(PARTS[name] for name in order) + "\nprint('through')")
    # With usearch 2.26.2 to 2.26.6, which are excluded but may be there, one order can only be refused.
    refused = order[0] == "usearch" and "was imported before onnxruntime, which would end this process" in done.stderr
    assert done.stdout == "through\n" or refused, done.stderr[-300:]


def test_what_crashes_the_import_of_onnxruntime_is_a_sentence() -> None:
    code = (
        "import os, sys, types\n"
        "sys.modules['usearch'] = types.SimpleNamespace(__version__='2.26.6')\n"
        "class Crash:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'onnxruntime': os.kill(os.getpid(), 11)\n"
        "sys.meta_path.insert(0, Crash())\n"
        "from nestling.errors import NestlingError\n"
        "try: import nestling.encoding.ort\n"
        "except NestlingError as error: print(error)\n"
    )
    assert run(code).stdout == (
        "usearch 2.26.6 was imported before onnxruntime, which would end this process; import onnxruntime first, or: "
        "pip install 'usearch<2.26.2'\n"
    )


def test_an_interrupt_that_ends_the_import_of_onnxruntime_stays_one() -> None:
    """As ONNX Runtime is set up, its C++ part makes an ImportError of it."""
    code = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'onnxruntime': raise ImportError('initialization failed') from KeyboardInterrupt()\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "try: import nestling.encoding.ort\n"
        "except KeyboardInterrupt: print('stopped')\n"
    )
    assert run(code).stdout == "stopped\n"
