"""Nestling: on-device retrieval that needs no GPU, no network and no torch.

Names are loaded when they are first used, so that `import nestling` costs next to nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .document import Document, Hit, Report, Skip
    from .encoding.encoder import Encoder
    from .errors import NestlingError
    from .library.library import Library
    from .vectors.hits import Hits
    from .vectors.index import Index

    __version__: str

__all__ = ["Document", "Encoder", "Hit", "Hits", "Index", "Library", "NestlingError", "Report", "Skip", "__version__"]

_MODULES = {
    "Document": ".document",
    "Encoder": ".encoding.encoder",
    "Hit": ".document",
    "Hits": ".vectors.hits",
    "Index": ".vectors.index",
    "Library": ".library.library",
    "NestlingError": ".errors",
    "Report": ".document",
    "Skip": ".document",
}

# From version 1.29 on ONNX Runtime tells its makers of its use, and keeps an identifier of the device to do so, unless
# this is said before it is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])


def _version() -> str:
    """The installed version; looked up when asked for, since that costs more than all else in this file."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("nestling")
    except PackageNotFoundError:  # imported from a source tree that is not installed
        return "0"
