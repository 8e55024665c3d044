"""ONNX Runtime, imported where that does not end the process.

On Linux usearch 2.26.2 to 2.26.6 carries a C++ library of its own. Where that is the first to set up the process's
locales, ONNX Runtime reads them wrongly and crashes as it is imported, which no exception tells. So it is tried first
in a forked child, in processes alone in which usearch came before it.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from ..errors import NestlingError

_FIRST_UNSAFE = (2, 26, 2)
_LONGEST_SECONDS = 20.0


def _require_safe_import() -> None:
    """Raise NestlingError where importing ONNX Runtime would end the process."""
    usearch = sys.modules.get("usearch")
    if sys.platform != "linux" or "onnxruntime" in sys.modules or usearch is None:
        return
    version = str(getattr(usearch, "__version__", "0"))
    if tuple(int(part) for part in version.split(".") if part.isdigit()) >= _FIRST_UNSAFE and not _can_import():
        raise NestlingError(
            f"usearch {version} was imported before onnxruntime, which would end this process; import onnxruntime "
            "first, or: pip install 'usearch<2.26.2'"
        )


def _can_import() -> bool:
    """Whether a forked child of this process lives to have imported ONNX Runtime."""
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what a crash prints is no message of this process
        try:
            import onnxruntime  # noqa: F401
        finally:
            os._exit(0)
    until = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.WIFEXITED(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)  # a lock that another thread held as it was forked
    os.waitpid(child, 0)
    return False


_require_safe_import()

import onnxruntime  # noqa: E402

__all__ = ["onnxruntime"]
