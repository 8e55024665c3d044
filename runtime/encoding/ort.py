"""ONNX Runtime, imported where that does not end the process.

On Linux usearch 2.26.2 to 2.26.6 carries a C++ library of its own. Where that is the first to set up the process's
locales, ONNX Runtime reads them wrongly and crashes as it is imported, which no exception tells. So it is tried first
in a forked child, in processes alone in which usearch came before it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import suppress

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
    """Whether a forked child of this process lives to have imported ONNX Runtime, which it says through a pipe."""
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what a crash prints is no message of this process
            import onnxruntime  # noqa: F401

            os.write(tell, b"1")
        finally:
            os._exit(0)
    os.close(tell)
    try:
        # A lock that another thread held as it was forked may keep the child for ever.
        return bool(select.select([told], [], [], _LONGEST_SECONDS)[0] and os.read(told, 1))
    finally:
        os.close(told)
        os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):  # the host lets the system collect its children
            os.waitpid(child, 0)


_require_safe_import()

try:
    import onnxruntime
except ImportError as error:  # made of an interrupt that comes as its C++ part is set up
    if isinstance(error.__cause__, KeyboardInterrupt):
        raise error.__cause__ from None
    raise

__all__ = ["onnxruntime"]
