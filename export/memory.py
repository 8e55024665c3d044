"""Memory that a finished step gives back to the system, so that a build takes what its largest step does."""

from __future__ import annotations

import ctypes
import gc
import sys


def give_back() -> None:
    """Free what nothing uses any more: graphs refer to themselves in circles, and glibc keeps what they took."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)
